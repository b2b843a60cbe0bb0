#include "proto/wire/field_reader.h"

namespace eventhub::wire {

LongVarint ReadLongVarint(const char* at, const char* end, int max_bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 7 * max_bytes && at != end; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    if (shift == 63 && byte > 1) break;  // The tenth byte has room for one bit only.
    return {value, at};
  }
  return {0, nullptr};
}

}  // namespace eventhub::wire

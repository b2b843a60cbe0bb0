#include "proto/wire/writer.h"

namespace eventhub::wire {

void AppendNumber(uint32_t field, uint64_t value, std::string* to) {
  if (value == 0) return;
  AppendVarint(uint64_t{field} << 3, to);
  AppendVarint(value, to);
}

void AppendFixed64(uint32_t field, uint64_t value, std::string* to) {
  if (value == 0) return;
  AppendVarint(uint64_t{field} << 3 | 1, to);
  uint8_t encoded[sizeof(value)];
  google::protobuf::io::CodedOutputStream::WriteLittleEndian64ToArray(value, encoded);
  to->append(reinterpret_cast<const char*>(encoded), sizeof(encoded));
}

void AppendBytes(uint32_t field, absl::string_view bytes, std::string* to) {
  AppendHead(field, bytes.size(), to);
  to->append(bytes.data(), bytes.size());
}

}  // namespace eventhub::wire

// Whether bytes are well-formed UTF-8, as proto3 asks of strings.
#pragma once

#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace eventhub {

// Surrogates, overlong forms and code points above U+10FFFF are not well-formed.
inline bool IsUtf8(absl::string_view s) {
  const auto* p = reinterpret_cast<const uint8_t*>(s.data());
  const uint8_t* const end = p + s.size();
  const auto continues = [&](int n) {
    if (end - p < n) return false;
    for (int i = 0; i < n; ++i) {
      if ((p[i] & 0xc0) != 0x80) return false;
    }
    return true;
  };
  while (p != end) {
    // Attributes are nearly always ASCII: eight bytes at a time.
    if (end - p >= 8) {
      uint64_t word;
      std::memcpy(&word, p, sizeof(word));
      if ((word & 0x8080808080808080u) == 0) {
        p += 8;
        continue;
      }
    }
    const uint8_t lead = *p++;
    if (lead < 0x80) continue;
    if (lead < 0xc2 || lead > 0xf4) return false;
    const int more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (!continues(more)) return false;
    if (lead == 0xe0 && p[0] < 0xa0) return false;
    if (lead == 0xed && p[0] > 0x9f) return false;
    if (lead == 0xf0 && p[0] < 0x90) return false;
    if (lead == 0xf4 && p[0] > 0x8f) return false;
    p += more;
  }
  return true;
}

// The beginning of a well-formed text, cut between characters to at most `max_bytes`.
inline absl::string_view Shorten(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (text[max_bytes] & 0xc0) == 0x80) --max_bytes;
  return text.substr(0, max_bytes);
}

}  // namespace eventhub

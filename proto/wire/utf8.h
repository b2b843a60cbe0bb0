// UTF-8, as proto3 requires of strings. Protobuf's parser judges them by the same functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace eventhub::wire {

// The length of the longest well-formed beginning. Surrogates, overlong forms and code points above
// U+10FFFF are malformed.
size_t Utf8Prefix(absl::string_view bytes);

// Whether all is well-formed, without the short cut for ASCII that IsUtf8 takes.
bool IsUtf8BeyondAscii(absl::string_view bytes);

// Whether all is well-formed.
inline bool IsUtf8(absl::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  // Attributes are nearly always ASCII: eight bytes at a time.
  for (uint64_t word; end - at >= 8; at += 8) {
    std::memcpy(&word, at, sizeof(word));
    if ((word & 0x8080808080808080u) != 0) break;
  }
  while (at != end && static_cast<uint8_t>(*at) < 0x80) ++at;
  return at == end || IsUtf8BeyondAscii(bytes.substr(static_cast<size_t>(at - bytes.data())));
}

// The beginning of a well-formed text, cut between characters to at most `max_bytes`.
inline absl::string_view Shorten(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (text[max_bytes] & 0xc0) == 0x80) --max_bytes;
  return text.substr(0, max_bytes);
}

}  // namespace eventhub::wire

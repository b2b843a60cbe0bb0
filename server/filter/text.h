// Operations on the characters of UTF-8 text, as CESQL's string functions define them.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"
#include "server/filter/scratch.h"

namespace eventhub::filter {

inline bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The number of characters (Unicode code points).
size_t CountChars(absl::string_view text);

// The byte offset of the character with that index; the end of `text` if it has fewer.
size_t CharOffset(absl::string_view text, size_t index);

// Strips Unicode white space from both ends.
absl::string_view Trim(absl::string_view text);

// Converts to lower or upper case, character by character (Unicode's simple mappings, regardless of
// the locale). Returns false if `scratch` has no room.
bool Lower(absl::string_view text, Scratch& scratch, absl::string_view* lower);
bool Upper(absl::string_view text, Scratch& scratch, absl::string_view* upper);

}  // namespace eventhub::filter

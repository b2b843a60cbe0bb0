// Characters of UTF-8 texts, as the string functions of CESQL count and change them.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"
#include "server/filter/scratch.h"

namespace eventhub::filter {

inline bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The number of characters (Unicode code points).
size_t CountChars(absl::string_view text);

// Where the character of that index begins, in bytes; the end of `text` if it has fewer.
size_t CharOffset(absl::string_view text, size_t index);

// Without the white space, as Unicode defines it, at both ends.
absl::string_view Trim(absl::string_view text);

// In lower or upper case, character by character (Unicode's simple mappings, whatever the locale).
// False if there is no room in `scratch`.
bool Lower(absl::string_view text, Scratch& scratch, absl::string_view* lower);
bool Upper(absl::string_view text, Scratch& scratch, absl::string_view* upper);

}  // namespace eventhub::filter

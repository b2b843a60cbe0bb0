#include "server/filter/text.h"

#include <locale.h>  // NOLINT(modernize-deprecated-headers): newlocale() is POSIX's.
#include <wctype.h>  // NOLINT(modernize-deprecated-headers): so are towlower_l() and towupper_l().

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"

namespace eventhub::filter {
namespace {

// One character and its length in bytes. A byte that does not begin a character is one by itself.
struct Char {
  uint32_t code;
  size_t bytes;
};

Char CharAt(absl::string_view text, size_t at) {
  const auto lead = static_cast<uint8_t>(text[at]);
  const size_t bytes = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
  if (bytes == 1 || bytes > text.size() - at) return {lead, 1};
  uint32_t code = lead & (0xffu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if (!IsContinuation(text[at + i])) return {lead, 1};
    code = code << 6 | (static_cast<uint8_t>(text[at + i]) & 0x3fu);
  }
  return {code, bytes};
}

// Writes the character of a code point and returns its end.
char* Put(uint32_t code, char* out) {
  if (code < 0x80) {
    *out++ = static_cast<char>(code);
    return out;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  *out++ = static_cast<char>((0xffu << (7 - more)) | code >> (6 * more));
  for (int i = more - 1; i >= 0; --i) {
    *out++ = static_cast<char>(0x80 | (code >> (6 * i) & 0x3f));
  }
  return out;
}

bool IsAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Unicode's property White_Space.
bool IsWhiteSpace(uint32_t code) {
  return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
         code == 0x202f || code == 0x205f || code == 0x3000;
}

// The C library's Unicode tables, regardless of the process's locale. Never freed.
locale_t UnicodeLocale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

template <typename MapAscii, typename MapWide>
bool Map(absl::string_view text, Scratch& scratch, MapAscii map_ascii, MapWide map_wide,
         absl::string_view* mapped) {
  const locale_t locale = IsAscii(text) ? nullptr : UnicodeLocale();
  // No simple mapping lengthens a character by more than half.
  char* const begin = scratch.Allocate(locale == nullptr ? text.size() : 2 * text.size());
  if (begin == nullptr) return false;
  if (locale == nullptr) {
    std::transform(text.begin(), text.end(), begin, map_ascii);
    *mapped = absl::string_view(begin, text.size());
    return true;
  }
  char* end = begin;
  for (size_t at = 0; at < text.size();) {
    const Char c = CharAt(text, at);
    if (c.bytes == 1 && c.code >= 0x80) {
      *end++ = text[at];
    } else {
      end = Put(static_cast<uint32_t>(map_wide(static_cast<wint_t>(c.code), locale)), end);
    }
    at += c.bytes;
  }
  *mapped = absl::string_view(begin, static_cast<size_t>(end - begin));
  return true;
}

}  // namespace

size_t CountChars(absl::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(text.begin(), text.end(), IsContinuation));
}

size_t CharOffset(absl::string_view text, size_t index) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if (!IsContinuation(text[at]) && index-- == 0) break;
  }
  return at;
}

absl::string_view Trim(absl::string_view text) {
  while (!text.empty()) {
    const Char first = CharAt(text, 0);
    if (!IsWhiteSpace(first.code) || (first.bytes == 1 && first.code >= 0x80)) break;
    text.remove_prefix(first.bytes);
  }
  while (!text.empty()) {
    size_t last = text.size() - 1;
    while (last > 0 && IsContinuation(text[last])) --last;
    const Char c = CharAt(text, last);
    if (last + c.bytes != text.size() || !IsWhiteSpace(c.code)) break;
    if (c.bytes == 1 && c.code >= 0x80) break;
    text.remove_suffix(c.bytes);
  }
  return text;
}

bool Lower(absl::string_view text, Scratch& scratch, absl::string_view* lower) {
  return Map(
      text, scratch, [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); },
      towlower_l, lower);
}

bool Upper(absl::string_view text, Scratch& scratch, absl::string_view* upper) {
  return Map(
      text, scratch, [](char c) { return absl::ascii_toupper(static_cast<unsigned char>(c)); },
      towupper_l, upper);
}

}  // namespace eventhub::filter

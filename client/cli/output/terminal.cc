#include "client/cli/output/terminal.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace eventhub::cli {
namespace {

// The length of the well-formed UTF-8 character at the front of `bytes`; 0 if there is none.
size_t Utf8Length(absl::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  if (length == 0 || length > bytes.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what is beyond U+10FFFF.
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) >= 0xA0) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) >= 0x90) return 0;
  return length;
}

// C0 and C1 controls and DEL; terminals act on them.
bool IsControl(absl::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

}  // namespace

size_t Utf8Prefix(absl::string_view bytes) {
  size_t end = 0;
  while (end < bytes.size()) {
    const size_t length = Utf8Length(bytes.substr(end));
    if (length == 0) break;
    end += length;
  }
  return end;
}

void AppendPrintable(absl::string_view bytes, std::string* line) {
  while (!bytes.empty()) {
    const size_t length = Utf8Length(bytes);
    const absl::string_view character = bytes.substr(0, std::max<size_t>(length, 1));
    bytes.remove_prefix(character.size());
    if (length > 0 && !IsControl(character)) {
      absl::StrAppend(line, character);
    } else if (character == "\n") {
      line->append("\\n");
    } else if (character == "\r") {
      line->append("\\r");
    } else if (character == "\t") {
      line->append("\\t");
    } else {
      for (const char c : character) {
        absl::StrAppendFormat(line, "\\x%02x", static_cast<unsigned char>(c));
      }
    }
  }
}

std::string Printable(absl::string_view bytes) {
  std::string line;
  AppendPrintable(bytes, &line);
  return line;
}

}  // namespace eventhub::cli

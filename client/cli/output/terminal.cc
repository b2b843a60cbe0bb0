#include "client/cli/output/terminal.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "proto/wire/utf8.h"

namespace eventhub::cli {
namespace {

void AppendEscaped(absl::string_view bytes, std::string* line) {
  for (const char c : bytes) absl::StrAppendFormat(line, "\\x%02x", static_cast<unsigned char>(c));
}

// Returns the length of a control character at the front of well-formed text; 0 if there is none.
// Terminals interpret C0 and C1 controls and DEL.
size_t ControlLength(absl::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x20 || first == 0x7F) return 1;
  return first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0 ? 2 : 0;
}

void AppendControl(absl::string_view control, std::string* line) {
  if (control == "\n") {
    line->append("\\n");
  } else if (control == "\r") {
    line->append("\\r");
  } else if (control == "\t") {
    line->append("\\t");
  } else {
    AppendEscaped(control, line);
  }
}

void AppendText(absl::string_view text, std::string* line) {
  while (!text.empty()) {
    const size_t control = ControlLength(text);
    if (control > 0) {
      AppendControl(text.substr(0, control), line);
    } else {
      line->push_back(text[0]);
    }
    text.remove_prefix(std::max<size_t>(control, 1));
  }
}

}  // namespace

void AppendPrintable(absl::string_view bytes, std::string* line) {
  while (!bytes.empty()) {
    const size_t valid = wire::Utf8Prefix(bytes);
    AppendText(bytes.substr(0, valid), line);
    bytes.remove_prefix(valid);
    if (bytes.empty()) return;
    AppendEscaped(bytes.substr(0, 1), line);
    bytes.remove_prefix(1);
  }
}

std::string Printable(absl::string_view bytes) {
  std::string line;
  AppendPrintable(bytes, &line);
  return line;
}

std::string PrintableStart(absl::string_view bytes, size_t max_bytes) {
  if (bytes.size() <= max_bytes) return Printable(bytes);
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  while (max_bytes > 0 && continues(bytes[max_bytes])) --max_bytes;  // A whole UTF-8 character.
  return Printable(bytes.substr(0, max_bytes)) + "…";
}

}  // namespace eventhub::cli

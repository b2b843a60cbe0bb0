#include "client/cli/output/event_format.h"

#include "absl/strings/str_cat.h"
#include "client/cli/input/units.h"
#include "client/cli/output/terminal.h"
#include "proto/json/timestamp.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr absl::string_view kFields = "poanistuekcdD";

absl::StatusOr<char> Unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case '0':
      return '\0';
    case '\\':
      return '\\';
    default:
      return absl::InvalidArgumentError(absl::StrCat("'\\", std::string(1, c), "' is not known"));
  }
}

}  // namespace

absl::StatusOr<EventFormat> EventFormat::Parse(absl::string_view format) {
  EventFormat parsed;
  const auto literal = [&parsed](char c) {
    if (parsed.pieces_.empty() || parsed.pieces_.back().field != 0) {
      parsed.pieces_.emplace_back();
    }
    parsed.pieces_.back().text.push_back(c);
  };
  while (!format.empty()) {
    const char c = format[0];
    const char next = format.size() > 1 ? format[1] : ' ';
    format.remove_prefix(1);
    if (c != '%' && c != '\\') {
      literal(c);
      continue;
    }
    if (!format.empty()) format.remove_prefix(1);
    if (c == '\\') {
      ASSIGN_OR_RETURN(const char unescaped, Unescape(next));
      literal(unescaped);
    } else if (next == '%') {
      literal('%');
    } else if (kFields.find(next) != absl::string_view::npos) {
      parsed.pieces_.push_back({.field = next, .text = {}});
    } else {
      return absl::InvalidArgumentError(absl::StrCat("'%", std::string(1, next), "' is not known"));
    }
  }
  return parsed;
}

void EventFormat::Append(const v1::Event& event, const json::Position& position,
                         std::string* out) const {
  for (const Piece& piece : pieces_) {
    if (piece.field == 0) {
      out->append(piece.text);
    } else {
      AppendField(piece.field, event, position, out);
    }
  }
}

void EventFormat::AppendField(char field, const v1::Event& event, const json::Position& position,
                              std::string* out) {
  switch (field) {
    case 'p':
      return absl::StrAppend(out, position.partition);
    case 'o':
      return absl::StrAppend(out, position.offset);
    case 'a':
      return absl::StrAppend(out, FormatMomentWide(position.append_time));
    case 'n':
      return absl::StrAppend(out, position.attempt);
    case 'i':
      return AppendPrintable(event.id(), out);
    case 's':
      return AppendPrintable(event.source(), out);
    case 't':
      return AppendPrintable(event.type(), out);
    case 'u':
      return AppendPrintable(event.subject(), out);
    case 'e':
      if (event.has_time()) absl::StrAppend(out, FormatMoment(json::FromTimestamp(event.time())));
      return;
    case 'k':
      return AppendPrintable(event.partition_key(), out);
    case 'c':
      return AppendPrintable(event.data_content_type(), out);
    case 'd':
      return AppendPrintable(event.data(), out);
    default:
      out->append(event.data());
  }
}

}  // namespace eventhub::cli

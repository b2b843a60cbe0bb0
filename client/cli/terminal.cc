#include "client/cli/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/units.h"
#include "storage/base/clock.h"

namespace eventhub::cli {
namespace {

constexpr absl::Duration kDrawEvery = absl::Milliseconds(250);

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

std::string ShareText(uint64_t done, uint64_t total, absl::Duration took) {
  if (total == 0) return "";
  const double share = std::min(static_cast<double>(done) / static_cast<double>(total), 1.0);
  std::string text = absl::StrCat(", ", static_cast<int>(share * 100), "% of ", FormatCount(total));
  if (done > 0 && done < total) {
    absl::StrAppend(&text, ", ", FormatRoughAge(took * ((1 - share) / share)), " left");
  }
  return text;
}

Progress::Progress(bool enabled)
    : enabled_(enabled && isatty(STDERR_FILENO) == 1),
      start_(Clock::System().Monotonic()),
      drawn_(start_) {}

void Progress::Finish() {
  if (drawn_ > start_) std::fputs("\r\033[K", stderr);
  drawn_ = start_;
}

void Progress::Update(uint64_t events, uint64_t bytes) {
  if (!enabled_) return;
  const absl::Duration now = Clock::System().Monotonic();
  if (now - drawn_ < kDrawEvery) return;
  const double rate =
      static_cast<double>(events - drawn_events_) / absl::ToDoubleSeconds(now - drawn_);
  const std::string line = absl::StrCat(
      "\r\033[K", CountOf(events, "event"), ", ", FormatBytes(bytes), ", ",
      FormatCount(static_cast<uint64_t>(rate)), "/s", ShareText(events, expected_, now - start_));
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
  drawn_ = now;
  drawn_events_ = events;
}

std::string Progress::Summary(uint64_t events, uint64_t bytes) const {
  const absl::Duration took = Clock::System().Monotonic() - start_;
  const double seconds = std::max(absl::ToDoubleSeconds(took), 1e-6);
  return absl::StrCat(
      CountOf(events, "event"), ", ", FormatBytes(bytes), " in ", absl::StrFormat("%.2fs", seconds),
      ": ", FormatCount(static_cast<uint64_t>(static_cast<double>(events) / seconds)),
      " events/s, ", FormatBytes(static_cast<uint64_t>(static_cast<double>(bytes) / seconds)),
      "/s");
}

}  // namespace eventhub::cli

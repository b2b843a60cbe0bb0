// What goes to a terminal: a line of progress on stderr, and data that cannot change its state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace eventhub::cli {

// How many bytes at the front of `bytes` are well-formed UTF-8.
size_t Utf8Prefix(absl::string_view bytes);

// Appends `bytes` so that they stay on one line and cannot command the terminal: control
// characters become `\n`, `\t`, `\x1b`, …; so do bytes of what is not UTF-8.
void AppendPrintable(absl::string_view bytes, std::string* line);

// `bytes` in that form.
std::string Printable(absl::string_view bytes);

// A line on stderr that is drawn anew a few times a second, if stderr is a terminal; else nothing.
// Not thread-safe.
class Progress {
 public:
  // `enabled` = false: nothing, even on a terminal.
  explicit Progress(bool enabled);
  ~Progress() { Finish(); }

  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap when nothing is due.
  void Update(uint64_t events, uint64_t bytes);

  // Wipes the line, if there is one.
  void Finish();

  // `1,234 events, 1.2 MiB in 3s: 411 events/s, 410 KiB/s`, since construction.
  std::string Summary(uint64_t events, uint64_t bytes) const;

 private:
  const bool enabled_;
  const absl::Duration start_;
  absl::Duration drawn_;
  uint64_t drawn_events_ = 0;
};

}  // namespace eventhub::cli

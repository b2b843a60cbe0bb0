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

// How far something is that took `took` until now: `, 41% of 1,234,567, 17s left`. Empty if `total`
// is 0, which means that it is not known.
std::string ShareText(uint64_t done, uint64_t total, absl::Duration took);

// A line on stderr that is drawn anew a few times a second, if stderr is a terminal; else nothing.
// Not thread-safe.
class Progress {
 public:
  // `enabled` = false: nothing, even on a terminal.
  explicit Progress(bool enabled);
  ~Progress() { Finish(); }

  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Whether a line is drawn.
  bool enabled() const { return enabled_; }

  // How many events it will be in all: from now on, the line says how much of it is done, and how
  // long the rest will take.
  void Expect(uint64_t events) { expected_ = events; }

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
  uint64_t expected_ = 0;  // 0: not known.
};

}  // namespace eventhub::cli

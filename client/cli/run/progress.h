// Shows progress on the terminal.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cli/run/ticker.h"

namespace eventhub::cli {

// Formats the progress after the time `took`: `, 41% of 1,234,567, 17s left`. Empty if `total` is
// 0, which means unknown.
std::string ShareText(uint64_t done, uint64_t total, absl::Duration took);

// The same, counted in bytes: `, 41% of 1.21 GiB, 17s left`.
std::string ShareOfBytesText(uint64_t done, uint64_t total, absl::Duration took);

// A line on stderr, if that is a terminal. A thread redraws it a few times a second, also while
// nothing changes; the destructor erases it.
class ProgressLine {
 public:
  // Returns the text of the line after this long. Called by the thread.
  using Text = std::function<std::string(absl::Duration took)>;

  // Whether anything is drawn; if not, there is no need to measure.
  static bool IsShown();

  // Starts to draw after `first`.
  ProgressLine(absl::Duration first, Text text);
  ~ProgressLine();

  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

 private:
  absl::Duration Draw();

  const Text text_;
  const absl::Duration start_;
  bool drawn_ = false;            // Used by the thread while there is one.
  std::optional<Ticker> ticker_;  // Last: its thread uses the members above. Unset: no terminal.
};

// While one call to the hub runs, from its first second on: `redriving, 12s, 41% of 1,234,567, 17s
// left`.
class CallProgress {
 public:
  // Returns how much is done; an error means that it is unknown now.
  using Measure = std::function<absl::StatusOr<uint64_t>()>;

  // Shows only the elapsed time without `measure`, or with a total of 0. `measure` is called by the
  // thread, one call at a time, and may block for a second.
  explicit CallProgress(std::string doing, uint64_t total = 0, Measure measure = nullptr);

 private:
  const std::string doing_;
  const uint64_t total_;
  const Measure measure_;
  const ProgressLine line_;  // Last: uses the members above.
};

// Returns the result of `call`; meanwhile shows the elapsed time.
template <typename Call>
std::invoke_result_t<Call> WithProgress(std::string doing, const Call& call) {
  const CallProgress progress(std::move(doing));
  return call();
}

// The amount up to now.
struct Flow {
  uint64_t events = 0;
  uint64_t bytes = 0;  // The encoded size of the events.
  uint64_t input = 0;  // The size of the input that they were made from, if any.
};

// While events flow: `1,234 events, 1.2 MiB, 411/s, 41% of 1,234,567, 17s left`.
class EventProgress {
 public:
  using Measure = std::function<Flow()>;

  // Shows nothing if `enabled` is false. `measure` is also called by a thread.
  EventProgress(bool enabled, Measure measure);

  // Whether a line is drawn.
  bool enabled() const { return line_.has_value(); }

  // Sets the total number of events: from now on, the line shows the share done and the time left.
  void Expect(uint64_t events) { expected_events_.store(events, std::memory_order_relaxed); }
  // The same if only the size of the input is known.
  void ExpectInput(uint64_t bytes) { expected_input_.store(bytes, std::memory_order_relaxed); }

  // Erases the line for good.
  void Finish() { line_.reset(); }

  // `1,234 events, 1.2 MiB in 3s: 411 events/s, 410 KiB/s`, since construction.
  std::string Summary() const;

 private:
  std::string Text(absl::Duration took);

  const Measure measure_;
  const absl::Duration start_;
  std::atomic<uint64_t> expected_events_{0};  // 0: unknown.
  std::atomic<uint64_t> expected_input_{0};   // 0: unknown.
  // The values of the last line; used by the thread.
  absl::Duration drawn_ = absl::ZeroDuration();
  uint64_t drawn_events_ = 0;
  std::optional<ProgressLine> line_;  // Last: uses the members above.
};

}  // namespace eventhub::cli

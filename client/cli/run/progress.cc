#include "client/cli/run/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/input/units.h"
#include "storage/base/clock.h"

namespace eventhub::cli {
namespace {

constexpr absl::Duration kDrawEvery = absl::Milliseconds(250);
// Most calls end before that.
constexpr absl::Duration kShownAfter = absl::Seconds(1);

std::string Share(uint64_t done, uint64_t total, absl::Duration took,
                  std::string (*format)(uint64_t)) {
  if (total == 0) return "";
  const double share = std::min(static_cast<double>(done) / static_cast<double>(total), 1.0);
  std::string text = absl::StrCat(", ", static_cast<int>(share * 100), "% of ", format(total));
  if (done > 0 && done < total) {
    absl::StrAppend(&text, ", ", FormatRoughAge(took * ((1 - share) / share)), " left");
  }
  return text;
}

}  // namespace

std::string ShareText(uint64_t done, uint64_t total, absl::Duration took) {
  return Share(done, total, took, FormatCount);
}

std::string ShareOfBytesText(uint64_t done, uint64_t total, absl::Duration took) {
  return Share(done, total, took, FormatBytes);
}

bool ProgressLine::IsShown() { return isatty(STDERR_FILENO) == 1; }

ProgressLine::ProgressLine(absl::Duration first, Text text)
    : text_(std::move(text)), start_(Clock::System().Monotonic()) {
  if (IsShown()) ticker_.emplace(first, [this] { return Draw(); });
}

ProgressLine::~ProgressLine() {
  ticker_.reset();
  if (drawn_) std::fputs("\r\033[K", stderr);
}

absl::Duration ProgressLine::Draw() {
  const std::string text = text_(Clock::System().Monotonic() - start_);
  std::fputs(absl::StrCat("\r\033[K", text).c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
  return kDrawEvery;
}

CallProgress::CallProgress(std::string doing, uint64_t total, Measure measure)
    : doing_(std::move(doing)),
      total_(total),
      measure_(std::move(measure)),
      line_(kShownAfter, [this](absl::Duration took) {
        absl::StatusOr<uint64_t> done = uint64_t{0};
        if (measure_ != nullptr && total_ > 0) done = measure_();
        const std::string share = done.ok() && measure_ != nullptr
                                      ? ShareText(std::min(*done, total_), total_, took)
                                      : std::string();
        return absl::StrCat(doing_, ", ", FormatRoughAge(took), share);
      }) {}

EventProgress::EventProgress(bool enabled, Measure measure)
    : measure_(std::move(measure)), start_(Clock::System().Monotonic()) {
  if (enabled && ProgressLine::IsShown()) {
    line_.emplace(kDrawEvery, [this](absl::Duration took) { return Text(took); });
  }
}

std::string EventProgress::Text(absl::Duration took) {
  const Flow flow = measure_();
  const double seconds = std::max(absl::ToDoubleSeconds(took - drawn_), 1e-6);
  const double rate = static_cast<double>(flow.events - drawn_events_) / seconds;
  drawn_ = took;
  drawn_events_ = flow.events;
  return absl::StrCat(
      CountOf(flow.events, "event"), ", ", FormatBytes(flow.bytes), ", ",
      FormatCount(static_cast<uint64_t>(rate)), "/s",
      ShareText(flow.events, expected_events_.load(std::memory_order_relaxed), took),
      ShareOfBytesText(flow.input, expected_input_.load(std::memory_order_relaxed), took));
}

std::string EventProgress::Summary() const {
  const Flow flow = measure_();
  const absl::Duration took = Clock::System().Monotonic() - start_;
  const double seconds = std::max(absl::ToDoubleSeconds(took), 1e-6);
  const auto rate = [seconds](uint64_t count) {
    return static_cast<uint64_t>(static_cast<double>(count) / seconds);
  };
  return absl::StrCat(CountOf(flow.events, "event"), ", ", FormatBytes(flow.bytes), " in ",
                      absl::StrFormat("%.2fs", seconds), ": ", FormatCount(rate(flow.events)),
                      " events/s, ", FormatBytes(rate(flow.bytes)), "/s");
}

}  // namespace eventhub::cli

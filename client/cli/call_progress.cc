#include "client/cli/call_progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/terminal.h"
#include "client/cli/units.h"
#include "storage/base/clock.h"

namespace eventhub::cli {
namespace {

constexpr absl::Duration kFirst = absl::Seconds(1);
constexpr absl::Duration kDrawEvery = absl::Milliseconds(500);

}  // namespace

bool CallProgress::IsShown() { return isatty(STDERR_FILENO) == 1; }

CallProgress::CallProgress(std::string doing, uint64_t total, Measure measure)
    : doing_(std::move(doing)), total_(total), measure_(std::move(measure)) {
  if (IsShown()) thread_ = std::thread([this] { Run(); });
}

CallProgress::~CallProgress() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stopped_.NotifyAll();
  }
  thread_.join();
}

bool CallProgress::WaitForNext(absl::Duration delay) {
  const absl::Duration until = Clock::System().Monotonic() + delay;
  MutexLock lock(mutex_);
  while (!stopping_) {
    const absl::Duration left = until - Clock::System().Monotonic();
    if (left <= absl::ZeroDuration()) break;
    stopped_.WaitFor(mutex_, left);
  }
  return !stopping_;
}

void CallProgress::Run() {
  const absl::Duration start = Clock::System().Monotonic();
  bool drawn = false;
  for (absl::Duration delay = kFirst; WaitForNext(delay); delay = kDrawEvery) {
    absl::StatusOr<uint64_t> done = uint64_t{0};
    if (measure_ != nullptr && total_ > 0) done = measure_();
    const absl::Duration took = Clock::System().Monotonic() - start;
    const std::string share =
        done.ok() ? ShareText(std::min(*done, total_), total_, took) : std::string();
    std::fputs(absl::StrCat("\r\033[K", doing_, ", ", FormatRoughAge(took), share).c_str(), stderr);
    std::fflush(stderr);
    drawn = true;
  }
  if (drawn) std::fputs("\r\033[K", stderr);
}

}  // namespace eventhub::cli

#include "client/processor/strand.h"

#include <algorithm>
#include <cstddef>

#include "client/src/subscribe/turn.h"

namespace eventhub::processor::internal {
namespace {

// After how many pieces of posted work the outcomes of events take effect.
constexpr size_t kSettleAfter = 8;

}  // namespace

Strand::Strand(const Clock& clock, std::function<void()> on_idle)
    : clock_(clock), on_idle_(std::move(on_idle)) {}

Strand::~Strand() { Stop(); }

void Strand::Start() {
  has_thread_ = true;
  thread_ = std::thread([this] { ThreadMain(); });
}

void Strand::Stop() {
  {
    MutexLock lock(mutex_);
    state_.fetch_or(kStopping);
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void Strand::Post(Work work) {
  {
    MutexLock lock(mutex_);
    posted_.push_back(std::move(work));
    // The thread that is the strand looks for more work before it leaves.
    if ((state_.fetch_or(kPosted) & (kEntered | kPosted)) != 0) return;
  }
  wake_.NotifyOne();
}

absl::Duration Strand::next_due() const {
  const int64_t due = next_due_.load();
  return due == kNever ? absl::InfiniteDuration() : absl::Nanoseconds(due);
}

void Strand::Leave() {
  if (!has_thread_) RunTimers();
  do {
    while (const uint32_t state = state_.load() & (kPosted | kDue)) {
      if ((state & kPosted) != 0) RunPosted();
      // What was posted may take long, and add timers.
      state_.fetch_and(~kDue);
      RunTimers();
    }
    on_idle_();
  } while (!TryLeave());
}

void Strand::RunPosted() {
  {
    MutexLock lock(mutex_);
    batch_.swap(posted_);
    state_.fetch_and(~kPosted);
  }
  // An answer may settle many events, as may many answers.
  const client::Turn turn;
  size_t done = 0;
  for (Work& work : batch_) {
    ++epoch_;
    std::move(work)();
    // The work may be slow, and there may be much of it.
    if (++done % kSettleAfter == 0) client::Turn::SettleCollected();
  }
  batch_.clear();
  // The turn may be that of a thread that stays the strand for long.
  client::Turn::SettleCollected();
}

void Strand::At(absl::Duration when, Work work) {
  int64_t due = absl::ToInt64Nanoseconds(when);
  if (absl::Nanoseconds(due) < when && due != kNever) ++due;  // Not before its time.
  timers_.emplace(due, std::move(work));
}

void Strand::RunTimers() {
  if (timers_.empty()) return;
  ++epoch_;
  const int64_t now = absl::ToInt64Nanoseconds(clock_.Monotonic());
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Work work = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    std::move(work)();
  }
}

bool Strand::TryLeave() {
  const int64_t due = timers_.empty() ? kNever : timers_.begin()->first;
  if (next_due_.load(std::memory_order_relaxed) != due) next_due_.store(due);
  uint32_t state = kEntered;
  while (!state_.compare_exchange_weak(state, state & kStopping)) {
    if ((state & (kPosted | kDue)) != 0) return false;
    // Otherwise the strand stops, or the exchange failed for nothing.
  }
  if (due < wakes_at_.load() || (state & kStopping) != 0) {
    // The thread holds the mutex until it sleeps.
    { MutexLock lock(mutex_); }
    wake_.NotifyAll();
  }
  return true;
}

void Strand::ThreadMain() {
  while (AwaitTurn()) {
    RunTimers();
    Leave();
  }
}

bool Strand::AwaitTurn() {
  MutexLock lock(mutex_);
  for (;;) {
    const int64_t due = next_due_.load();
    const int64_t now = absl::ToInt64Nanoseconds(clock_.Monotonic());
    const bool is_due = due <= now;
    uint32_t state = state_.load();
    if ((state & kPosted) != 0 || is_due) {
      if (Enter()) break;
      // Whoever is the strand now does it.
      if (is_due && (state_.fetch_or(kDue) & kEntered) == 0) continue;
    } else if ((state & (kStopping | kEntered)) == kStopping) {
      return false;
    }
    wakes_at_.store(is_due ? kNever : due);
    if (next_due_.load() != due) continue;
    if (is_due || due == kNever) {
      wake_.Wait(mutex_);
    } else {
      wake_.WaitFor(mutex_, std::min(absl::Nanoseconds(due - now), absl::Hours(1)));
    }
  }
  wakes_at_.store(0);
  return true;
}

}  // namespace eventhub::processor::internal

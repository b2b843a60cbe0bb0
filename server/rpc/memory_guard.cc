#include "server/rpc/memory_guard.h"

#include <algorithm>
#include <utility>

#include "storage/base/clock.h"

namespace eventhub {
namespace {

// Parts of the limit.
constexpr double kCalm = 0.5;   // Below, the caches have their full sizes.
constexpr double kShort = 0.6;  // From here on caches shrink, and freed memory is returned.
constexpr double kLast = 0.85;  // From here on the host with the most connections is cut off.

constexpr double kShrunk = 0.5;
constexpr double kLeast = 0.125;

constexpr absl::Duration kCalmInterval = absl::Milliseconds(25);
constexpr absl::Duration kShortInterval = absl::Milliseconds(10);
constexpr absl::Duration kCalmSampling = absl::Seconds(2);

// Returned memory must be faulted in again when it is reused, so unless memory is short, the guard
// waits for an interval and a worthwhile amount.
constexpr absl::Duration kGiveBackInterval = absl::Seconds(5);
constexpr absl::Duration kShortGiveBackInterval = absl::Milliseconds(500);
// Connections that were cut off take a moment to release their memory.
constexpr absl::Duration kLastResortInterval = absl::Seconds(1);
constexpr size_t kWorthwhile = size_t{16} << 20;

// How long new connections must have been admitted before that is reported to the operator.
constexpr absl::Duration kLastingly = absl::Seconds(10);

}  // namespace

absl::Duration MemoryGuard::Look(absl::Duration now) {
  actions_.evict();
  const size_t used = actions_.used();
  const double part = static_cast<double>(used) / static_cast<double>(limit_);
  Close(part >= kCriticalPart, used, now);
  if (part < kShort) {
    if (part < kCalm) SizeCaches(1);
    if (now - last_sample_ >= kCalmSampling) {
      actions_.sample();
      last_sample_ = now;
    }
    if (now - last_give_back_ >= kGiveBackInterval) {
      if (actions_.surplus() > kWorthwhile) actions_.give_back();
      last_give_back_ = now;
    }
    return kCalmInterval;
  }
  actions_.sample();
  if (part >= kCriticalPart) {
    SizeCaches(kLeast);
    const bool helped = actions_.shed() != 0;
    if (!helped && part >= kLast && now - last_resort_ >= kLastResortInterval) {
      actions_.shed_host();
      last_resort_ = now;
    }
  } else {
    SizeCaches(std::min(cache_share_, kShrunk));
  }
  if (now - last_give_back_ >= kShortGiveBackInterval) {
    actions_.give_back();
    last_give_back_ = now;
  }
  return kShortInterval;
}

void MemoryGuard::Close(bool closed, size_t used, absl::Duration now) {
  if (std::exchange(closed_, closed) != closed) actions_.close(closed);
  if (closed) last_closed_ = now;
  if (closed == reported_closed_ || (!closed && now - last_closed_ < kLastingly)) return;
  reported_closed_ = closed;
  actions_.report(closed, used);
}

void MemoryGuard::SizeCaches(double share) {
  if (share == cache_share_) return;
  cache_share_ = share;
  actions_.size_caches(share);
}

MemoryGuardThread::MemoryGuardThread(std::unique_ptr<MemoryGuard> guard)
    : guard_(std::move(guard)), thread_([this] { Run(); }) {}

MemoryGuardThread::~MemoryGuardThread() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void MemoryGuardThread::Run() {
  for (;;) {
    const absl::Duration pause = guard_->Look(Clock::System().Monotonic());
    MutexLock lock(mutex_);
    if (!stopping_) changed_.WaitFor(mutex_, pause);
    if (stopping_) return;
  }
}

}  // namespace eventhub

#include "client/cli/run/consume_tally.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cli/input/units.h"
#include "storage/base/clock.h"

namespace eventhub::cli {

ConsumeTally::ConsumeTally(uint64_t limit) : limit_(limit), touched_(Clock::System().Monotonic()) {}

uint64_t ConsumeTally::Begin(uint64_t count) {
  MutexLock lock(mutex_);
  const uint64_t taken = std::min(count, limit_ - begun_);
  begun_ += taken;
  return taken;
}

void ConsumeTally::Count(const client::Outcome& outcome, uint64_t count, uint64_t bytes) {
  MutexLock lock(mutex_);
  bytes_ += bytes;
  (outcome.kind == client::Outcome::Kind::kRetry ? retried_ : done_with_) += count;
}

uint64_t ConsumeTally::End(uint64_t count) {
  MutexLock lock(mutex_);
  ended_ += count;
  touched_ = Clock::System().Monotonic();
  return limit_ - ended_;
}

void ConsumeTally::Touch() {
  MutexLock lock(mutex_);
  touched_ = Clock::System().Monotonic();
}

absl::Duration ConsumeTally::IdleFor() const {
  MutexLock lock(mutex_);
  if (begun_ > ended_) return absl::ZeroDuration();
  return Clock::System().Monotonic() - touched_;
}

uint64_t ConsumeTally::running() const {
  MutexLock lock(mutex_);
  return begun_ - ended_;
}

uint64_t ConsumeTally::handled() const {
  MutexLock lock(mutex_);
  return ended_;
}

uint64_t ConsumeTally::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

uint64_t ConsumeTally::Unconfirmed(const client::SubscriberCounters& hub) const {
  MutexLock lock(mutex_);
  return done_with_ - std::min(done_with_, hub.acked + hub.parked + hub.skipped);
}

std::string ConsumeTally::Outcomes(const client::SubscriberCounters& hub) const {
  const uint64_t unconfirmed = Unconfirmed(hub);
  MutexLock lock(mutex_);
  std::string text =
      absl::StrCat(FormatCount(hub.acked), " acked, ", FormatCount(retried_), " to be retried, ",
                   FormatCount(hub.parked), " parked, ", FormatCount(hub.skipped), " skipped");
  if (unconfirmed > 0) absl::StrAppend(&text, ", ", FormatCount(unconfirmed), " not confirmed");
  return text;
}

}  // namespace eventhub::cli

#include "storage/base/trusted_clock.h"

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"

namespace eventhub {
namespace {

// A smaller deviation is followed at once; a larger one within kReferenceAge is a jump.
constexpr int64_t kSmallJump = 60'000'000;
constexpr absl::Duration kReferenceAge = absl::Hours(1);

// A jump of up to kDay must persist for kShortHold, a larger one for kLongHold.
constexpr int64_t kDay = int64_t{24} * 3600 * 1'000'000;
constexpr absl::Duration kShortHold = absl::Minutes(10);
constexpr absl::Duration kLongHold = absl::Hours(24);

absl::Duration HoldOf(int64_t jump) { return std::abs(jump) <= kDay ? kShortHold : kLongHold; }

std::string Describe(int64_t micros) {
  return absl::FormatDuration(absl::Trunc(absl::Microseconds(std::abs(micros)), absl::Seconds(1)));
}

}  // namespace

TrustedClock::TrustedClock(const Clock& source) : source_(source), reference_(0), followed_(0) {
  MutexLock lock(mutex_);
  Accept(Offset());
}

int64_t TrustedClock::Offset() const {
  return absl::ToUnixMicros(source_.Now()) - absl::ToInt64Microseconds(source_.Monotonic());
}

bool TrustedClock::Agrees(int64_t offset) const {
  return std::abs(offset - reference_.load(std::memory_order_acquire)) <= kSmallJump;
}

absl::Time TrustedClock::Now() const {
  const absl::Time now = source_.Now();
  const int64_t monotonic = absl::ToInt64Microseconds(source_.Monotonic());
  if (Agrees(absl::ToUnixMicros(now) - monotonic)) return now;
  return absl::FromUnixMicros(followed_.load(std::memory_order_acquire) + monotonic);
}

absl::Time TrustedClock::DeletionTime() const {
  if (paused_.load(std::memory_order_acquire) || !Agrees(Offset())) return absl::InfinitePast();
  return Now();
}

void TrustedClock::Accept(int64_t offset) {
  reference_.store(offset, std::memory_order_release);
  followed_.store(offset, std::memory_order_release);
  reference_set_ = source_.Monotonic();
  suspicion_.reset();
}

void TrustedClock::Resume(std::optional<absl::Time> noted) {
  MutexLock lock(mutex_);
  const int64_t offset = Offset();
  Accept(offset);
  if (noted.has_value()) {
    const int64_t expected =
        absl::ToUnixMicros(*noted) - absl::ToInt64Microseconds(source_.Monotonic());
    if (offset - expected >= kDay) {
      late_start_ = Suspicion{expected, source_.Monotonic()};
    } else if (offset < expected) {
      Accept(expected);  // A clock more than a small jump behind this is suspicious.
    }
  }
  paused_.store(late_start_.has_value(), std::memory_order_release);
}

void TrustedClock::Look() {
  MutexLock lock(mutex_);
  const absl::Duration now = source_.Monotonic();
  const int64_t offset = Offset();
  if (late_start_.has_value()) {
    // If the clock was corrected since the start, it is close to the noted time.
    const bool set_right = std::abs(offset - late_start_->offset) < kDay;
    if (set_right) Accept(offset);
    if (set_right || now - late_start_->since >= kLongHold) {
      late_start_.reset();
      paused_.store(false, std::memory_order_release);
    }
  }
  if (Agrees(offset)) {
    suspicion_.reset();
    followed_.store(offset, std::memory_order_release);
    if (now - reference_set_ >= kReferenceAge) Accept(offset);
    return;
  }
  if (!suspicion_.has_value() || std::abs(offset - suspicion_->offset) > kSmallJump) {
    suspicion_ = Suspicion{offset, now};
  }
  const int64_t jump = offset - reference_.load(std::memory_order_relaxed);
  if (now - suspicion_->since >= HoldOf(jump)) Accept(offset);
}

void TrustedClock::Confirm() {
  MutexLock lock(mutex_);
  Accept(Offset());
  late_start_.reset();
  paused_.store(false, std::memory_order_release);
}

absl::Status TrustedClock::doubt() const {
  MutexLock lock(mutex_);
  const int64_t offset = Offset();
  const absl::Duration now = source_.Monotonic();
  constexpr absl::string_view kUntil =
      "; nothing is deleted by age until it is corrected, confirmed, or stable for ";
  if (!Agrees(offset)) {
    const int64_t jump = offset - reference_.load(std::memory_order_relaxed);
    return absl::FailedPreconditionError(absl::StrCat(
        "the system's clock jumped ", jump > 0 ? "ahead" : "back", " by ", Describe(jump),
        " and is not trusted", kUntil, absl::FormatDuration(HoldOf(jump))));
  }
  if (late_start_.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the system's clock was ", Describe(offset - late_start_->offset),
                     " ahead of the time when the hub last ran", kUntil,
                     absl::FormatDuration(kLongHold - (now - late_start_->since))));
  }
  return absl::OkStatus();
}

}  // namespace eventhub

// The alarm, with a manual clock.
#include "server/core/base/alarm.h"

#include <memory>

#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"

namespace eventhub {
namespace {

constexpr int64_t kSecond = 1'000'000;

struct Sleeper final : AlarmTarget {
  void OnAlarm() override { ++woken; }
  int woken = 0;
};

class AlarmTest : public testing::Test {
 protected:
  int64_t Now() const { return absl::ToInt64Microseconds(clock_.Monotonic()); }
  void Pass(int seconds) {
    clock_.Advance(absl::Seconds(seconds));
    alarm_.RunDue();
  }

  FakeClock clock_;
  Alarm alarm_{clock_, /*run=*/false};
  std::shared_ptr<Sleeper> sleeper_ = std::make_shared<Sleeper>();
};

TEST_F(AlarmTest, WakesTargetAtDueTime) {
  alarm_.Schedule(Now() + 2 * kSecond, sleeper_);
  Pass(1);
  EXPECT_EQ(sleeper_->woken, 0);
  Pass(1);
  EXPECT_EQ(sleeper_->woken, 1);
  Pass(10);
  EXPECT_EQ(sleeper_->woken, 1);
}

// With a lease of several hours and retries meanwhile, each retry would otherwise leave one entry
// behind.
TEST_F(AlarmTest, CoalescesPendingWakeUps) {
  alarm_.Schedule(Now() + 5 * kSecond, sleeper_);
  alarm_.Schedule(Now() + kSecond, sleeper_);
  alarm_.Schedule(Now() + 3 * kSecond, sleeper_);
  Pass(1);
  EXPECT_EQ(sleeper_->woken, 1);
  Pass(10);
  EXPECT_EQ(sleeper_->woken, 1);
  alarm_.Schedule(Now() + kSecond, sleeper_);
  Pass(1);
  EXPECT_EQ(sleeper_->woken, 2);
}

TEST_F(AlarmTest, WakesTargetsSeparatelyAndIgnoresExpiredOnes) {
  const auto other = std::make_shared<Sleeper>();
  alarm_.Schedule(Now() + kSecond, sleeper_);
  alarm_.Schedule(Now() + 2 * kSecond, other);
  sleeper_.reset();
  Pass(1);
  EXPECT_EQ(other->woken, 0);
  Pass(1);
  EXPECT_EQ(other->woken, 1);
  alarm_.Schedule(Now(), std::weak_ptr<Sleeper>(sleeper_));
  Pass(1);
}

}  // namespace
}  // namespace eventhub

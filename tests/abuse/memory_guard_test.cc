// The guard's actions as memory gets short.
#include "server/rpc/memory_guard.h"

#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eventhub {
namespace {

constexpr size_t kUnit = size_t{1} << 20;

class MemoryGuardTest : public testing::Test {
 protected:
  MemoryGuardTest() : guard_(1000 * kUnit, Actions()) {}

  void Look(size_t used_mib, absl::Duration later = absl::Milliseconds(50)) {
    used_ = used_mib * kUnit;
    now_ += later;
    guard_.Look(now_);
  }

  size_t used_ = 0;
  size_t surplus_ = 0;
  absl::Duration now_ = absl::Hours(1);
  int give_backs_ = 0;
  int samples_ = 0;
  int sheds_ = 0;
  size_t to_shed_ = 0;
  int sheds_of_hosts_ = 0;
  double caches_ = 1;
  bool closed_ = false;
  std::vector<bool> reports_;
  MemoryGuard guard_;

 private:
  MemoryGuardActions Actions() {
    MemoryGuardActions actions;
    actions.used = [this] { return used_; };
    actions.surplus = [this] { return surplus_; };
    actions.give_back = [this] { ++give_backs_; };
    actions.size_caches = [this](double share) { caches_ = share; };
    actions.sample = [this] { ++samples_; };
    actions.shed = [this] {
      ++sheds_;
      return to_shed_;
    };
    actions.shed_host = [this]() -> size_t { return ++sheds_of_hosts_; };
    actions.evict = [] {};
    actions.close = [this](bool closed) { closed_ = closed; };
    actions.report = [this](bool closed, size_t used) {
      EXPECT_EQ(used, used_);
      reports_.push_back(closed);
    };
    return actions;
  }
};

TEST_F(MemoryGuardTest, DoesNothingWhileMemoryIsAmple) {
  for (int i = 0; i < 1000; ++i) Look(300);
  EXPECT_EQ(give_backs_, 0);
  EXPECT_EQ(sheds_, 0);
  EXPECT_EQ(caches_, 1);
  EXPECT_LT(samples_, 30);  // Rarely.
}

TEST_F(MemoryGuardTest, ReturnsFreedMemoryPeriodically) {
  surplus_ = 200 * kUnit;
  for (int i = 0; i < 1000; ++i) Look(300);  // 50 s.
  EXPECT_GE(give_backs_, 9);
  EXPECT_LE(give_backs_, 11);
}

TEST_F(MemoryGuardTest, ShrinksCachesWhenMemoryGetsShort) {
  Look(650);
  EXPECT_EQ(caches_, 0.5);
  EXPECT_EQ(give_backs_, 1);
  EXPECT_EQ(sheds_, 0);
  EXPECT_FALSE(closed_);
  for (int i = 0; i < 100; ++i) Look(650, absl::Milliseconds(10));
  EXPECT_LE(give_backs_, 3);
  Look(550);  // In between: unchanged.
  EXPECT_EQ(caches_, 0.5);
  Look(400);
  EXPECT_EQ(caches_, 1);
}

TEST_F(MemoryGuardTest, ShedsAndRejectsConnectionsNearTheLimit) {
  Look(750);
  EXPECT_EQ(sheds_, 1);
  EXPECT_EQ(caches_, 0.125);
  EXPECT_TRUE(closed_);
  Look(650);
  EXPECT_FALSE(closed_);
  EXPECT_EQ(caches_, 0.125);
  EXPECT_EQ(sheds_, 1);
  EXPECT_EQ(sheds_of_hosts_, 0);
}

TEST_F(MemoryGuardTest, AnOperatorIsToldOnceThatMemoryIsShort) {
  using ::testing::ElementsAre;
  for (int i = 0; i < 20; ++i) {  // It comes and goes.
    Look(750);
    EXPECT_THAT(reports_, ElementsAre(true));
    Look(i % 2 == 0 ? 500 : 650, absl::Seconds(3));
    EXPECT_FALSE(closed_);
  }
  EXPECT_THAT(reports_, ElementsAre(true));
  Look(650, absl::Seconds(10));
  EXPECT_THAT(reports_, ElementsAre(true, false));
  Look(650, absl::Seconds(100));
  EXPECT_THAT(reports_, ElementsAre(true, false));
  Look(750);
  EXPECT_THAT(reports_, ElementsAre(true, false, true));
}

TEST_F(MemoryGuardTest, ShedsLargestHostAsLastResort) {
  to_shed_ = 1;
  Look(900);
  EXPECT_EQ(sheds_of_hosts_, 0);  // Another action helps.
  to_shed_ = 0;
  Look(900);
  EXPECT_EQ(sheds_of_hosts_, 1);
  Look(900);
  EXPECT_EQ(sheds_of_hosts_, 1);  // It takes a moment.
  Look(900, absl::Seconds(2));
  EXPECT_EQ(sheds_of_hosts_, 2);
}

}  // namespace
}  // namespace eventhub

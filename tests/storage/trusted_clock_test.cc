// A jump of the clock is not followed until it has persisted, and until then nothing is deleted by
// age.
#include "storage/base/trusted_clock.h"

#include <optional>

#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

constexpr absl::Duration kDecade = absl::Hours(24 * 3653);

class TrustedClockTest : public testing::Test {
 protected:
  void SetUp() override { clock_.Resume(std::nullopt); }

  // Lets time pass, with a call of Look() per minute.
  void Pass(absl::Duration time) {
    for (; time > absl::ZeroDuration(); time -= absl::Minutes(1)) {
      system_.Advance(std::min(time, absl::Minutes(1)));
      clock_.Look();
    }
  }

  // Expects the clock to be `ahead` of where it would be without any jump, and to allow deletions.
  void ExpectTrusted(absl::Duration ahead) {
    EXPECT_EQ(clock_.Now(), start_ + system_.Monotonic() + ahead);
    EXPECT_EQ(clock_.DeletionTime(), clock_.Now());
    EXPECT_THAT(clock_.doubt(), IsOk());
  }
  void ExpectDoubted(absl::Duration ahead) {
    EXPECT_EQ(clock_.Now(), start_ + system_.Monotonic() + ahead);
    EXPECT_EQ(clock_.DeletionTime(), absl::InfinitePast());
    EXPECT_THAT(clock_.doubt(), StatusIs(absl::StatusCode::kFailedPrecondition));
  }

  FakeClock system_;
  const absl::Time start_ = system_.Now();
  TrustedClock clock_{system_};
};

TEST_F(TrustedClockTest, DeletesNothingBeforeResume) {
  const TrustedClock fresh(system_);
  EXPECT_EQ(fresh.Now(), system_.Now());
  EXPECT_EQ(fresh.DeletionTime(), absl::InfinitePast());
}

TEST_F(TrustedClockTest, FollowsSmallCorrectionsImmediately) {
  system_.Jump(absl::Seconds(50));
  ExpectTrusted(absl::Seconds(50));
  system_.Jump(-absl::Seconds(100));
  ExpectTrusted(-absl::Seconds(50));
}

TEST_F(TrustedClockTest, TreatsManySmallCorrectionsAsJump) {
  system_.Jump(absl::Seconds(50));
  clock_.Look();
  system_.Jump(absl::Seconds(50));
  ExpectDoubted(absl::Seconds(50));
  // Spread over hours these are the drift of a bad clock.
  system_.Jump(-absl::Seconds(50));
  Pass(absl::Hours(2));
  system_.Jump(absl::Seconds(50));
  ExpectTrusted(absl::Seconds(100));
}

TEST_F(TrustedClockTest, JumpAndReturnChangesNothing) {
  system_.Jump(kDecade);
  ExpectDoubted(absl::ZeroDuration());  // Immediately, without a call of Look().
  Pass(absl::Hours(23));
  ExpectDoubted(absl::ZeroDuration());
  system_.Jump(-kDecade);
  ExpectTrusted(absl::ZeroDuration());
  Pass(absl::Hours(2));
  ExpectTrusted(absl::ZeroDuration());
}

TEST_F(TrustedClockTest, FollowsJumpThatPersists) {
  system_.Jump(absl::Hours(8));  // The machine was suspended.
  Pass(absl::Minutes(10));
  ExpectDoubted(absl::ZeroDuration());
  Pass(absl::Minutes(1));
  ExpectTrusted(absl::Hours(8));
  system_.Jump(-absl::Hours(8));
  Pass(absl::Minutes(11));
  ExpectTrusted(absl::ZeroDuration());
  system_.Jump(kDecade);
  Pass(absl::Hours(25));
  ExpectTrusted(kDecade);
}

TEST_F(TrustedClockTest, NeverFollowsRepeatedJumps) {
  for (int i = 0; i < 50; ++i) {
    system_.Jump(absl::Minutes(2));
    Pass(absl::Minutes(9));
    ExpectDoubted(absl::ZeroDuration());
  }
}

TEST_F(TrustedClockTest, OperatorConfirmsJump) {
  system_.Jump(kDecade);
  clock_.Confirm();
  ExpectTrusted(kDecade);
}

TEST_F(TrustedClockTest, TrustsStartSoonAfterLastRun) {
  TrustedClock next(system_);
  next.Resume(system_.Now() - absl::Hours(23));
  EXPECT_EQ(next.DeletionTime(), system_.Now());
}

TEST_F(TrustedClockTest, StartLongAfterLastRunDeletesNothingForOneDay) {
  TrustedClock next(system_);
  next.Resume(system_.Now() - kDecade);
  EXPECT_EQ(next.Now(), system_.Now());
  EXPECT_EQ(next.DeletionTime(), absl::InfinitePast());
  EXPECT_THAT(next.doubt(), StatusIs(absl::StatusCode::kFailedPrecondition, "last ran"));
  system_.Advance(absl::Hours(23));
  next.Look();
  EXPECT_EQ(next.DeletionTime(), absl::InfinitePast());
  system_.Advance(absl::Hours(1));
  next.Look();
  EXPECT_EQ(next.DeletionTime(), system_.Now());
  EXPECT_THAT(next.doubt(), IsOk());
}

TEST_F(TrustedClockTest, FollowsCorrectionAfterDoubtedStart) {
  TrustedClock next(system_);
  const absl::Time ran_last = system_.Now();
  system_.Jump(kDecade);
  next.Resume(ran_last);
  EXPECT_EQ(next.Now(), ran_last + kDecade);
  system_.Jump(-kDecade);
  system_.Advance(absl::Minutes(5));
  next.Look();
  EXPECT_EQ(next.Now(), ran_last + absl::Minutes(5));
  EXPECT_EQ(next.DeletionTime(), next.Now());
}

TEST_F(TrustedClockTest, StartBeforeLastRunContinuesFromLastRun) {
  TrustedClock next(system_);
  const absl::Time ran_last = system_.Now();
  // A machine whose clock has no battery, before it has synchronized its time.
  system_.Jump(-kDecade);
  next.Resume(ran_last);
  EXPECT_EQ(next.Now(), ran_last);
  EXPECT_EQ(next.DeletionTime(), absl::InfinitePast());
  system_.Advance(absl::Minutes(3));
  system_.Jump(kDecade);
  next.Look();
  EXPECT_EQ(next.Now(), ran_last + absl::Minutes(3));
  EXPECT_EQ(next.DeletionTime(), next.Now());
}

}  // namespace
}  // namespace eventhub

// Background jobs: lanes do not wait for each other, runs are bounded, and all of them end on Stop.
#include "storage/base/job_scheduler.h"

#include <atomic>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using absl::StatusCode;

class JobSchedulerTest : public testing::Test {
 protected:
  std::vector<absl::Status> errors() {
    MutexLock lock(mutex_);
    return errors_;
  }

  static Job Counting(const std::string& name, const std::string& lane, std::atomic<int>& count) {
    return {name, lane, absl::InfiniteDuration(), [&count](Cancellation&) {
              ++count;
              return absl::OkStatus();
            }};
  }

  // Runs until it is cancelled.
  static Job Endless(const std::string& lane, absl::Duration bound, std::atomic<bool>& runs) {
    return {"endless", lane, bound, [&runs](Cancellation& cancellation) {
              runs = true;
              while (!cancellation.cancelled()) std::this_thread::yield();
              runs = false;
              return absl::CancelledError("ended");
            }};
  }

  FakeClock clock_;
  Mutex mutex_;
  std::vector<absl::Status> errors_ ABSL_GUARDED_BY(mutex_);
  JobScheduler jobs_{clock_, [this](const absl::Status& error) {
                       MutexLock lock(mutex_);
                       errors_.push_back(error);
                     }};
};

TEST_F(JobSchedulerTest, PeriodicJobsRunOncePerInterval) {
  std::atomic<int> runs{0};
  jobs_.Every(absl::Milliseconds(1), Counting("count", "a", runs));
  ASSERT_TRUE(Eventually([&] { return runs == 1; }));
  for (int i = 2; i < 5; ++i) {
    clock_.Advance(absl::Milliseconds(1));
    ASSERT_TRUE(Eventually([&] { return runs == i; }));
  }
}

TEST_F(JobSchedulerTest, BlockedJobDoesNotDelayOtherLanes) {
  std::atomic<bool> blocked{false};
  std::atomic<int> runs{0};
  jobs_.Once(Endless("slow", absl::InfiniteDuration(), blocked));
  ASSERT_TRUE(Eventually([&] { return blocked.load(); }));
  jobs_.Every(absl::Hours(1), Counting("guard", "fast", runs));
  ASSERT_TRUE(Eventually([&] { return runs == 1; }));
  jobs_.RunSoon("guard");
  EXPECT_TRUE(Eventually([&] { return runs == 2; }));
  EXPECT_TRUE(blocked);
  jobs_.Stop();
}

TEST_F(JobSchedulerTest, CancelsAndReportsRunsBeyondTheirBound) {
  std::atomic<bool> blocked{false};
  jobs_.Once(Endless("only", absl::Minutes(1), blocked));
  ASSERT_TRUE(Eventually([&] { return blocked.load(); }));
  clock_.Advance(absl::Seconds(59));
  std::atomic<int> other{0};
  jobs_.Once(Counting("other", "another", other));
  ASSERT_TRUE(Eventually([&] { return other == 1; }));
  EXPECT_TRUE(blocked);
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(Eventually([&] { return !errors().empty(); }));
  EXPECT_THAT(errors()[0], StatusIs(StatusCode::kDeadlineExceeded, "endless"));
  EXPECT_FALSE(blocked);
}

TEST_F(JobSchedulerTest, BoundsDoNotDependOnOtherLanes) {
  std::atomic<bool> blocked[2] = {false, false};
  jobs_.Once(Endless("a", absl::Minutes(1), blocked[0]));
  jobs_.Once(Endless("b", absl::Minutes(1), blocked[1]));
  ASSERT_TRUE(Eventually([&] { return blocked[0] && blocked[1]; }));
  clock_.Advance(absl::Minutes(1));
  EXPECT_TRUE(Eventually([&] { return errors().size() == 2; }));
}

TEST_F(JobSchedulerTest, ReportsCompletedRunsBeyondTheirBound) {
  jobs_.Once({"slow", "a", absl::Minutes(1), [this](Cancellation&) {
                clock_.Advance(absl::Minutes(2));
                return absl::OkStatus();
              }});
  ASSERT_TRUE(Eventually([&] { return !errors().empty(); }));
  EXPECT_THAT(errors()[0], StatusIs(StatusCode::kDeadlineExceeded, "slow: took longer than 1m"));
}

TEST_F(JobSchedulerTest, StopCancelsRunningAndDropsWaitingJobs) {
  std::atomic<bool> blocked{false};
  std::atomic<int> runs{0};
  jobs_.Once(Endless("a", absl::InfiniteDuration(), blocked));
  ASSERT_TRUE(Eventually([&] { return blocked.load(); }));
  jobs_.Once(Counting("waits", "a", runs));
  jobs_.Stop();
  jobs_.Once(Counting("late", "b", runs));
  EXPECT_FALSE(blocked);
  EXPECT_EQ(runs, 0);
  EXPECT_THAT(errors(), testing::IsEmpty());
}

TEST_F(JobSchedulerTest, MergesWaitingJobsOfSameName) {
  std::atomic<bool> blocked{false};
  std::atomic<int> runs{0};
  jobs_.Once(Endless("a", absl::Minutes(1), blocked));
  ASSERT_TRUE(Eventually([&] { return blocked.load(); }));
  for (int i = 0; i < 3; ++i) jobs_.Once(Counting("same", "a", runs));
  std::atomic<int> behind{0};
  jobs_.Once(Counting("behind", "a", behind));
  clock_.Advance(absl::Minutes(1));
  ASSERT_TRUE(Eventually([&] { return behind == 1; }));
  EXPECT_EQ(runs, 1);
}

TEST_F(JobSchedulerTest, ReportsFailures) {
  jobs_.Once({"fails", "a", absl::InfiniteDuration(),
              [](Cancellation&) { return absl::DataLossError("lost"); }});
  ASSERT_TRUE(Eventually([&] { return !errors().empty(); }));
  EXPECT_THAT(errors()[0], StatusIs(StatusCode::kDataLoss, "lost"));
}

}  // namespace
}  // namespace eventhub

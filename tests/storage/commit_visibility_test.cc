// A commit becomes visible at one moment, in all partitions that it appends to.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/commit_builder.h"
#include "tests/storage/log_rig.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using testing::ElementsAre;

class CommitVisibilityTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  LogRig rig_{FaultEnv::Medium::kMemory};
};

// Whichever is looked at first, the other is not behind.
TEST_F(CommitVisibilityTest, NoPartitionIsAheadOfAnother) {
  constexpr int kCommits = 3000;
  PartitionLog& a = rig_.log(0);
  PartitionLog& b = rig_.log(1);
  std::atomic<bool> done{false};
  const auto watch = [&done](PartitionLog& first, PartitionLog& second) {
    while (!done) {
      const Offset end = first.end();
      ASSERT_GE(second.end(), end);
    }
  };
  std::thread forward(watch, std::ref(a), std::ref(b));
  std::thread backward(watch, std::ref(b), std::ref(a));
  for (int i = 0; i < kCommits; ++i) {
    ASSERT_THAT(rig_.Commit(
                    [&](CommitBuilder& commit) {
                      commit.Append(a, SharedBytes::Copy("a"), 1);
                      commit.Append(b, SharedBytes::Copy("b"), 1);
                    },
                    /*synced=*/i % 8 == 0),
                IsOk());
  }
  done = true;
  forward.join();
  backward.join();
  EXPECT_EQ(a.end(), Offset(kCommits));
  EXPECT_EQ(b.end(), Offset(kCommits));
}

// Notes what could be read when it was told.
class WatchingHook final : public CommitHook {
 public:
  explicit WatchingHook(const PartitionLog& log) : log_(log) {}
  void BeforeWrite(CommitBuilder&) override {}
  void OnVisible() override { ends_.push_back(log_.end()); }

  const std::vector<Offset>& ends() const { return ends_; }

 private:
  const PartitionLog& log_;
  std::vector<Offset> ends_;
};

TEST_F(CommitVisibilityTest, HooksAreToldWhenTheirCommitIsVisible) {
  PartitionLog& log = rig_.log(0);
  const auto hook = std::make_shared<WatchingHook>(log);
  const auto append = [&](CommitBuilder& commit) {
    commit.Append(log, SharedBytes::Copy("a"), 1);
    commit.AddHook(hook);
  };
  ASSERT_THAT(rig_.Commit(append, /*synced=*/false), IsOk());
  EXPECT_THAT(hook->ends(), ElementsAre(Offset(1)));
  rig_.disk.HoldSyncs();
  std::atomic<int> left{2};
  for (const bool synced : {true, false}) {
    rig_.writer().Submit(std::make_unique<TestTask>(
        append,
        [&](const absl::Status& status) {
          EXPECT_THAT(status, IsOk());
          // Before the task is done.
          EXPECT_EQ(hook->ends().back(), log.end());
          --left;
        },
        synced));
    ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() == 1; }));
  }
  ASSERT_TRUE(Eventually([&] { return rig_.store().visible_commits().written() == 3; }));
  EXPECT_EQ(rig_.store().visible_commits().last(), 1);
  EXPECT_EQ(hook->ends().size(), 1u);
  EXPECT_EQ(log.end(), Offset(1));
  rig_.disk.ReleaseSyncs();
  ASSERT_TRUE(Eventually([&] { return left == 0; }));
  EXPECT_THAT(hook->ends(), ElementsAre(Offset(1), Offset(2), Offset(3)));
}

TEST_F(CommitVisibilityTest, HooksOfACommitThatFailedAreNotTold) {
  PartitionLog& log = rig_.log(0);
  const auto hook = std::make_shared<WatchingHook>(log);
  rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
  EXPECT_THAT(rig_.Commit(
                  [&](CommitBuilder& commit) {
                    commit.Append(log, SharedBytes::Copy("a"), 1);
                    commit.AddHook(hook);
                  },
                  /*synced=*/true),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(hook->ends(), testing::IsEmpty());
  EXPECT_EQ(log.end(), Offset(0));
}

TEST_F(CommitVisibilityTest, WhoAnswersFromTheStoreWaitsForWhatIsWritten) {
  PartitionLog& log = rig_.log(0);
  rig_.writer().AwaitVisible();  // There is nothing.
  rig_.disk.HoldSyncs();
  std::atomic<bool> done{false};
  rig_.writer().Submit(std::make_unique<TestTask>(
      [&](CommitBuilder& commit) { commit.Append(log, SharedBytes::Copy("a"), 1); },
      [&](const absl::Status&) { done = true; }, /*synced=*/true));
  ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() == 1; }));
  Offset seen;
  std::thread asker([&] {
    rig_.writer().AwaitVisible();
    seen = log.end();
  });
  rig_.disk.ReleaseSyncs();
  asker.join();
  EXPECT_EQ(seen, Offset(1));
  ASSERT_TRUE(Eventually([&] { return done.load(); }));
}

}  // namespace
}  // namespace eventhub

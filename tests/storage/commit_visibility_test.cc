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

// Whichever partition is read first, the other is not behind.
TEST_F(CommitVisibilityTest, PartitionsAdvanceTogether) {
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

// A reader that sees the new end also sees the size and time that belong to it.
TEST_F(CommitVisibilityTest, SizeAndTimeAdvanceWithEnd) {
  constexpr int kCommits = 3000;
  PartitionLog& log = rig_.log(0);
  std::atomic<bool> done{false};
  std::thread watcher([&] {
    while (!done) {
      const int64_t bytes = static_cast<int64_t>(log.end_bytes());
      const int64_t end = log.end().value();
      ASSERT_GE(end * 3, bytes);
      ASSERT_GE(static_cast<int64_t>(log.end_bytes()), end * 3);
      ASSERT_TRUE(end == 0 || log.last_append_time() != absl::UnixEpoch());
    }
  });
  for (int i = 0; i < kCommits; ++i) {
    ASSERT_THAT(rig_.Append(log, "abc", 1, /*synced=*/i % 8 == 0), IsOk());
  }
  done = true;
  watcher.join();
}

TEST(VisibleNumberTest, ChangesWithItsCommit) {
  VisibleCommits commits;
  VisibleNumber number(7);
  EXPECT_EQ(number.Get(commits), 7);
  number.Stage(8, 1);
  EXPECT_EQ(number.Get(commits), 7);
  EXPECT_EQ(number.staged(), 8);
  commits.Advance(1);
  EXPECT_EQ(number.Get(commits), 8);
  commits.Advance(4);
  number.Stage(9, 5);
  EXPECT_EQ(number.Get(commits), 8);
  number.Stage(10, 5);  // The same commit.
  EXPECT_EQ(number.Get(commits), 8);
  commits.Advance(5);
  EXPECT_EQ(number.Get(commits), 10);
}

// Records what a reader could see when it was called.
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

TEST_F(CommitVisibilityTest, NotifiesHooksOfVisibleCommits) {
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

TEST_F(CommitVisibilityTest, DoesNotNotifyHooksOfFailedCommit) {
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

TEST_F(CommitVisibilityTest, AwaitVisibleWaitsForWrittenCommits) {
  PartitionLog& log = rig_.log(0);
  EXPECT_THAT(rig_.writer().AwaitVisible(), IsOk());  // Nothing to wait for.
  rig_.disk.HoldSyncs();
  std::atomic<bool> done{false};
  rig_.writer().Submit(std::make_unique<TestTask>(
      [&](CommitBuilder& commit) { commit.Append(log, SharedBytes::Copy("a"), 1); },
      [&](const absl::Status&) { done = true; }, /*synced=*/true));
  ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() == 1; }));
  Offset seen;
  std::thread asker([&] {
    EXPECT_THAT(rig_.writer().AwaitVisible(), IsOk());
    seen = log.end();
  });
  rig_.disk.ReleaseSyncs();
  asker.join();
  EXPECT_EQ(seen, Offset(1));
  ASSERT_TRUE(Eventually([&] { return done.load(); }));
}

TEST_F(CommitVisibilityTest, AwaitVisibleFailsAfterFailedCommit) {
  PartitionLog& log = rig_.log(0);
  rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
  EXPECT_THAT(
      rig_.Commit([&](CommitBuilder& commit) { commit.Append(log, SharedBytes::Copy("a"), 1); },
                  /*synced=*/true),
      StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(rig_.writer().AwaitVisible(), StatusIs(absl::StatusCode::kUnavailable));
}

// AwaitVisible does not wait until somebody frees disk space.
TEST_F(CommitVisibilityTest, AwaitVisibleFailsWhileWaitingForSpace) {
  PartitionLog& log = rig_.log(0);
  rig_.disk.FailWrites(FaultEnv::Fault::kNoSpace, ".log");
  std::atomic<bool> done{false};
  rig_.writer().Submit(std::make_unique<TestTask>(
      [&](CommitBuilder& commit) { commit.Append(log, SharedBytes::Copy("a"), 1); },
      [&](const absl::Status&) { done = true; }, /*synced=*/true));
  ASSERT_TRUE(Eventually([&] { return rig_.store().waiting_for_space(); }));
  EXPECT_THAT(rig_.writer().AwaitVisible(), StatusIs(absl::StatusCode::kUnavailable));
  rig_.disk.FailWrites(FaultEnv::Fault::kNone);
  ASSERT_TRUE(Eventually([&] { return done.load(); }));
  EXPECT_THAT(rig_.writer().AwaitVisible(), IsOk());
}

}  // namespace
}  // namespace eventhub

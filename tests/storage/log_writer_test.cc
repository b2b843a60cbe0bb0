// Group commit: what is written together, the order of answers, and the effect of a failure.
#include "storage/log_writer.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/storage/log_rig.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LogWriterTest : public testing::Test {
 protected:
  LogWriterTest() : rig_(FaultEnv::Medium::kMemory) {}

  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }
  void TearDown() override { rig_.disk.ReleaseSyncs(); }

  // Appends one event; when it is done, records `name` and the end that readers see then.
  void Submit(const std::string& name, bool synced, size_t bytes = 10, CommitFlow flow = kHubFlow) {
    PartitionLog& log = rig_.log();
    rig_.writer().Submit(std::make_unique<TestTask>(
                             [&log, bytes](CommitBuilder& commit) {
                               commit.Append(log, SharedBytes::Copy(std::string(bytes, 'x')), 1);
                             },
                             [this, name, &log](const absl::Status& status) {
                               if (status.ok()) visible_ = log.end();
                               Note(status.ok() ? name : name + " failed");
                             },
                             synced, bytes),
                         flow);
  }

  // Blocks the commit thread until Unblock(), so that everything submitted meanwhile forms a group.
  void Block() {
    rig_.writer().Submit(std::make_unique<TestTask>(
        [this](CommitBuilder&) {
          blocked_ = true;
          std::unique_lock lock(gate_);
        },
        [](const absl::Status&) {}, /*synced=*/false));
    ASSERT_TRUE(Eventually([this] { return blocked_.load(); }));
  }

  void Note(const std::string& what) {
    MutexLock lock(mutex_);
    done_.push_back(what);
  }
  std::vector<std::string> done() {
    MutexLock lock(mutex_);
    return done_;
  }
  bool EventuallyDone(size_t count) {
    return Eventually([&] { return done().size() >= count; });
  }

  Mutex mutex_;
  std::vector<std::string> done_ ABSL_GUARDED_BY(mutex_);
  std::atomic<Offset> visible_{Offset(0)};
  std::atomic<bool> blocked_{false};
  std::mutex gate_;
  LogRig rig_;  // Last: its threads use the members above.
};

TEST_F(LogWriterTest, GroupsWaitingTasksIntoOneCommit) {
  {
    std::unique_lock hold(gate_);
    Block();
    for (int i = 0; i < 100; ++i) Submit(std::to_string(i), /*synced=*/true);
  }
  ASSERT_TRUE(EventuallyDone(100));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(done()[i], std::to_string(i));
  EXPECT_EQ(rig_.writer().counters().commits.value(), 1u);
  EXPECT_EQ(rig_.writer().counters().syncs.value(), 1u);
  const auto batches = rig_.Read(rig_.log());
  ASSERT_THAT(batches, IsOk());
  ASSERT_EQ(batches->size(), 1u);
  EXPECT_EQ(batches->front().count, 100u);
  EXPECT_EQ(batches->front().events, std::string(1000, 'x'));
}

TEST_F(LogWriterTest, BoundsBatchesAndGroups) {
  constexpr size_t kEvent = 100'000;
  constexpr int kCount = 90;  // 9 MB: more than two groups of 4 MiB.
  {
    std::unique_lock hold(gate_);
    Block();
    for (int i = 0; i < kCount; ++i) Submit(std::to_string(i), /*synced=*/false, kEvent);
  }
  ASSERT_TRUE(EventuallyDone(kCount));
  EXPECT_GE(rig_.writer().counters().commits.value(), 3u);
  const auto batches = rig_.Read(rig_.log());
  ASSERT_THAT(batches, IsOk());
  uint32_t count = 0;
  for (const StoredBatch& batch : *batches) {
    EXPECT_LE(batch.events.size(), CommitBuilder::kMaxBatchBytes);
    count += batch.count;
  }
  EXPECT_EQ(count, static_cast<uint32_t>(kCount));
}

// However much others have waiting, the event is in the next group.
TEST_F(LogWriterTest, SmallFlowDoesNotWaitForTheBytesOfOthers) {
  constexpr CommitFlow bulk = 1;
  constexpr CommitFlow other_bulk = 2;
  constexpr CommitFlow small = 3;
  {
    std::unique_lock hold(gate_);
    Block();
    for (int i = 0; i < 40; ++i) {
      Submit("bulk", /*synced=*/false, size_t{1} << 20, i % 2 == 0 ? bulk : other_bulk);
    }
    Submit("small", /*synced=*/false, 10, small);
  }
  ASSERT_TRUE(EventuallyDone(41));
  const std::vector<std::string> order = done();
  EXPECT_LT(std::find(order.begin(), order.end(), "small") - order.begin(), 4);
}

TEST_F(LogWriterTest, OversizedEventGetsItsOwnBatch) {
  Submit("large", /*synced=*/false, 3 * CommitBuilder::kMaxBatchBytes);
  ASSERT_TRUE(EventuallyDone(1));
  const auto batches = rig_.Read(rig_.log());
  ASSERT_THAT(batches, IsOk());
  ASSERT_EQ(batches->size(), 1u);
  EXPECT_EQ(batches->front().events.size(), 3 * CommitBuilder::kMaxBatchBytes);
}

TEST_F(LogWriterTest, WrittenIsNotSynced) {
  Submit("written", /*synced=*/false);
  ASSERT_TRUE(EventuallyDone(1));
  EXPECT_EQ(rig_.writer().counters().syncs.value(), 0u);
}

TEST_F(LogWriterTest, WritesNextGroupsDuringSync) {
  rig_.disk.HoldSyncs();
  Submit("a", /*synced=*/true);
  ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() == 1; }));
  Submit("b", /*synced=*/false);
  ASSERT_TRUE(Eventually([&] { return rig_.writer().counters().commits.value() == 2; }));
  Submit("c", /*synced=*/true);
  ASSERT_TRUE(Eventually([&] { return rig_.writer().counters().commits.value() == 3; }));
  // Written, but nothing is answered or visible before the earlier tasks.
  EXPECT_THAT(done(), IsEmpty());
  EXPECT_EQ(rig_.log().end(), Offset(0));
  rig_.disk.ReleaseSyncs();
  ASSERT_TRUE(EventuallyDone(3));
  EXPECT_THAT(done(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(visible_.load(), Offset(3));
  EXPECT_EQ(rig_.writer().counters().syncs.value(), 2u);
}

TEST_F(LogWriterTest, CompletesEmptyTaskInOrder) {
  rig_.disk.HoldSyncs();
  Submit("a", /*synced=*/true);
  ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() == 1; }));
  rig_.writer().Submit(std::make_unique<TestTask>(
      [](CommitBuilder&) {}, [this](const absl::Status&) { Note("refused"); }, false));
  EXPECT_THAT(done(), IsEmpty());
  rig_.disk.ReleaseSyncs();
  ASSERT_TRUE(EventuallyDone(2));
  EXPECT_THAT(done(), ElementsAre("a", "refused"));
}

TEST_F(LogWriterTest, VisibleWhenDone) {
  PartitionLog& log = rig_.log();
  for (int i = 1; i <= 50; ++i) {
    Submit("", /*synced=*/i % 2 == 0);
    ASSERT_TRUE(EventuallyDone(i));
    EXPECT_EQ(visible_.load(), Offset(i));
    std::vector<RecordBatchPtr> batches;
    EXPECT_TRUE(log.tail().Read(Offset(i - 1), Offset(i), 1, &batches));
  }
  EXPECT_EQ(rig_.topic_mark().value(), 50);
}

TEST_F(LogWriterTest, DestructorCompletesSubmittedTasks) {
  {
    std::unique_lock hold(gate_);
    Block();
    for (int i = 0; i < 20; ++i) Submit(std::to_string(i), /*synced=*/i % 3 == 0);
  }
  rig_.Close();
  EXPECT_EQ(done().size(), 20u);
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(rig_.log().end(), Offset(20));
}

TEST_F(LogWriterTest, FailedSyncFailsWaitingTasksInOrder) {
  rig_.disk.HoldSyncs();
  rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
  Submit("a", /*synced=*/true);
  ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() == 1; }));
  Submit("b", /*synced=*/false);
  Submit("c", /*synced=*/true);
  ASSERT_TRUE(Eventually([&] { return rig_.writer().counters().commits.value() >= 2; }));
  rig_.disk.ReleaseSyncs();
  ASSERT_TRUE(EventuallyDone(3));
  EXPECT_THAT(done(), ElementsAre("a failed", "b failed", "c failed"));
  EXPECT_EQ(rig_.log().end(), Offset(0));
  EXPECT_EQ(rig_.failures(), 1);
  // A sync that succeeds now could acknowledge events that the failed one lost.
  rig_.disk.FailSyncs(FaultEnv::Fault::kNone);
  Submit("d", /*synced=*/true);
  ASSERT_TRUE(EventuallyDone(4));
  EXPECT_EQ(done().back(), "d failed");
}

TEST_F(LogWriterTest, FailedWriteFailsTasksWaitingForSync) {
  rig_.disk.HoldSyncs();
  Submit("a", /*synced=*/true);
  ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() == 1; }));
  rig_.disk.FailWrites(FaultEnv::Fault::kIoError, ".log");
  Submit("b", /*synced=*/false);
  Submit("c", /*synced=*/true);
  rig_.disk.ReleaseSyncs();
  ASSERT_TRUE(EventuallyDone(3));
  // The sync of "a" was in progress and blocked; no other begins after the failure.
  EXPECT_THAT(done(), ElementsAre("a", "b failed", "c failed"));
  EXPECT_EQ(rig_.failures(), 1);
  EXPECT_THAT(rig_.writer().failure(), StatusIs(StatusCode::kUnavailable, "injected failure"));
}

// Many threads: the tasks of each are done in its order, and each offset is assigned once.
TEST_F(LogWriterTest, OrdersTasksOfConcurrentSubmitters) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 300;
  Mutex mutex;
  std::vector<std::vector<int64_t>> offsets(kThreads);
  PartitionLog& log = rig_.log();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        auto base = std::make_shared<Offset>();
        rig_.writer().Submit(std::make_unique<TestTask>(
            [&log, base](CommitBuilder& commit) {
              *base = commit.Append(log, SharedBytes::Copy("event"), 2);
            },
            [&, t, base](const absl::Status& status) {
              EXPECT_THAT(status, IsOk());
              EXPECT_GE(log.end(), *base + 2);
              MutexLock lock(mutex);
              offsets[t].push_back(base->value());
            },
            /*synced=*/i % 10 == t, 10));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(Eventually([&] {
    MutexLock lock(mutex);
    size_t done = 0;
    for (const auto& list : offsets) done += list.size();
    return done == kThreads * kTasks;
  }));
  rig_.Close();  // No task is running any more.
  std::vector<int64_t> all;
  for (const auto& list : offsets) {
    EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
    all.insert(all.end(), list.begin(), list.end());
  }
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], static_cast<int64_t>(2 * i));
}

}  // namespace
}  // namespace eventhub

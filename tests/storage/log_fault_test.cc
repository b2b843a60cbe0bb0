// A disk that fails, fills up, or loses power while the store uses it.
#include <future>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"
#include "tests/storage/log_rig.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using Medium = FaultEnv::Medium;
using Fault = FaultEnv::Fault;

class LogFaultTest : public testing::TestWithParam<Medium> {
 protected:
  LogFaultTest() : rig_(GetParam()) {}

  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  absl::Status Append(const std::string& events, bool synced) {
    return rig_.Append(rig_.log(), events, 1, synced).status();
  }

  std::vector<std::string> Events() {
    std::vector<std::string> events;
    const auto batches = rig_.Read(rig_.log());
    EXPECT_THAT(batches, IsOk());
    if (!batches.ok()) return events;
    for (const StoredBatch& batch : *batches) events.push_back(batch.events);
    return events;
  }

  // The disk has failed: nothing is written any more, stored events can be read, and after the
  // failure has ended and the store is reopened, all acknowledged events are there.
  void ExpectReadOnlyUntilReopened(const std::vector<std::string>& acknowledged) {
    for (const bool synced : {true, false}) {
      EXPECT_THAT(Append("refused", synced), StatusIs(StatusCode::kUnavailable, "refuses writes"));
    }
    EXPECT_THAT(rig_.writer().failure(), StatusIs(StatusCode::kUnavailable, "injected"));
    EXPECT_EQ(rig_.failures(), 1);
    EXPECT_EQ(Events(), acknowledged);

    // The end of the failure alone changes nothing.
    rig_.disk.FailWrites(Fault::kNone);
    rig_.disk.FailSyncs(Fault::kNone);
    EXPECT_THAT(Append("refused", true), StatusIs(StatusCode::kUnavailable));
    EXPECT_EQ(rig_.failures(), 1);

    rig_.Reopen();
    std::vector<std::string> events = Events();
    ASSERT_GE(events.size(), acknowledged.size());
    // The failed write is in doubt; the refused ones after it are not there.
    EXPECT_LE(events.size(), acknowledged.size() + 1);
    EXPECT_THAT(events, testing::Not(testing::Contains("refused")));
    EXPECT_THAT(Append("goes on", true), IsOk());
    events.push_back("goes on");
    EXPECT_EQ(Events(), events);
    events.resize(acknowledged.size());
    EXPECT_EQ(events, acknowledged);
  }

  LogRig rig_;
};

INSTANTIATE_TEST_SUITE_P(All, LogFaultTest, testing::Values(Medium::kMemory, Medium::kDisk),
                         [](const auto& info) {
                           return info.param == Medium::kMemory ? "Memory" : "Disk";
                         });

TEST_P(LogFaultTest, FailedWriteMakesStoreReadOnly) {
  ASSERT_THAT(Append("first", true), IsOk());
  ASSERT_THAT(Append("second", false), IsOk());
  rig_.disk.FailWrites(Fault::kIoError, ".log");
  EXPECT_THAT(Append("in doubt", false), StatusIs(StatusCode::kUnavailable, "injected failure"));
  ExpectReadOnlyUntilReopened({"first", "second"});
}

// A full disk blocks writes; freed space resumes them, and a half-finished write is completed.
TEST_P(LogFaultTest, WaitsForSpaceAndCompletesWrite) {
  ASSERT_THAT(Append("first", true), IsOk());
  rig_.disk.FailWrites(Fault::kNoSpace, ".log");
  std::future<absl::Status> second =
      std::async(std::launch::async, [&] { return Append("second, which is longer", true); });
  ASSERT_TRUE(Eventually([&] { return rig_.store().waiting_for_space(); }));
  EXPECT_THAT(Events(), testing::ElementsAre("first"));  // Reads continue.
  rig_.disk.FailWrites(Fault::kNone);
  EXPECT_THAT(second.get(), IsOk());
  EXPECT_FALSE(rig_.store().waiting_for_space());
  ASSERT_THAT(Append("third", true), IsOk());
  EXPECT_EQ(rig_.failures(), 0);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Events(), testing::ElementsAre("first", "second, which is longer", "third"));
    rig_.Reopen();
  }
}

// During a shutdown the write fails instead, and the next start drops its remains.
TEST_P(LogFaultTest, ShutdownFailsWriteWaitingForSpace) {
  ASSERT_THAT(Append("first", true), IsOk());
  ASSERT_THAT(Append("second", false), IsOk());
  rig_.disk.FailWrites(Fault::kNoSpace, ".log");
  std::future<absl::Status> in_doubt =
      std::async(std::launch::async, [&] { return Append("in doubt", true); });
  ASSERT_TRUE(Eventually([&] { return rig_.store().waiting_for_space(); }));
  rig_.store().StopWaitingForSpace();
  EXPECT_THAT(in_doubt.get(), StatusIs(StatusCode::kUnavailable, "lack of space"));
  ExpectReadOnlyUntilReopened({"first", "second"});
}

TEST_P(LogFaultTest, ReleasesReserveFirst) {
  rig_.Close();
  rig_.options.reserve_bytes = 1 << 20;
  ASSERT_THAT(rig_.Open(), IsOk());
  Cancellation never;
  ASSERT_THAT(rig_.store().RestoreReserve(never), IsOk());
  const std::string reserve = rig_.options.directory + "/RESERVE";
  EXPECT_EQ(rig_.disk.ReadFile(reserve).size(), 1u << 20);
  ASSERT_THAT(rig_.store().RestoreReserve(never), IsOk());  // It exists already.
  ASSERT_THAT(Append("first", true), IsOk());
  rig_.disk.FailWrites(Fault::kNoSpace, ".log");
  std::future<absl::Status> second =
      std::async(std::launch::async, [&] { return Append("second", true); });
  ASSERT_TRUE(Eventually([&] { return rig_.disk.ReadFile(reserve).empty(); }));
  rig_.disk.FailWrites(Fault::kNone);
  EXPECT_THAT(second.get(), IsOk());
  ASSERT_THAT(rig_.store().RestoreReserve(never), IsOk());
  EXPECT_EQ(rig_.disk.ReadFile(reserve).size(), 1u << 20);
}

// A start on a full disk fails before RocksDB is opened, unless releasing a reserve makes enough
// room.
TEST_P(LogFaultTest, OpenFailsWithoutSpace) {
  ASSERT_THAT(Append("first", true), IsOk());
  rig_.Close();
  rig_.disk.SetFreeSpace(1 << 20);
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kResourceExhausted, "free some space"));
  rig_.disk.SetFreeSpace(uint64_t{1} << 30);
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(Events(), testing::ElementsAre("first"));
}

// A start writes tables only if there is room for them; without it, the log stays in memory until
// there is.
TEST_P(LogFaultTest, StartNeedsNoRoomForTables) {
  rig_.Close();
  ASSERT_THAT(rig_.Open(), IsOk());
  std::vector<std::string> appended;
  for (uint64_t i = 0; i < 100; ++i) {
    appended.push_back(Payload(i, 8192));
    ASSERT_THAT(Append(appended.back(), true), IsOk());
  }
  rig_.Close();
  // Each of several write buffers of this size would be written to a table.
  rig_.options.write_buffer_bytes = 64 << 10;
  rig_.disk.SetFreeSpace(LogStore::kStartBytes);
  rig_.disk.FailWrites(Fault::kNoSpace, ".blob");
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(Events(), appended);
  for (int i = 0; i < 20; ++i) {
    appended.push_back(Payload(1000 + i, 8192));
    ASSERT_THAT(Append(appended.back(), true), IsOk());
  }
  EXPECT_FALSE(rig_.store().waiting_for_space());
  EXPECT_GE(rig_.store().PendingBytes(), 120u * 8192);
  EXPECT_FALSE(rig_.store().ShouldWriteTables(0));

  rig_.disk.SetFreeSpace(uint64_t{1} << 30);
  rig_.disk.FailWrites(Fault::kNone);
  EXPECT_TRUE(rig_.store().ShouldWriteTables(uint64_t{1} << 30));
  ASSERT_THAT(rig_.store().WriteTables(), IsOk());
  EXPECT_LT(rig_.store().PendingBytes(), 8192u * 20);
  EXPECT_FALSE(rig_.store().ShouldWriteTables(uint64_t{1} << 30));
  // From now on tables are written again.
  for (int i = 0; i < 40; ++i) {
    appended.push_back(Payload(2000 + i, 8192));
    ASSERT_THAT(Append(appended.back(), true), IsOk());
  }
  EXPECT_TRUE(Eventually([&] { return rig_.store().PendingBytes() < 30u * 8192; }));
  EXPECT_EQ(Events(), appended);
  rig_.Reopen();
  EXPECT_EQ(Events(), appended);
}

// A compaction without room does not begin, reports that, and succeeds once there is room.
TEST_P(LogFaultTest, CompactionWaitsForRoom) {
  for (uint64_t i = 0; i < 60; ++i) ASSERT_THAT(Append(Payload(i, 3000), false), IsOk());
  ASSERT_THAT(rig_.store().WriteTables(), IsOk());
  ASSERT_THAT(rig_.Trim(rig_.log(), Offset(50)), IsOk());
  rig_.store().SetCompactionRoom(1 << 10);
  EXPECT_THAT(rig_.store().Reclaim(LogRig::kTopic),
              StatusIs(StatusCode::kResourceExhausted, "no room"));
  const uint64_t before = rig_.store().DiskBytes();
  rig_.store().SetCompactionRoom(1 << 30);
  EXPECT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  EXPECT_LT(rig_.store().DiskBytes(), before);
  EXPECT_THAT(Events(), testing::SizeIs(10));
}

TEST_P(LogFaultTest, FailedSyncMakesStoreReadOnly) {
  ASSERT_THAT(Append("first", true), IsOk());
  ASSERT_THAT(Append("second", false), IsOk());
  rig_.disk.FailSyncs(Fault::kIoError);
  EXPECT_THAT(Append("in doubt", true), StatusIs(StatusCode::kUnavailable, "injected failure"));
  EXPECT_EQ(rig_.log().end(), Offset(2));  // Not shown to readers.
  ExpectReadOnlyUntilReopened({"first", "second"});
}

// A disk that fails while tables are written in the background.
TEST_P(LogFaultTest, FailedFlushMakesStoreReadOnly) {
  rig_.Close();
  rig_.options.write_buffer_bytes = 64 << 10;
  ASSERT_THAT(rig_.Open(), IsOk());
  rig_.disk.FailWrites(Fault::kIoError, ".blob");
  std::vector<std::string> acknowledged;
  absl::Status status;
  for (uint64_t i = 0; i < 1000 && status.ok(); ++i) {
    std::string events = Payload(i, 8192);
    status = Append(events, false);
    if (status.ok()) acknowledged.push_back(std::move(events));
  }
  ASSERT_THAT(status, StatusIs(StatusCode::kUnavailable));
  ExpectReadOnlyUntilReopened(acknowledged);
}

// A disk that is full while tables are written in the background.
TEST_P(LogFaultTest, WaitsForSpaceForTables) {
  rig_.Close();
  rig_.options.write_buffer_bytes = 64 << 10;
  ASSERT_THAT(rig_.Open(), IsOk());
  rig_.disk.FailWrites(Fault::kNoSpace, ".blob");
  std::vector<std::string> appended;
  std::future<absl::Status> outcome = std::async(std::launch::async, [&] {
    for (uint64_t i = 0; i < 200; ++i) {
      appended.push_back(Payload(i, 8192));
      RETURN_IF_ERROR(Append(appended.back(), false));
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(Eventually([&] { return rig_.store().waiting_for_space(); }));
  rig_.disk.FailWrites(Fault::kNone);
  ASSERT_THAT(outcome.get(), IsOk());
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  EXPECT_EQ(Events(), appended);
  rig_.Reopen();
  EXPECT_EQ(Events(), appended);
}

// No new log can be created for the writes that follow those in the tables.
TEST_P(LogFaultTest, FailedLogSwitchMakesStoreReadOnly) {
  ASSERT_THAT(Append("first", true), IsOk());
  ASSERT_THAT(Append("second", true), IsOk());
  ASSERT_THAT(rig_.Trim(rig_.log(), Offset(1)), IsOk());
  ASSERT_THAT(Append("third", true), IsOk());
  const auto forget = [](CommitBuilder& commit) { commit.DeletePrefix(Column::kMeta, "none"); };
  ASSERT_THAT(rig_.Commit(forget, /*synced=*/true), IsOk());
  rig_.disk.Cut();
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(rig_.store().Reclaim(LogRig::kTopic), StatusIs(StatusCode::kUnavailable));
  }
  EXPECT_THAT(Append("refused", false), StatusIs(StatusCode::kUnavailable, "refuses writes"));
  EXPECT_THAT(Events(), testing::ElementsAre("second", "third"));
  rig_.Close();
  rig_.disk.Forget();
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(Events(), testing::ElementsAre("second", "third"));
}

// The operation of each step, and what must be there if it was acknowledged.
class PowerLossTest : public testing::TestWithParam<Medium> {
 protected:
  static constexpr int kSteps = 14;

  // In memory, crashes after each step; on a real disk, which is slower, only after some.
  static int StepsApart() { return GetParam() == Medium::kMemory && kStride == 1 ? 1 : 4; }

  // Runs step `i` of a script with every operation that changes files.
  absl::Status Run(LogRig& rig, int i, bool synced) {
    rig.clock.Advance(absl::Seconds(1));
    switch (i % 7) {
      case 3:
        return rig.store().Reclaim(LogRig::kTopic);  // Writes tables and blobs, drops log files.
      case 5:
        return rig.Trim(rig.log(), rig.log().start() + 2);
      case 6:
        rig.Close();
        return rig.Open();
      default:
        return rig.Append(rig.log(), Payload(i, i % 2 == 0 ? 50 : 9000), 2, synced).status();
    }
  }
};

INSTANTIATE_TEST_SUITE_P(All, PowerLossTest, testing::Values(Medium::kMemory, Medium::kDisk),
                         [](const auto& info) {
                           return info.param == Medium::kMemory ? "Memory" : "Disk";
                         });

TEST_P(PowerLossTest, KeepsSyncedWrites) {
  for (int steps = 1; steps <= kSteps; steps += StepsApart()) {
    SCOPED_TRACE(steps);
    LogRig rig(GetParam());
    ASSERT_THAT(rig.Open(), IsOk());
    for (int i = 0; i < steps; ++i) ASSERT_THAT(Run(rig, i, /*synced=*/true), IsOk());
    const auto content = rig.Read(rig.log());
    ASSERT_THAT(content, IsOk());
    const Offset start = rig.log().start();
    const Offset end = rig.log().end();

    rig.disk.Cut();
    rig.Close();
    rig.disk.Forget();
    ASSERT_THAT(rig.Open(), IsOk());
    EXPECT_EQ(rig.log().start(), start);
    EXPECT_EQ(rig.log().end(), end);
    const auto after = rig.Read(rig.log());
    ASSERT_THAT(after, IsOk());
    EXPECT_EQ(*after, *content);
    // The store continues from there.
    ASSERT_THAT(rig.Append(rig.log(), "more", 1, /*synced=*/true), IsOk());
    EXPECT_EQ(rig.Read(rig.log()).value().size(), content->size() + 1);
  }
}

// With WRITTEN durability a power loss may take events, but only from the end, and the hub always
// starts.
TEST_P(PowerLossTest, LosesOnlyTailOfUnsyncedWrites) {
  bool lost = false;
  for (int steps = 1; steps <= kSteps; steps += StepsApart()) {
    SCOPED_TRACE(steps);
    LogRig rig(GetParam());
    ASSERT_THAT(rig.Open(), IsOk());
    ASSERT_THAT(rig.Append(rig.log(), "synced", 2, /*synced=*/true), IsOk());
    for (int i = 0; i < steps; ++i) ASSERT_THAT(Run(rig, i, /*synced=*/false), IsOk());
    const auto content = rig.Read(rig.log());
    ASSERT_THAT(content, IsOk());

    rig.disk.Cut();
    rig.Close();
    rig.disk.Forget();
    ASSERT_THAT(rig.Open(), IsOk());
    const auto after = rig.Read(rig.log());
    ASSERT_THAT(after, IsOk());
    ASSERT_LE(after->size(), content->size());
    lost |= after->size() < content->size();
    EXPECT_TRUE(std::equal(after->begin(), after->end(), content->begin()));
    ASSERT_THAT(rig.Append(rig.log(), "more", 1, /*synced=*/true), IsOk());
    EXPECT_EQ(rig.Read(rig.log()).value().size(), after->size() + 1);
  }
  EXPECT_TRUE(lost);  // Otherwise the test's disk drops nothing.
}

}  // namespace
}  // namespace eventhub

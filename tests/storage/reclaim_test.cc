// Reclaims the disk space of trimmed and deleted events, even if live events surround them.
#include <future>
#include <string>

#include "gtest/gtest.h"
#include "tests/storage/log_rig.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

class ReclaimTest : public testing::Test {
 protected:
  ReclaimTest() : rig_(FaultEnv::Medium::kMemory) {
    rig_.options.write_buffer_bytes = size_t{4} << 20;
  }

  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  void Append(PartitionLog& log, int count, size_t bytes) {
    for (int i = 0; i < count; ++i) {
      ASSERT_THAT(rig_.Append(log, Payload(++seed_, bytes), 1, /*synced=*/false), IsOk());
    }
  }

  // RocksDB's own threads may delete a file a little later.
  void ExpectDiskBytesBelow(uint64_t limit) {
    EXPECT_TRUE(Eventually([&] { return rig_.store().DiskBytes() < limit; }))
        << rig_.store().DiskBytes() << " and not below " << limit;
  }

  LogRig rig_;
  uint64_t seed_ = 0;
};

TEST_F(ReclaimTest, ReclaimsTrimmedEvents) {
  PartitionLog& log = rig_.log();
  Append(log, 200, 100'000);
  const uint64_t full = rig_.store().DiskBytes();
  EXPECT_GT(full, 20'000'000u);
  ASSERT_THAT(rig_.Trim(log, Offset(190)), IsOk());
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  ExpectDiskBytesBelow(full / 3);
  EXPECT_EQ(rig_.Read(log).value().size(), 10u);
  rig_.Reopen();
  EXPECT_EQ(rig_.Read(rig_.log()).value().size(), 10u);
}

TEST_F(ReclaimTest, ReclaimsSmallEvents) {
  PartitionLog& log = rig_.log();
  Append(log, 5000, 2000);  // Not in blob files.
  const uint64_t full = rig_.store().DiskBytes();
  EXPECT_GT(full, 9'000'000u);
  ASSERT_THAT(rig_.Trim(log, log.end()), IsOk());
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  ExpectDiskBytesBelow(full / 3);
}

// Several topics are written at the same time, so their events share files; one is trimmed, the
// other is not.
TEST_F(ReclaimTest, ReclaimsFilesSharedWithLiveEvents) {
  PartitionLog& trimmed = rig_.log(0, TopicId(1));
  PartitionLog& kept = rig_.log(0, TopicId(2));
  for (int i = 0; i < 30; ++i) {
    Append(trimmed, 12, 250'000);
    Append(kept, 1, 250'000);
  }
  const auto content = rig_.Read(kept).value();
  const uint64_t full = rig_.store().DiskBytes();
  EXPECT_GT(full, 95'000'000u);
  ASSERT_THAT(rig_.Trim(trimmed, trimmed.end()), IsOk());
  ASSERT_THAT(rig_.store().Reclaim(TopicId(1)), IsOk());
  ExpectDiskBytesBelow(full / 3);
  EXPECT_EQ(rig_.Read(kept).value(), content);
  rig_.Reopen();
  EXPECT_EQ(rig_.Read(rig_.log(0, TopicId(2))).value(), content);
}

TEST_F(ReclaimTest, ReclaimsDeletedTopic) {
  Append(rig_.log(0, TopicId(1)), 100, 100'000);
  Append(rig_.log(0, TopicId(2)), 2, 100'000);
  const uint64_t full = rig_.store().DiskBytes();
  ASSERT_THAT(rig_.Commit([](CommitBuilder& c) { c.DeleteTopic(TopicId(1)); }, true), IsOk());
  ASSERT_THAT(rig_.store().Reclaim(TopicId(1)), IsOk());
  ExpectDiskBytesBelow(full / 3);
  EXPECT_EQ(rig_.Read(rig_.log(0, TopicId(2))).value().size(), 2u);
}

TEST_F(ReclaimTest, DoesNotStartWhenCancelled) {
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_THAT(rig_.store().Reclaim(LogRig::kTopic, cancellation),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ReclaimTest, CanBeCancelledWhileRunning) {
  Append(rig_.log(), 100, 100'000);
  ASSERT_THAT(rig_.Trim(rig_.log(), Offset(50)), IsOk());
  rig_.disk.HoldSyncs(".sst");
  Cancellation cancellation;
  std::future<absl::Status> reclaimed = std::async(
      std::launch::async, [&] { return rig_.store().Reclaim(LogRig::kTopic, cancellation); });
  ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() > 0; }));
  cancellation.Cancel();
  rig_.disk.ReleaseSyncs();
  EXPECT_THAT(reclaimed.get(), StatusIs(absl::StatusCode::kCancelled));
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());  // A second one succeeds.
}

// Two tables are compacted while others, whose keys lie between theirs, are written: RocksDB 7.8
// would move those to the same level, and its assertion would end the process.
TEST_F(ReclaimTest, SurvivesTablesWrittenDuringCompaction) {
  const auto write_table = [&](const std::vector<uint32_t>& partitions) {
    for (const uint32_t partition : partitions) Append(rig_.log(partition), 1, 100);
    ASSERT_THAT(rig_.store().Reclaim(TopicId(99)), IsOk());
  };
  write_table({0});
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  // Two overlapping tables form a new one; a single table would be merged with the first.
  write_table({2, 3});
  write_table({2, 3});
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  rig_.disk.HoldSyncs(".sst");
  auto reclaimed =
      std::async(std::launch::async, [&] { return rig_.store().Reclaim(LogRig::kTopic); });
  ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() > 0; }));
  rig_.disk.HoldSyncs("none but that one");
  constexpr int kTables = 12;  // More than enough to start a compaction.
  for (int table = 0; table < kTables; ++table) write_table({1});
  rig_.disk.ReleaseSyncs();
  EXPECT_THAT(reclaimed.get(), IsOk());
  EXPECT_EQ(rig_.Read(rig_.log(1)).value().size(), size_t{kTables});
}

// A reader in the middle of a trimmed and reclaimed range keeps its bytes.
TEST_F(ReclaimTest, ReadersKeepReclaimedBatches) {
  PartitionLog& log = rig_.log();
  Append(log, 50, 100'000);
  std::vector<RecordBatchPtr> batches;
  ASSERT_THAT(rig_.store().Read(log.topic(), log.id(), Offset(0), Offset(50), 1 << 20, &batches),
              IsOk());
  ASSERT_THAT(rig_.Trim(log, log.end()), IsOk());
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  for (size_t i = 0; i < batches.size(); ++i) {
    EXPECT_EQ(batches[i]->chunks[0].view(), Payload(i + 1, 100'000));
  }
}

}  // namespace
}  // namespace eventhub

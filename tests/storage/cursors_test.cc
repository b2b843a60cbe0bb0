// The column of cursors: small records that are changed and deleted all the time.
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"
#include "tests/storage/log_rig.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using ::testing::ElementsAre;
using Medium = FaultEnv::Medium;

constexpr SubscriptionId kOne(1);
constexpr SubscriptionId kTwo(2);
constexpr PartitionId kPartition(0);

std::vector<std::string> KeysOf(LogRig& rig, absl::string_view prefix) {
  std::vector<std::string> keys;
  EXPECT_THAT(rig.store().Scan(Column::kCursors, prefix,
                               [&](absl::string_view key, absl::string_view) {
                                 keys.emplace_back(key);
                                 return true;
                               }),
              IsOk());
  return keys;
}

// Returns the total size of all files whose names end with `suffix`.
size_t BytesOf(const LogRig& rig, absl::string_view suffix) {
  size_t bytes = 0;
  for (const std::string& file : rig.disk.Files(rig.options.directory)) {
    if (absl::EndsWith(file, suffix)) bytes += rig.disk.ReadFile(file).size();
  }
  return bytes;
}

class CursorsTest : public testing::TestWithParam<std::tuple<bool, Medium>> {
 protected:
  CursorsTest() : rig_(std::get<1>(GetParam())) {}

  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  void Commit(TestTask::PrepareFn prepare) {
    ASSERT_THAT(rig_.Commit(std::move(prepare), std::get<0>(GetParam())), IsOk());
  }

  LogRig rig_;
};

INSTANTIATE_TEST_SUITE_P(All, CursorsTest,
                         testing::Combine(testing::Bool(),
                                          testing::Values(Medium::kMemory, Medium::kDisk)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "Synced" : "Written") +
                                  (std::get<1>(info.param) == Medium::kMemory ? "Memory" : "Disk");
                         });

TEST_P(CursorsTest, DeletesOnlyGivenKey) {
  const std::vector<std::string> keys = {
      PendingKey(kOne, kPartition, Offset(1)),
      PendingKey(kOne, kPartition, Offset(2)),
      PendingKey(kOne, kPartition, Offset(3)),
  };
  Commit([&](CommitBuilder& commit) {
    for (const std::string& key : keys) commit.Put(Column::kCursors, key, "value");
  });
  Commit([&](CommitBuilder& commit) { commit.Delete(Column::kCursors, keys[1]); });
  EXPECT_EQ(rig_.store().Get(Column::kCursors, keys[1]).value(), std::nullopt);
  EXPECT_THAT(KeysOf(rig_, ""), ElementsAre(keys[0], keys[2]));
  Commit([&](CommitBuilder& commit) { commit.Delete(Column::kCursors, "no such key"); });
  rig_.Reopen();
  EXPECT_THAT(KeysOf(rig_, ""), ElementsAre(keys[0], keys[2]));
}

TEST_P(CursorsTest, AppliesChangesOfCommitInOrder) {
  Commit([](CommitBuilder& commit) {
    commit.Put(Column::kCursors, "put then deleted", "");
    commit.Delete(Column::kCursors, "put then deleted");
    commit.Delete(Column::kCursors, "deleted then put");
    commit.Put(Column::kCursors, "deleted then put", "");
  });
  EXPECT_THAT(KeysOf(rig_, ""), ElementsAre("deleted then put"));
  rig_.Reopen();
  EXPECT_THAT(KeysOf(rig_, ""), ElementsAre("deleted then put"));
}

TEST_P(CursorsTest, DeletesAllKeysOfSubscriptionOnly) {
  const auto keys_of = [](SubscriptionId subscription) {
    return std::vector<std::string>{
        CursorKey(subscription, kPartition),
        PendingKey(subscription, kPartition, Offset::Max()),
        SnapshotKey(subscription, "\xff\xff"),
        DeadLetterKey(subscription, TopicId(9), kPartition, Offset(0)),
    };
  };
  Commit([&](CommitBuilder& commit) {
    for (const SubscriptionId subscription : {kOne, kTwo}) {
      for (const auto& key : keys_of(subscription)) commit.Put(Column::kCursors, key, "value");
    }
  });
  EXPECT_EQ(KeysOf(rig_, SubscriptionPrefix(kOne)), keys_of(kOne));
  Commit([](CommitBuilder& commit) {
    commit.DeletePrefix(Column::kCursors, SubscriptionPrefix(kOne));
  });
  EXPECT_EQ(KeysOf(rig_, ""), keys_of(kTwo));
  rig_.Reopen();
  EXPECT_EQ(KeysOf(rig_, ""), keys_of(kTwo));
}

TEST_P(CursorsTest, ScansPendingRangesInOrder) {
  const PartitionId next(1);
  Commit([&](CommitBuilder& commit) {
    for (const int64_t offset : {int64_t{256}, int64_t{1} << 40, int64_t{255}, int64_t{0}}) {
      commit.Put(Column::kCursors, PendingKey(kOne, kPartition, Offset(offset)), "");
    }
    commit.Put(Column::kCursors, PendingKey(kOne, next, Offset(7)), "");
    commit.Put(Column::kCursors, CursorKey(kOne, kPartition), "");
    commit.Put(Column::kCursors, SnapshotKey(kOne, "name"), "");
  });
  EXPECT_THAT(KeysOf(rig_, PendingPrefix(kOne, kPartition)),
              ElementsAre(PendingKey(kOne, kPartition, Offset(0)),
                          PendingKey(kOne, kPartition, Offset(255)),
                          PendingKey(kOne, kPartition, Offset(256)),
                          PendingKey(kOne, kPartition, Offset(int64_t{1} << 40))));
  EXPECT_THAT(KeysOf(rig_, PendingPrefix(kOne, next)),
              ElementsAre(PendingKey(kOne, next, Offset(7))));
}

// Acks and events of one commit are lost or kept together.
TEST(Cursors, AreAtomicWithEventsOfTheirCommit) {
  const std::string key = CursorKey(kOne, kPartition);
  bool lost = false;
  for (int commits = 1; commits <= 8; ++commits) {
    LogRig rig(Medium::kMemory);
    ASSERT_THAT(rig.Open(), IsOk());
    PartitionLog& log = rig.log();
    for (int i = 1; i <= commits; ++i) {
      const bool synced = i == commits / 2;
      ASSERT_THAT(rig.Commit(
                      [&](CommitBuilder& commit) {
                        commit.Append(log, SharedBytes::Copy(Payload(i, 20'000)), 1);
                        commit.Put(Column::kCursors, key, absl::StrCat(i));
                      },
                      synced),
                  IsOk());
    }
    rig.disk.Cut();
    rig.Close();
    rig.disk.Forget();
    ASSERT_THAT(rig.Open(), IsOk());
    const int64_t end = rig.log().end().value();
    EXPECT_GE(end, commits / 2);
    lost |= end < commits;
    EXPECT_EQ(rig.store().Get(Column::kCursors, key).value().value_or("0"), absl::StrCat(end));
  }
  EXPECT_TRUE(lost);  // Otherwise the test's disk drops nothing.
}

// Records that were written to tables and deleted since take no space, and neither do their
// deletions.
TEST(Cursors, DeletedRecordsDoNotAccumulate) {
  constexpr int kRecords = 20'000;
  LogRig rig(Medium::kMemory);
  ASSERT_THAT(rig.Open(), IsOk());
  const auto each = [&](const std::function<void(CommitBuilder&, const std::string&)>& change) {
    ASSERT_THAT(rig.Commit(
                    [&](CommitBuilder& commit) {
                      for (int i = 0; i < kRecords; ++i) {
                        change(commit, PendingKey(kOne, kPartition, Offset(i)));
                      }
                    },
                    /*synced=*/false),
                IsOk());
    ASSERT_THAT(rig.store().Reclaim(LogRig::kTopic), IsOk());  // Writes tables.
  };
  ASSERT_NO_FATAL_FAILURE(each([](CommitBuilder& commit, const std::string& key) {
    commit.Put(Column::kCursors, key, Payload(1, 50));
  }));
  EXPECT_GT(BytesOf(rig, ".sst"), 200'000u);
  ASSERT_NO_FATAL_FAILURE(each(
      [](CommitBuilder& commit, const std::string& key) { commit.Delete(Column::kCursors, key); }));
  EXPECT_TRUE(Eventually([&] { return BytesOf(rig, ".sst") < 10'000; })) << BytesOf(rig, ".sst");
  EXPECT_THAT(KeysOf(rig, ""), ElementsAre());
}

// A record that was written once, and is still in memory, does not keep the write-ahead log of
// everything written since.
TEST(Cursors, IdleRecordsDoNotRetainLog) {
  constexpr size_t kLogBytes = size_t{1} << 20;
  LogRig rig(Medium::kMemory);
  rig.options.max_log_bytes = kLogBytes;
  rig.options.write_buffer_bytes = kLogBytes / 4;
  ASSERT_THAT(rig.Open(), IsOk());
  const std::string key = CursorKey(kOne, kPartition);
  ASSERT_THAT(rig.Commit([&](CommitBuilder& c) { c.Put(Column::kCursors, key, "value"); }, false),
              IsOk());
  for (int i = 0; i < 200; ++i) {
    ASSERT_THAT(rig.Append(rig.log(), Payload(i, 100'000), 1, /*synced=*/false), IsOk());
  }
  EXPECT_TRUE(Eventually([&] { return BytesOf(rig, ".log") < 3 * kLogBytes; }))
      << BytesOf(rig, ".log");
  EXPECT_EQ(rig.store().Get(Column::kCursors, key).value(), "value");
  rig.Reopen();
  EXPECT_EQ(rig.store().Get(Column::kCursors, key).value(), "value");
}

}  // namespace
}  // namespace eventhub

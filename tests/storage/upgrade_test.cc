// Data directories of older formats: their upgrade, and crashes during it.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/write_batch.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"
#include "tests/storage/log_rig.h"
#include "tests/storage/step_fs.h"
#include "tests/support/sanitizers.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using absl::HexStringToBytes;
using absl::StatusCode;
using ::testing::Contains;
using ::testing::Not;
using Fault = FaultEnv::Fault;
using Medium = FaultEnv::Medium;

// The records of a hub of format 1, by column family in their order: a topic of one partition with
// a trimmed batch, a small one and one in a blob file, and a request of a producer.
struct Format1 {
  static constexpr const char* kColumns[] = {"default", "events", "index", "producers"};

  struct Record {
    size_t column;
    std::string key;
    std::string value;
  };

  const std::string large = Payload(1, 5000);
  const std::vector<Record> records = {
      {0, "n", HexStringToBytes("08000000")},
      {0, HexStringToBytes("7400000007"), HexStringToBytes("0a01741001")},
      {0, HexStringToBytes("730000000700000000"),
       HexStringToBytes("01000000"
                        "0300000000000000"
                        "0500000000000000")},
      {1, HexStringToBytes("00000007000000000000000000000003"), "second"},
      {2, HexStringToBytes("00000007000000000000000000000003"),
       HexStringToBytes("01000000"
                        "01000000"
                        "06000000"
                        "00401e18240a0600"
                        "0500000000000000")},
      {1, HexStringToBytes("00000007000000000000000000000004"), large},
      {2, HexStringToBytes("00000007000000000000000000000004"),
       HexStringToBytes("01000000"
                        "02000000"
                        "88130000"
                        "00401e18240a0600"
                        "0b00000000000000")},
      {3, HexStringToBytes("0000000700017000"),
       HexStringToBytes("01000000"
                        "0000000000000000"
                        "0000000000000000"
                        "00401e18240a0600")},
  };
};

class UpgradeTest : public testing::TestWithParam<Medium> {
 protected:
  static std::string FormatFile(const LogRig& rig) {
    return rig.options.directory + "/EVENTHUB_FORMAT";
  }

  static std::vector<rocksdb::ColumnFamilyDescriptor> OldColumns() {
    std::vector<rocksdb::ColumnFamilyDescriptor> columns;
    for (const char* name : Format1::kColumns) {
      rocksdb::ColumnFamilyOptions options;
      options.compression = rocksdb::kNoCompression;
      options.enable_blob_files = std::string(name) == "events";
      options.min_blob_size = 4096;
      columns.emplace_back(name, options);
    }
    return columns;
  }

  // Opens the store as a hub of format 1 does.
  static rocksdb::Status OpenOld(const LogRig& rig, std::unique_ptr<rocksdb::DB>* db,
                                 std::vector<rocksdb::ColumnFamilyHandle*>* handles) {
    rocksdb::DBOptions options;
    options.env = rig.disk.env();
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    rocksdb::DB* opened = nullptr;
    rocksdb::Status status =
        rocksdb::DB::Open(options, rig.options.directory + "/log", OldColumns(), handles, &opened);
    db->reset(opened);
    return status;
  }

  static void SyncDirectory(const LogRig& rig, const std::string& path) {
    std::unique_ptr<rocksdb::Directory> directory;
    ASSERT_TRUE(rig.disk.env()->NewDirectory(path, &directory).ok());
    ASSERT_TRUE(directory->Fsync().ok());
  }

  // Creates the directory with the older half of its records in tables and the rest in the
  // write-ahead log, as after a hub was killed.
  void MakeFormat1(LogRig& rig) {
    ASSERT_TRUE(rig.disk.env()->CreateDirIfMissing(rig.options.directory).ok());
    rocksdb::FileLock* lock = nullptr;
    ASSERT_TRUE(rig.disk.env()->LockFile(rig.options.directory + "/LOCK", &lock).ok());
    std::unique_ptr<rocksdb::DB> db;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    ASSERT_TRUE(OpenOld(rig, &db, &handles).ok());
    for (size_t i = 0; i < format1_.records.size(); ++i) {
      const auto& [column, key, value] = format1_.records[i];
      ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), handles[column], key, value).ok());
      if (i == format1_.records.size() / 2) {
        ASSERT_TRUE(db->Flush(rocksdb::FlushOptions(), handles).ok());
      }
    }
    ASSERT_TRUE(db->SyncWAL().ok());
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    db.reset();
    rig.disk.WriteFile(FormatFile(rig), "1\n");
    ASSERT_TRUE(rig.disk.env()->UnlockFile(lock).ok());
    SyncDirectory(rig, rig.disk.directory());
    SyncDirectory(rig, rig.options.directory);
    SyncDirectory(rig, rig.options.directory + "/log");
  }

  static std::vector<std::string> ColumnsOf(const LogRig& rig) {
    rocksdb::DBOptions options;
    options.env = rig.disk.env();
    std::vector<std::string> columns;
    EXPECT_TRUE(
        rocksdb::DB::ListColumnFamilies(options, rig.options.directory + "/log", &columns).ok());
    return columns;
  }

  // The open store has everything that the older hub left, and nothing else; it has this hub's
  // format, and accepts writes.
  void ExpectUpgraded(LogRig& rig) {
    EXPECT_EQ(rig.disk.ReadFile(FormatFile(rig)), "4\n");
    EXPECT_THAT(ColumnsOf(rig), Contains("cursors"));
    std::vector<std::map<std::string, std::string>> expected(8);
    for (const auto& [column, key, value] : format1_.records) expected[column][key] = value;
    const std::vector<Column> columns = {Column::kMeta,       Column::kEvents,  Column::kIndex,
                                         Column::kProducers,  Column::kCursors, Column::kDelayed,
                                         Column::kIdentities, Column::kLatest};
    for (size_t i = 0; i < columns.size(); ++i) {
      std::map<std::string, std::string> records;
      EXPECT_THAT(rig.store().Scan(columns[i], "",
                                   [&](absl::string_view key, absl::string_view value) {
                                     records.emplace(key, value);
                                     return true;
                                   }),
                  IsOk());
      EXPECT_EQ(records, expected[i]) << i;
    }
    EXPECT_EQ(rig.log().start(), Offset(3));
    EXPECT_EQ(rig.log().end(), Offset(6));
    const std::string key = CursorKey(SubscriptionId(1), PartitionId(0));
    ASSERT_THAT(rig.Commit([&](CommitBuilder& c) { c.Put(Column::kCursors, key, "5"); }, true),
                IsOk());
    ASSERT_THAT(rig.Append(rig.log(), "third", 1, true), IsOk());
    rig.Reopen();
    EXPECT_EQ(rig.log().end(), Offset(7));
    EXPECT_EQ(rig.store().Get(Column::kCursors, key).value(), "5");
  }

  const Format1 format1_;
};

INSTANTIATE_TEST_SUITE_P(All, UpgradeTest, testing::Values(Medium::kMemory, Medium::kDisk),
                         [](const auto& info) {
                           return info.param == Medium::kMemory ? "Memory" : "Disk";
                         });

TEST_P(UpgradeTest, UpgradesOlderFormatWithItsContent) {
  LogRig rig(GetParam());
  MakeFormat1(rig);
  ASSERT_THAT(ColumnsOf(rig), Not(Contains("cursors")));
  ASSERT_THAT(rig.Open(), IsOk());
  ExpectUpgraded(rig);
}

TEST_P(UpgradeTest, OlderHubRejectsUpgradedDirectory) {
  LogRig rig(GetParam());
  MakeFormat1(rig);
  ASSERT_THAT(rig.Open(), IsOk());
  rig.Close();
  // Even a hub that does not check the number, or sees the old one after a crash.
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  EXPECT_TRUE(OpenOld(rig, &db, &handles).IsInvalidArgument());
}

TEST_P(UpgradeTest, RetriesFormatNumberAfterFailedWrite) {
  LogRig rig(GetParam());
  MakeFormat1(rig);
  rig.disk.FailWrites(Fault::kNoSpace, "EVENTHUB_FORMAT.new");
  EXPECT_THAT(LogStore::Open(rig.options),
              StatusIs(StatusCode::kResourceExhausted, "EVENTHUB_FORMAT.new"));
  EXPECT_EQ(rig.disk.ReadFile(FormatFile(rig)), "1\n");
  rig.disk.FailWrites(Fault::kNone);
  ASSERT_THAT(rig.Open(), IsOk());
  ExpectUpgraded(rig);
}

TEST_P(UpgradeTest, FailedSyncKeepsOldFormatNumber) {
  LogRig rig(GetParam());
  MakeFormat1(rig);
  rig.disk.FailSyncs(Fault::kIoError);
  EXPECT_THAT(LogStore::Open(rig.options), StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(rig.disk.ReadFile(FormatFile(rig)), "1\n");
  rig.disk.FailSyncs(Fault::kNone);
  ASSERT_THAT(rig.Open(), IsOk());
  ExpectUpgraded(rig);
}

// The power fails before each of the changes that the first start makes.
TEST_P(UpgradeTest, SurvivesPowerLossAtEveryStep) {
  const int apart = kStride * (GetParam() == Medium::kMemory ? 1 : 9);  // A real disk is slower.
  bool before = false;
  bool between = false;
  bool after = false;
  bool through = false;
  for (int step = 1; !through; step += apart) {
    ASSERT_LT(step, 2000);
    SCOPED_TRACE(step);
    LogRig rig(GetParam());
    ASSERT_NO_FATAL_FAILURE(MakeFormat1(rig));
    const auto fs =
        std::make_shared<StepFs>(rig.disk.env()->GetFileSystem(), step, [&] { rig.disk.Cut(); });
    const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(fs);
    rig.options.env = env.get();
    const absl::Status opened = rig.Open();
    through = !fs->reached();
    rig.disk.Cut();
    rig.Close();
    rig.disk.Forget();
    EXPECT_TRUE(opened.ok() || !through) << opened;

    const std::string number = rig.disk.ReadFile(FormatFile(rig));
    const std::vector<std::string> columns = ColumnsOf(rig);
    const bool made = std::find(columns.begin(), columns.end(), "cursors") != columns.end();
    ASSERT_TRUE(number == "1\n" || (number == "4\n" && made)) << number;
    before |= !made;
    between |= made && number == "1\n";
    after |= number == "4\n";
    rig.options.env = rig.disk.env();
    ASSERT_THAT(rig.Open(), IsOk());
    ASSERT_NO_FATAL_FAILURE(ExpectUpgraded(rig));
  }
  // Otherwise the test visits the wrong steps.
  EXPECT_TRUE(apart > 1 || (before && between && after));
}

}  // namespace
}  // namespace eventhub

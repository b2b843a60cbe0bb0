// Which data directories are opened, and which are refused and left unchanged.
#include <map>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "storage/log_store.h"
#include "tests/storage/log_rig.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using absl::StatusCode;

class LogStoreOpenTest : public testing::TestWithParam<FaultEnv::Medium> {
 protected:
  LogStoreOpenTest() : rig_(GetParam()) {}

  // Leaves a directory with one batch.
  void Fill() {
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Append(rig_.log(), "events", 2, /*synced=*/true), IsOk());
    rig_.Close();
  }

  std::string format_file() const { return rig_.options.directory + "/EVENTHUB_FORMAT"; }

  std::map<std::string, std::string> Snapshot() const {
    std::map<std::string, std::string> files;
    for (const std::string& file : rig_.disk.Files(rig_.options.directory)) {
      files[file] = rig_.disk.ReadFile(file);
    }
    return files;
  }

  LogRig rig_;
};

INSTANTIATE_TEST_SUITE_P(All, LogStoreOpenTest,
                         testing::Values(FaultEnv::Medium::kMemory, FaultEnv::Medium::kDisk),
                         [](const auto& info) {
                           return info.param == FaultEnv::Medium::kMemory ? "Memory" : "Disk";
                         });

TEST_P(LogStoreOpenTest, RejectsSecondInstance) {
  ASSERT_THAT(rig_.Open(), IsOk());
  ASSERT_THAT(rig_.Append(rig_.log(), "events", 2, /*synced=*/true), IsOk());
  const auto before = Snapshot();
  EXPECT_THAT(LogStore::Open(rig_.options),
              StatusIs(StatusCode::kFailedPrecondition, "is in use by another process"));
  EXPECT_EQ(Snapshot(), before);
  // The first store continues, and releases the directory when it is closed.
  EXPECT_THAT(rig_.Append(rig_.log(), "events", 1, /*synced=*/true), IsOk());
  rig_.Close();
  EXPECT_THAT(LogStore::Open(rig_.options), IsOk());
}

// A hub with events must not silently start without them.
TEST_P(LogStoreOpenTest, RejectsMissingLog) {
  Fill();
  ASSERT_THAT(rig_.Open(), IsOk());
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());  // Writes tables.
  rig_.Close();
  const std::string log = rig_.options.directory + "/log";
  const std::string current = rig_.disk.ReadFile(log + "/CURRENT");
  rig_.disk.DeleteFile(log + "/CURRENT");
  const auto before = Snapshot();
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kDataLoss, "CURRENT is missing"));
  EXPECT_EQ(Snapshot(), before);
  rig_.disk.WriteFile(log + "/CURRENT", current);
  EXPECT_THAT(rig_.Open(), IsOk());
  rig_.Close();
  // The same without tables: RocksDB would delete the logs.
  rig_.Close();
  for (const std::string& file : rig_.disk.Files(log)) {
    if (!file.ends_with(".log")) rig_.disk.DeleteFile(file);
  }
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kDataLoss, "restore a backup"));
  for (const std::string& file : rig_.disk.Files(log)) rig_.disk.DeleteFile(file);
  rig_.disk.DeleteDirectory(log);
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kDataLoss, "EVENTHUB_FORMAT exists"));
}

TEST_P(LogStoreOpenTest, RejectsNewerFormatUntouched) {
  Fill();
  rig_.disk.WriteFile(format_file(), "6\n");
  const auto before = Snapshot();
  EXPECT_THAT(LogStore::Open(rig_.options), StatusIs(StatusCode::kFailedPrecondition, "format 6"));
  EXPECT_EQ(Snapshot(), before);
  rig_.disk.WriteFile(format_file(), "4\n");
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(rig_.log().end(), Offset(2));
}

TEST_P(LogStoreOpenTest, KeepsTheFormatThatItsContentRequires) {
  Fill();
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(rig_.store().format(), 4);
  ASSERT_THAT(rig_.store().RequireFormat(4), IsOk());
  EXPECT_EQ(rig_.disk.ReadFile(format_file()), "4\n");
  rig_.disk.FailWrites(FaultEnv::Fault::kNoSpace, "EVENTHUB_FORMAT.new");
  EXPECT_THAT(rig_.store().RequireFormat(5), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(rig_.store().format(), 4);
  rig_.disk.FailWrites(FaultEnv::Fault::kNone);
  ASSERT_THAT(rig_.store().RequireFormat(5), IsOk());
  // Durable at once.
  rig_.disk.Cut();
  rig_.Close();
  rig_.disk.Forget();
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(rig_.store().format(), 5);
  ASSERT_THAT(rig_.store().RequireFormat(4), IsOk());
  EXPECT_EQ(rig_.disk.ReadFile(format_file()), "5\n");
  EXPECT_EQ(rig_.log().end(), Offset(2));
}

TEST_P(LogStoreOpenTest, RejectsLogWithoutFormatUntouched) {
  Fill();
  rig_.disk.DeleteFile(format_file());
  const auto before = Snapshot();
  EXPECT_THAT(LogStore::Open(rig_.options), StatusIs(StatusCode::kDataLoss, "EVENTHUB_FORMAT"));
  EXPECT_EQ(Snapshot(), before);
}

TEST_P(LogStoreOpenTest, RejectsDamagedFormatUntouched) {
  Fill();
  for (const char* text : {"", "\n", "one\n", "0\n", "-1\n", "1\n1\n", "99999999999999999999\n"}) {
    rig_.disk.WriteFile(format_file(), text);
    const auto before = Snapshot();
    EXPECT_THAT(LogStore::Open(rig_.options), StatusIs(StatusCode::kDataLoss, "EVENTHUB_FORMAT"))
        << text;
    EXPECT_EQ(Snapshot(), before);
  }
}

TEST_P(LogStoreOpenTest, ReplacesPartialFormatFile) {
  ASSERT_THAT(rig_.Open(), IsOk());
  rig_.Close();
  for (const std::string& file : rig_.disk.Files(rig_.options.directory)) {
    rig_.disk.DeleteFile(file);
  }
  rig_.options.directory = rig_.disk.directory();
  rig_.disk.WriteFile(format_file() + ".new", "");
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(rig_.disk.ReadFile(format_file()), "4\n");
}

TEST_P(LogStoreOpenTest, FailingDiskIsNamedAndLeavesNoPartialState) {
  rig_.disk.FailWrites(FaultEnv::Fault::kNoSpace);
  EXPECT_THAT(LogStore::Open(rig_.options),
              StatusIs(StatusCode::kResourceExhausted, rig_.options.directory));
  rig_.disk.FailWrites(FaultEnv::Fault::kNone);
  rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
  EXPECT_THAT(LogStore::Open(rig_.options),
              StatusIs(StatusCode::kUnavailable, rig_.options.directory));
  rig_.disk.FailSyncs(FaultEnv::Fault::kNone);
  EXPECT_THAT(rig_.Open(), IsOk());
}

TEST(LogStoreOpen, FailedCreationIsNotReportedAsInUse) {
  LogStoreOptions options;
  options.directory = "/proc/lock/hub";
  EXPECT_THAT(LogStore::Open(options), StatusIs(StatusCode::kUnavailable, "/proc/lock/hub"));
}

}  // namespace
}  // namespace eventhub

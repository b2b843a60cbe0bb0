// Damage to files at rest: it is found, never served, and never mistaken for the end of the log.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/version.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"
#include "tests/storage/log_rig.h"
#include "tests/support/sanitizers.h"
#include "tests/support/status_matchers.h"

namespace rocksdb::crc32c {

uint32_t Extend(uint32_t crc, const char* data, size_t size);

}  // namespace rocksdb::crc32c

namespace eventhub {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class LogDamageTest : public testing::Test {
 protected:
  LogDamageTest() : rig_(FaultEnv::Medium::kMemory) {}

  // Writes a few batches, small ones and one for a blob file, and records the contents.
  void Fill() {
    ASSERT_THAT(rig_.Open(), IsOk());
    for (uint64_t i = 0; i < 6; ++i) {
      const size_t bytes = i == 2 ? 6000 : 100 + i;
      ASSERT_THAT(rig_.Append(rig_.log(), Payload(i, bytes), 2, /*synced=*/true), IsOk());
    }
    content_ = rig_.Read(rig_.log()).value();
    ASSERT_THAT(content_, SizeIs(6));
  }

  std::vector<std::string> FilesNamed(const std::string& suffix) const {
    std::vector<std::string> files;
    for (const std::string& file : rig_.disk.Files(rig_.options.directory)) {
      if (absl::EndsWith(file, suffix)) files.push_back(file);
    }
    return files;
  }

  // Returns the log file that contains data.
  std::string LogFile() const {
    std::vector<std::string> files = FilesNamed(".log");
    std::erase_if(files, [&](const std::string& f) { return rig_.disk.ReadFile(f).empty(); });
    EXPECT_THAT(files, SizeIs(1));
    return files.empty() ? "" : files[0];
  }

  // Opens the damaged store and reads all of it.
  absl::StatusOr<std::vector<StoredBatch>> OpenAndRead() {
    const absl::Status opened = rig_.Open();
    if (!opened.ok()) return opened;
    const auto bounds = rig_.store().Recover(LogRig::kTopic, PartitionId(0));
    if (!bounds.ok()) return bounds.status();
    return rig_.Read(rig_.log());
  }

  std::map<std::string, std::string> Snapshot() const {
    std::map<std::string, std::string> files;
    for (const std::string& file : rig_.disk.Files(rig_.options.directory)) {
      // Locks are created again.
      if (!absl::EndsWith(file, "/LOCK")) files[file] = rig_.disk.ReadFile(file);
    }
    return files;
  }

  void Restore(const std::map<std::string, std::string>& files) {
    rig_.Close();
    for (const std::string& file : rig_.disk.Files(rig_.options.directory)) {
      rig_.disk.DeleteFile(file);
    }
    for (const auto& [file, bytes] : files) rig_.disk.WriteFile(file, bytes);
  }

  // Replaces the intact log with a damaged one.
  void ExpectRefused(const std::string& damaged, const std::string& where) {
    rig_.disk.WriteFile(LogFile(), damaged);
    EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kDataLoss)) << where;
    rig_.Close();
  }

  // Damages every `step`-th byte of the files, one at a time. Either the contents are unchanged, or
  // the damage is found.
  void FlipBits(const std::string& suffix, size_t step, int* found) {
    rig_.Close();
    const auto sound = Snapshot();
    *found = 0;
    step *= kStride;
    for (const std::string& file : FilesNamed(suffix)) {
      for (size_t at = 0; at < sound.at(file).size(); at += step) {
        std::string damaged = sound.at(file);
        damaged[at] ^= static_cast<char>(1 << at % 8);
        rig_.disk.WriteFile(file, damaged);
        const auto read = OpenAndRead();
        if (read.ok()) {
          EXPECT_EQ(*read, content_) << file << " byte " << at << " of " << damaged.size();
        } else {
          EXPECT_THAT(read, AnyOf(StatusIs(StatusCode::kDataLoss), StatusIs(StatusCode::kNotFound),
                                  StatusIs(StatusCode::kUnavailable)))
              << file << " byte " << at;
          ++*found;
        }
        Restore(sound);
      }
    }
  }

  LogRig rig_;
  std::vector<StoredBatch> content_;
};

TEST_F(LogDamageTest, DetectsFlippedBitsInTables) {
  Fill();
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  int found = 0;
  FlipBits(".sst", 23, &found);
  EXPECT_GT(found, 50 / kStride);
}

// Much damage at once, so that whatever the start reads of a table is damaged. RocksDB's own error
// names the manifest, for some of it.
TEST_F(LogDamageTest, NamesDamagedTable) {
  Fill();
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  rig_.Close();
  const auto sound = Snapshot();
  const std::vector<std::string> tables = FilesNamed(".sst");
  ASSERT_FALSE(tables.empty());
  for (const std::string& table : tables) {
    int refused = 0;
    for (size_t period : {16, 64}) {
      for (size_t first = 0; first < period; ++first) {
        std::string damaged = sound.at(table);
        for (size_t at = first; at < damaged.size(); at += period) {
          damaged[at] = static_cast<char>(~damaged[at]);
        }
        rig_.disk.WriteFile(table, damaged);
        const absl::Status opened = rig_.Open();
        if (!opened.ok()) {
          ++refused;
          EXPECT_THAT(opened, StatusIs(StatusCode::kDataLoss, table.substr(table.rfind('/') + 1)))
              << "each byte at " << first << " modulo " << period;
        }
        Restore(sound);
      }
    }
    EXPECT_GT(refused, 0) << table;
  }
}

TEST_F(LogDamageTest, DetectsFlippedBitsInBlobs) {
  Fill();
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  ASSERT_THAT(FilesNamed(".blob"), SizeIs(1));
  int found = 0;
  FlipBits(".blob", 101, &found);
  EXPECT_GT(found, 50 / kStride);
}

// The check of the log repeats what RocksDB's own reader knows about the format. Before changing
// this number, compare storage/wal_check.cc with db/log_format.h and db/log_reader.cc of that
// version.
TEST(LogFormatTest, MatchesLinkedRocksDb) {
  EXPECT_EQ(absl::StrCat(ROCKSDB_MAJOR, ".", ROCKSDB_MINOR), "7.8");
  EXPECT_EQ(rocksdb::GetRocksVersionAsString(), absl::StrCat("7.8.", ROCKSDB_PATCH));
}

// Record types of other versions and settings: 5 to 8 in recycled files, 9 compressed, 10 and above
// later.
TEST_F(LogDamageTest, NamesUnknownRecordType) {
  Fill();
  rig_.Close();
  const std::string log = LogFile();
  const std::string sound = rig_.disk.ReadFile(log);
  for (const uint8_t type : {5, 8, 9, 10, 129}) {
    std::string record(1, static_cast<char>(type));
    record += "sixteen bytes...";
    const uint32_t sum = rocksdb::crc32c::Extend(0, record.data(), record.size());
    std::string header;
    AppendLittle32(&header, (sum >> 15 | sum << 17) + 0xa282ead8);
    header += std::string("\x10\x00", 2);
    for (const std::string& file : {sound + header + record, header + record + sound}) {
      rig_.disk.WriteFile(log, file);
      const absl::Status opened = rig_.Open();
      EXPECT_THAT(opened, StatusIs(StatusCode::kFailedPrecondition)) << int{type};
      EXPECT_THAT(
          std::string(opened.message()),
          AllOf(HasSubstr(log.substr(log.rfind('/'))),
                HasSubstr(absl::StrCat("a record of type ", type)), HasSubstr("RocksDB 7.8")));
      rig_.Close();
    }
  }
}

// RocksDB takes a record of another type for the end of the log, whatever its checksum.
TEST_F(LogDamageTest, DetectsDamagedRecordType) {
  Fill();
  rig_.Close();
  const std::string sound = rig_.disk.ReadFile(LogFile());
  for (int bit = 0; bit < 8; ++bit) {
    std::string damaged = sound;
    damaged[6] ^= static_cast<char>(1 << bit);
    ExpectRefused(damaged, absl::StrCat("bit ", bit));
  }
}

TEST_F(LogDamageTest, DetectsFlippedBitsInLog) {
  Fill();
  // The last write may be mistaken for one that a crash cut short; earlier ones may not.
  ASSERT_THAT(rig_.Append(rig_.log(), "last", 1, /*synced=*/true), IsOk());
  rig_.Close();
  const auto sound = Snapshot();
  const std::string& log = sound.at(LogFile());
  const size_t last_write = log.rfind("last") - 120;  // Its header is within this range.
  for (size_t at = 0; at < last_write; at += kStride * (at < 250 ? 1 : 197)) {
    std::string damaged = log;
    damaged[at] ^= static_cast<char>(1 << at % 8);
    ExpectRefused(damaged, absl::StrCat("byte ", at));
    Restore(sound);
  }
}

TEST_F(LogDamageTest, DetectsZeroedBytesInLog) {
  Fill();
  rig_.Close();
  const auto sound = Snapshot();
  const std::string& log = sound.at(LogFile());
  for (size_t at = 0; at + 600 < log.size(); at += kStride * 211) {
    std::string damaged = log;
    damaged.replace(at, 512, 512, '\0');
    ExpectRefused(damaged, absl::StrCat("bytes from ", at));
    Restore(sound);
  }
}

// Writes that span many blocks, each of which is damaged once.
TEST_F(LogDamageTest, DetectsDamageInEveryBlock) {
  ASSERT_THAT(rig_.Open(), IsOk());
  for (uint64_t i = 0; i < 12; ++i) {
    ASSERT_THAT(rig_.Append(rig_.log(), Payload(i, 32'768 * (i % 3) + 32'700 + i), 1, true),
                IsOk());
  }
  rig_.Close();
  const auto sound = Snapshot();
  const std::string& log = sound.at(LogFile());
  for (size_t block = 0; block + 4 * 32'768 < log.size(); block += 32'768) {
    for (const size_t at : {4, 5, 6, 20'000}) {
      std::string damaged = log;
      damaged[block + at] ^= static_cast<char>(0x40);
      ExpectRefused(damaged, absl::StrCat("block ", block, " byte ", at));
      Restore(sound);
    }
    std::string damaged = log;
    damaged.replace(block, 4096, 4096, '\0');
    ExpectRefused(damaged, absl::StrCat("page ", block));
    Restore(sound);
  }
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(rig_.log().end(), Offset(12));
}

TEST_F(LogDamageTest, TruncatesTornTail) {
  Fill();
  rig_.Close();
  const auto sound = Snapshot();
  const std::string& log = sound.at(LogFile());
  for (size_t size = log.size(); (size -= kStride * 3) > log.size() - 400;) {
    rig_.disk.WriteFile(LogFile(), log.substr(0, size));
    ASSERT_THAT(rig_.Open(), IsOk()) << size;
    const auto read = rig_.Read(rig_.log());
    ASSERT_THAT(read, IsOk()) << size;
    // Whole batches, from the first one.
    ASSERT_LT(read->size(), content_.size());
    ASSERT_GE(read->size(), 3u);
    EXPECT_TRUE(std::equal(read->begin(), read->end(), content_.begin())) << size;
    EXPECT_EQ(rig_.log().end(), Offset(static_cast<int64_t>(read->size()) * 2));
    Restore(sound);
  }
}

TEST_F(LogDamageTest, TruncatedTailStaysTruncated) {
  Fill();
  rig_.Close();
  const std::string log = rig_.disk.ReadFile(LogFile());
  rig_.disk.WriteFile(LogFile(), log.substr(0, log.size() - 10));
  content_.pop_back();
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Append(rig_.log(), "more", 1, /*synced=*/true), IsOk());
    const auto read = rig_.Read(rig_.log());
    ASSERT_THAT(read, IsOk());
    content_.push_back(read->back());
    EXPECT_EQ(*read, content_);
    rig_.Close();
  }
}

// A crash of the machine may keep a later file and lose the end of an earlier one.
TEST_F(LogDamageTest, DetectsGapBetweenLogFiles) {
  Fill();
  rig_.Close();
  const std::string first = LogFile();
  const std::string log = rig_.disk.ReadFile(first);
  ASSERT_THAT(rig_.Open(), IsOk());
  ASSERT_THAT(rig_.Append(rig_.log(), "more", 1, /*synced=*/true), IsOk());
  rig_.Close();
  rig_.disk.WriteFile(first, log.substr(0, log.size() - 10));
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kDataLoss, "is damaged"));
}

TEST_F(LogDamageTest, TruncatesAtDamageOnRequest) {
  Fill();
  rig_.Close();
  const auto sound = Snapshot();
  std::string damaged = sound.at(LogFile());
  const size_t at = damaged.find(content_[1].events);
  ASSERT_NE(at, std::string::npos);
  damaged[at] ^= 1;
  ExpectRefused(damaged, "the second write");

  rig_.options.drop_after_damage = true;
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(rig_.log().end(), Offset(2));
  ASSERT_THAT(rig_.Append(rig_.log(), "more", 1, /*synced=*/true), IsOk());
  content_.resize(1);
  content_.push_back(rig_.Read(rig_.log()).value().back());
  // The damage is permanently removed.
  rig_.options.drop_after_damage = false;
  rig_.Reopen();
  EXPECT_EQ(rig_.Read(rig_.log()).value(), content_);
}

TEST_F(LogDamageTest, DetectsMissingFiles) {
  Fill();
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  rig_.Close();
  const auto sound = Snapshot();
  for (const char* suffix : {".sst", ".blob"}) {
    for (const std::string& file : FilesNamed(suffix)) {
      rig_.disk.DeleteFile(file);
      EXPECT_FALSE(OpenAndRead().ok()) << file;
      Restore(sound);
    }
  }
  EXPECT_EQ(OpenAndRead().value(), content_);
}

// Several log files, each still needed by some column: as after a crash while tables are being
// written.
class OlderLogTest : public LogDamageTest {
 protected:
  void FillTwoLogs() {
    rig_.options.write_buffer_bytes = 64 << 10;
    ASSERT_THAT(rig_.Open(), IsOk());
    rig_.disk.HoldSyncs(".sst");
    while (FilesNamed(".log").size() < 2) {
      ASSERT_THAT(rig_.Append(rig_.log(), Payload(seed_++, 8000), 1, /*synced=*/true), IsOk());
    }
    // This sync covers both files.
    ASSERT_THAT(rig_.Append(rig_.log(), "last", 1, /*synced=*/true), IsOk());
    content_ = rig_.Read(rig_.log()).value();
    rig_.disk.Cut();
    rig_.disk.ReleaseSyncs();
    rig_.Close();
    rig_.disk.Forget();
    older_ = FilesNamed(".log")[0];
    ASSERT_GT(rig_.disk.ReadFile(older_).size(), 60'000u);
  }

  uint64_t seed_ = 0;
  std::string older_;
};

TEST_F(OlderLogTest, IsReadAfterCrash) {
  FillTwoLogs();
  EXPECT_EQ(OpenAndRead().value(), content_);
}

TEST_F(OlderLogTest, NamesDamagedLog) {
  FillTwoLogs();
  std::string damaged = rig_.disk.ReadFile(older_);
  const size_t at = damaged.find(content_[2].events.substr(100, 100));
  ASSERT_NE(at, std::string::npos);
  damaged[at] ^= 1;
  rig_.disk.WriteFile(older_, damaged);
  const absl::Status refused = rig_.Open();
  EXPECT_THAT(refused, StatusIs(StatusCode::kDataLoss, older_));
  EXPECT_THAT(refused, StatusIs(StatusCode::kDataLoss, "--drop_after_damage"));

  // The suggested remedy works: no table is ahead of the log.
  rig_.options.drop_after_damage = true;
  ASSERT_THAT(rig_.Open(), IsOk());
  content_.resize(2);
  EXPECT_EQ(rig_.Read(rig_.log()).value(), content_);
  ASSERT_THAT(rig_.Append(rig_.log(), "more", 1, /*synced=*/true), IsOk());
  rig_.options.drop_after_damage = false;
  rig_.Reopen();
  EXPECT_EQ(rig_.log().end(), Offset(3));
}

// The events of both logs are in tables, but their index is not: the writes after the damage can no
// longer be dropped.
TEST_F(OlderLogTest, RequiresBackupWhenTablesAreAhead) {
  rig_.options.write_buffer_bytes = 64 << 10;
  ASSERT_THAT(rig_.Open(), IsOk());
  while (FilesNamed(".log").size() < 4 || FilesNamed(".sst").size() < 2) {
    ASSERT_THAT(rig_.Append(rig_.log(), Payload(seed_++, 8000), 1, /*synced=*/true), IsOk());
  }
  rig_.Close();
  older_ = FilesNamed(".log")[0];
  std::string damaged = rig_.disk.ReadFile(older_);
  ASSERT_GT(damaged.size(), 60'000u);
  damaged[30'000] ^= 1;
  rig_.disk.WriteFile(older_, damaged);
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kDataLoss, older_));

  rig_.options.drop_after_damage = true;
  const absl::Status refused = rig_.Open();
  EXPECT_THAT(refused, StatusIs(StatusCode::kDataLoss, "restore a backup"));
  EXPECT_THAT(refused.message(), testing::Not(testing::HasSubstr("--drop_after_damage")));
}

TEST_F(OlderLogTest, RejectsMissingOrEmptyLog) {
  FillTwoLogs();
  const std::string sound = rig_.disk.ReadFile(older_);
  const std::string name = older_.substr(older_.rfind('/') + 1);
  rig_.disk.DeleteFile(older_);
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kDataLoss, name));
  rig_.disk.WriteFile(older_, "");
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kDataLoss, name));
  rig_.disk.WriteFile(older_, sound);
  EXPECT_EQ(OpenAndRead().value(), content_);
}

// A batch that is damaged, or whose file is missing, does not affect others.
TEST_F(LogDamageTest, ReadsIntactBatchesNextToDamagedOne) {
  ASSERT_THAT(rig_.Open(), IsOk());
  for (uint64_t i = 0; i < 6; ++i) {
    ASSERT_THAT(rig_.Append(rig_.log(), Payload(i, 6000 + i), 2, /*synced=*/true), IsOk());
  }
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());
  rig_.Close();
  const auto sound = Snapshot();
  ASSERT_THAT(FilesNamed(".blob"), SizeIs(1));
  const std::string blob = FilesNamed(".blob")[0];
  std::string damaged = sound.at(blob);
  damaged[damaged.find(Payload(3, 6003)) + 1000] ^= 1;
  rig_.disk.WriteFile(blob, damaged);
  ASSERT_THAT(rig_.Open(), IsOk());
  const auto read = [&](int64_t from, std::vector<RecordBatchPtr>* batches) {
    return rig_.store().Read(LogRig::kTopic, PartitionId(0), Offset(from), Offset(12), 1 << 20,
                             batches);
  };
  std::vector<RecordBatchPtr> before;
  ASSERT_THAT(read(0, &before), IsOk());
  ASSERT_THAT(before, SizeIs(3));
  std::vector<RecordBatchPtr> none;
  EXPECT_THAT(read(6, &none), StatusIs(StatusCode::kDataLoss, "offsets 6 to 7"));
  EXPECT_THAT(read(6, &none), StatusIs(StatusCode::kDataLoss, "read on from offset 8"));
  EXPECT_THAT(none, SizeIs(0));
  std::vector<RecordBatchPtr> behind;
  ASSERT_THAT(read(8, &behind), IsOk());
  EXPECT_THAT(behind, SizeIs(2));

  Restore(sound);
  rig_.disk.DeleteFile(blob);
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(read(0, &none), StatusIs(StatusCode::kDataLoss, "missing"));
}

// The log consists of blocks, and a write may begin anywhere in them, even so late that its header
// is split.
TEST_F(LogDamageTest, AcceptsWritesAtEveryBlockOffset) {
  ASSERT_THAT(rig_.Open(), IsOk());
  for (uint64_t i = 0; i < 20'000; ++i) {
    ASSERT_THAT(rig_.Append(rig_.log(), Payload(i, 1 + i % 97), 1, /*synced=*/false), IsOk());
  }
  rig_.Close();
  EXPECT_THAT(OpenAndRead(), IsOk());
}

}  // namespace
}  // namespace eventhub

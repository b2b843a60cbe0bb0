#include "storage/wal_check.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "rocksdb/env.h"
#include "rocksdb/version.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"
#include "storage/rocksdb_status.h"

namespace rocksdb::crc32c {

uint32_t Extend(uint32_t crc, const char* data, size_t size);

}  // namespace rocksdb::crc32c

namespace eventhub {
namespace {

// RocksDB's log format, as version 7.8 writes it without recycled files and without log
// compression: blocks of records, each with a header of checksum, length and type. A write that
// does not fit into a block continues in the next. A write begins with its sequence number and its
// count.
constexpr size_t kBlock = 32768;
constexpr size_t kHeader = 7;
constexpr size_t kWriteHeader = 12;
enum Type : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

// Bytes per read; a multiple of the block size.
constexpr size_t kPiece = 32 * kBlock;

struct Record {
  uint8_t type = 0;
  absl::string_view payload;
};

bool IsKnown(uint8_t type) { return type >= kFull && type <= kLast; }

// Returns the record at `at` of a block, which the end of the file may cut short; nullopt if there
// is no complete record. Its type may be unknown.
std::optional<Record> RecordAt(absl::string_view block, size_t at) {
  if (at + kHeader > block.size()) return std::nullopt;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(block[at + i]); };
  const size_t length = byte(4) | byte(5) << 8;
  if (byte(6) == 0) return std::nullopt;  // Preallocated space that was never written.
  if (at + kHeader + length > block.size()) return std::nullopt;
  return Record{byte(6), block.substr(at + kHeader, length)};
}

bool SumHolds(absl::string_view block, size_t at, const Record& record) {
  const uint32_t masked = LoadLittle32(block.data() + at);
  const uint32_t rotated = masked - 0xa282ead8;
  const uint32_t sum = rotated >> 17 | rotated << 15;
  return sum ==
         rocksdb::crc32c::Extend(0, block.data() + at + kHeader - 1, record.payload.size() + 1);
}

// Follows the records of one file, which it receives block by block.
class LogFollower {
 public:
  // `sequence` is the sequence number of the first write, if known: from the end of the file
  // `previous`.
  LogFollower(std::string path, std::string previous, std::optional<uint64_t> sequence,
              WalCheck check)
      : path_(std::move(path)),
        previous_(std::move(previous)),
        check_(check),
        sequence_(sequence) {}

  absl::Status Block(absl::string_view block) {
    size_t at = 0;
    size_t behind = 0;  // Where to search for records once they have stopped.
    while (!stopped_ && at < block.size()) {
      if (kBlock - at < kHeader) break;  // Too small for a record: padding.
      const std::optional<Record> record = RecordAt(block, at);
      if (record.has_value() && !IsKnown(record->type) && SumHolds(block, at, *record)) {
        return Unknown(record->type, position_ + at);
      }
      if (!record.has_value() || !IsKnown(record->type) || !Follows(record->type)) {
        stopped_ = true;
        behind = at + 1;
        break;
      }
      if (check_ == WalCheck::kWithSums && !SumHolds(block, at, *record)) {
        return Damaged(position_ + at + kHeader + record->payload.size());
      }
      RETURN_IF_ERROR(Take(*record, position_ + at));
      at += kHeader + record->payload.size();
    }
    if (stopped_) RETURN_IF_ERROR(LookBehindStop(block, behind));
    position_ += block.size();
    return absl::OkStatus();
  }

  // Returns whether the file ends within a write. Call after all blocks.
  bool torn() const { return stopped_ || within_write_; }
  // The sequence number expected of the next write; nullopt until a write was seen.
  std::optional<uint64_t> sequence() const { return sequence_; }

 private:
  bool Follows(uint8_t type) const { return within_write_ == (type == kMiddle || type == kLast); }

  absl::Status Take(const Record& record, size_t position) {
    within_write_ = record.type == kFirst || record.type == kMiddle;
    if (record.type == kFull || record.type == kFirst) header_.clear();
    // Near the end of a block even the header of a write may be split.
    const size_t missing = kWriteHeader - header_.size();
    if (missing > 0) {
      const absl::string_view part = record.payload.substr(0, missing);
      header_.append(part.data(), part.size());
      if (header_.size() == kWriteHeader && sequence_.has_value() &&
          LoadLittle64(header_.data()) != *sequence_) {
        return any_write_ ? Damaged(position) : NotContinued();
      }
    }
    if (within_write_) return absl::OkStatus();
    if (header_.size() < kWriteHeader) return Damaged(position);
    any_write_ = true;
    // Only a complete write counts: the sequence number of a torn one is reused.
    sequence_ = LoadLittle64(header_.data()) + LoadLittle32(header_.data() + 8);
    return absl::OkStatus();
  }

  absl::Status LookBehindStop(absl::string_view block, size_t from) {
    for (size_t at = from; at < block.size(); ++at) {
      const std::optional<Record> record = RecordAt(block, at);
      if (record.has_value() && IsKnown(record->type) && !record->payload.empty() &&
          SumHolds(block, at, *record)) {
        return Damaged(position_ + at);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Unknown(uint8_t type, size_t position) const {
    return absl::FailedPreconditionError(
        absl::StrCat("the log file ", path_, " has a record of type ", type, " at byte ", position,
                     ", which this version, with RocksDB ", ROCKSDB_MAJOR, ".", ROCKSDB_MINOR,
                     ", does not know; start the version of the hub that wrote it"));
  }

  absl::Status Damaged(size_t position) const {
    return DataLoss(absl::StrCat("the log file ", path_, " is damaged before byte ", position));
  }
  absl::Status NotContinued() const {
    return DataLoss(absl::StrCat("the log file ", previous_, " is damaged: ", path_,
                                 " continues what it does not have"));
  }
  static absl::Status DataLoss(const std::string& damage) {
    return absl::DataLossError(
        absl::StrCat(damage,
                     "; start the hub with --drop_after_damage to drop everything after it, or "
                     "restore a backup"));
  }

  const std::string path_;
  const std::string previous_;
  const WalCheck check_;
  size_t position_ = 0;  // Of the block.
  std::optional<uint64_t> sequence_;
  std::string header_;      // The bytes seen so far of the current write's header.
  bool any_write_ = false;  // A complete one was seen.
  bool within_write_ = false;
  bool stopped_ = false;
};

absl::Status Follow(rocksdb::Env* env, const std::string& path, LogFollower* follower) {
  std::unique_ptr<rocksdb::SequentialFile> file;
  RETURN_IF_ERROR(FromRocksDb(env->NewSequentialFile(path, &file, rocksdb::EnvOptions()),
                              absl::StrCat("open ", path)));
  const auto buffer = std::make_unique<char[]>(kPiece);
  for (;;) {
    rocksdb::Slice read;
    RETURN_IF_ERROR(
        FromRocksDb(file->Read(kPiece, &read, buffer.get()), absl::StrCat("read ", path)));
    absl::string_view rest(read.data(), read.size());
    while (!rest.empty()) {
      const absl::string_view block = rest.substr(0, kBlock);
      RETURN_IF_ERROR(follower->Block(block));
      rest.remove_prefix(block.size());
    }
    if (read.size() < kPiece) return absl::OkStatus();
  }
}

}  // namespace

absl::Status CheckWriteAheadLog(rocksdb::Env* env, const std::string& directory, WalCheck check) {
  std::vector<std::string> children;
  if (env->FileExists(directory).IsNotFound()) return absl::OkStatus();
  RETURN_IF_ERROR(
      FromRocksDb(env->GetChildren(directory, &children), absl::StrCat("list ", directory)));
  std::vector<std::pair<uint64_t, std::string>> files;
  for (const std::string& child : children) {
    uint64_t number = 0;
    if (absl::EndsWith(child, ".log") &&
        absl::SimpleAtoi(absl::StripSuffix(child, ".log"), &number)) {
      files.emplace_back(number, absl::StrCat(directory, "/", child));
    }
  }
  std::sort(files.begin(), files.end());
  // Data lost at the end of a file leaves a gap in the sequence before the next file. A gap after a
  // complete file may come from obsolete files that are being deleted.
  std::optional<uint64_t> sequence;
  std::string previous;
  for (const auto& [number, path] : files) {
    LogFollower follower(path, previous, sequence, check);
    RETURN_IF_ERROR(Follow(env, path, &follower));
    sequence = follower.torn() ? follower.sequence() : std::nullopt;
    previous = path;
  }
  return absl::OkStatus();
}

}  // namespace eventhub

#include "client/outbox/spool.h"

#include <sys/stat.h>

#include <filesystem>
#include <limits>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"
#include "storage/base/status_macros.h"

namespace eventhub::client::outbox {
namespace {

constexpr size_t kWriteBufferBytes = size_t{16} << 20;
constexpr uint64_t kMaxLogBytes = uint64_t{64} << 20;
constexpr size_t kCacheBytes = size_t{8} << 20;
// Larger values go to blob files, which no compaction copies.
constexpr uint64_t kMinBlobBytes = 1024;
constexpr uint64_t kBlobFileBytes = uint64_t{64} << 20;

rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Without a logger, RocksDB writes log files beside the data.
class NoLogger final : public rocksdb::Logger {
 public:
  NoLogger() : Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  void Logv(const char*, va_list) override {}

 protected:
  rocksdb::Status CloseImpl() override { return rocksdb::Status::OK(); }
};

// Translates every status of RocksDB.
absl::Status ToStatus(const rocksdb::Status& status, const std::string& directory) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat("outbox ", directory, ": ", status.ToString());
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit) {
    return absl::ResourceExhaustedError(message);
  }
  // A missing file is damage, too: RocksDB names only files that it wrote.
  if (status.IsCorruption() || status.IsPathNotFound()) return absl::DataLossError(message);
  return absl::UnavailableError(message);
}

// The same for Open, where a lock that is taken has no code of its own.
absl::Status ToOpenStatus(const rocksdb::Status& status, const std::string& directory) {
  const std::string text = status.ToString();
  if (status.IsIOError() &&
      (absl::StrContains(text, "lock hold by") || absl::StrContains(text, "While lock file"))) {
    return absl::FailedPreconditionError(
        absl::StrCat("the outbox ", directory, " is in use by another process"));
  }
  if (status.IsInvalidArgument()) {
    return absl::FailedPreconditionError(absl::StrCat(directory, " is not an outbox: ", text));
  }
  return ToStatus(status, directory);
}

rocksdb::DBOptions MakeDbOptions() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_total_wal_size = kMaxLogBytes;
  // The records behind a damaged one are still good; Load finds out which events are missing.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
  options.avoid_flush_during_recovery = true;
  options.allow_concurrent_memtable_write = false;
  options.enable_write_thread_adaptive_yield = false;
  options.wal_bytes_per_sync = uint64_t{1} << 20;
  options.bytes_per_sync = uint64_t{1} << 20;
  options.info_log = std::make_shared<NoLogger>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> MakeColumns() {
  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.block_cache = rocksdb::NewLRUCache(kCacheBytes);
  table.cache_index_and_filter_blocks = true;
  rocksdb::ColumnFamilyOptions small;
  small.write_buffer_size = kWriteBufferBytes;
  small.compression = rocksdb::kNoCompression;
  // Without this, RocksDB 7.8 may move a table to a level that a running compaction writes to.
  small.compression_per_level = {rocksdb::kNoCompression};
  small.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::ColumnFamilyOptions events = small;
  events.max_write_buffer_number = 4;
  events.enable_blob_files = true;
  events.min_blob_size = kMinBlobBytes;
  events.blob_file_size = kBlobFileBytes;
  return {{rocksdb::kDefaultColumnFamilyName, small},
          {"index", small},
          {"events", events},
          {"refused", small}};
}

// Whether there is a RocksDB instance.
bool HasStore(const std::string& directory) {
  std::error_code ignored;
  return std::filesystem::exists(directory + "/CURRENT", ignored);
}

std::string NewProducer() {
  absl::BitGen random;
  return absl::StrFormat("outbox-%016x%016x", absl::Uniform<uint64_t>(random),
                         absl::Uniform<uint64_t>(random));
}

}  // namespace

SpoolChange::SpoolChange() = default;
SpoolChange::~SpoolChange() = default;

void SpoolChange::PutTopic(TopicNumber topic, const TopicRecord& record) {
  changes_.push_back({Column::kTopics, TopicKey(topic), Encode(record)});
}

void SpoolChange::PutPart(const PartKey& key, const PartHeader& header, std::string_view events) {
  changes_.push_back({Column::kIndex, Encode(key), Encode(header)});
  changes_.push_back({Column::kEvents, Encode(key), {}, events});
}

void SpoolChange::DeleteRequests(TopicNumber topic, uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  for (const Column column : {Column::kIndex, Column::kEvents}) {
    changes_.push_back({column,
                        Encode(PartKey{topic, begin, 0}),
                        Encode(PartKey{topic, end, 0}),
                        {},
                        /*is_delete=*/true});
  }
}

void SpoolChange::PutRefused(TopicNumber topic, uint64_t serial, const RefusedRecord& record) {
  changes_.push_back({Column::kRefused, RefusedKey(topic, serial), Encode(record)});
}

void SpoolChange::DeleteRefused(TopicNumber topic, uint64_t before) {
  changes_.push_back({Column::kRefused,
                      RefusedKey(topic, 0),
                      RefusedKey(topic, before),
                      {},
                      /*is_delete=*/true});
}

Spool::Spool(std::string directory, std::unique_ptr<rocksdb::DB> db, Columns columns)
    : directory_(std::move(directory)), db_(std::move(db)), columns_(columns) {}

Spool::~Spool() {
  for (rocksdb::ColumnFamilyHandle* column :
       {columns_.topics, columns_.index, columns_.events, columns_.refused}) {
    db_->DestroyColumnFamilyHandle(column).PermitUncheckedError();
  }
  db_->Close().PermitUncheckedError();
}

absl::StatusOr<std::unique_ptr<Spool>> Spool::OpenDb(const std::string& directory, bool read_only) {
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened =
      read_only
          ? rocksdb::DB::OpenForReadOnly(MakeDbOptions(), directory, MakeColumns(), &handles, &db)
          : rocksdb::DB::Open(MakeDbOptions(), directory, MakeColumns(), &handles, &db);
  if (!opened.ok()) return ToOpenStatus(opened, directory);
  return std::unique_ptr<Spool>(new Spool(directory, std::unique_ptr<rocksdb::DB>(db),
                                          {handles[0], handles[1], handles[2], handles[3]}));
}

absl::StatusOr<std::unique_ptr<Spool>> Spool::Open(const std::string& directory) {
  if (!HasStore(directory)) {
    std::error_code error;
    std::filesystem::create_directory(directory, error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("cannot create the outbox ", directory, ": ", error.message()));
    }
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Spool> spool, OpenDb(directory, /*read_only=*/false));
  RETURN_IF_ERROR(spool->Identify(/*read_only=*/false));
  return spool;
}

absl::StatusOr<std::unique_ptr<Spool>> Spool::OpenForReading(const std::string& directory) {
  if (!HasStore(directory)) {
    return absl::NotFoundError(absl::StrCat("there is no outbox in ", directory));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Spool> spool, OpenDb(directory, /*read_only=*/true));
  RETURN_IF_ERROR(spool->Identify(/*read_only=*/true));
  return spool;
}

absl::Status Spool::Identify(bool read_only) {
  std::string value;
  const rocksdb::Status found =
      db_->Get(rocksdb::ReadOptions(), columns_.topics, ToSlice(kOutboxKey), &value);
  if (found.ok()) {
    OutboxRecord record;
    RETURN_IF_ERROR(Decode(value, record));
    producer_ = std::move(record.producer);
    return absl::OkStatus();
  }
  if (!found.IsNotFound()) return ToStatus(found, directory_);
  // A crash may come between the creation of the store and its name, but what has topics had one.
  bool empty = true;
  RETURN_IF_ERROR(Scan(columns_.topics, "", "", [&](std::string_view, std::string_view) {
    empty = false;
    return absl::OkStatus();
  }));
  if (!empty) {
    return absl::DataLossError(absl::StrCat("outbox ", directory_, ": its name is missing"));
  }
  producer_ = NewProducer();
  if (read_only) return absl::OkStatus();
  rocksdb::WriteOptions options;
  options.sync = true;
  return ToStatus(
      db_->Put(options, columns_.topics, ToSlice(kOutboxKey), Encode(OutboxRecord{producer_})),
      directory_);
}

absl::Status Spool::Scan(
    rocksdb::ColumnFamilyHandle* column, const std::string& begin, const std::string& end,
    absl::FunctionRef<absl::Status(std::string_view key, std::string_view value)> visit) const {
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  if (!end.empty()) options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options, column));
  for (at->Seek(begin); at->Valid(); at->Next()) {
    RETURN_IF_ERROR(visit(ToView(at->key()), ToView(at->value())));
  }
  return ToStatus(at->status(), directory_);
}

absl::StatusOr<std::vector<StoredTopic>> Spool::Load() const {
  std::vector<StoredTopic> topics;
  RETURN_IF_ERROR(LoadTopics(topics));
  for (StoredTopic& topic : topics) {
    RETURN_IF_ERROR(LoadRequests(topic));
    RETURN_IF_ERROR(
        ForEachRefused(topic.number, [&topic](uint64_t serial, const RefusedRecord& record) {
          ++topic.refused_events;
          topic.refused_bytes += record.event.size();
          topic.next_refused = serial + 1;
          return absl::OkStatus();
        }));
  }
  return topics;
}

absl::Status Spool::LoadTopics(std::vector<StoredTopic>& topics) const {
  return Scan(columns_.topics, TopicKey(0), "",
              [&topics](std::string_view key, std::string_view value) -> absl::Status {
                StoredTopic& topic = topics.emplace_back();
                ASSIGN_OR_RETURN(topic.number, ParseTopicKey(key));
                return Decode(value, topic.record);
              });
}

absl::Status Spool::LoadRequests(StoredTopic& topic) const {
  uint64_t expected = topic.record.head_event;
  RETURN_IF_ERROR(Scan(columns_.index, Encode(PartKey{topic.number, topic.record.head, 0}),
                       Encode(PartKey{topic.number, std::numeric_limits<uint64_t>::max(), 0}),
                       [&](std::string_view key_bytes, std::string_view value) -> absl::Status {
                         ASSIGN_OR_RETURN(const PartKey key, ParsePartKey(key_bytes));
                         PartHeader header;
                         RETURN_IF_ERROR(Decode(value, header));
                         if (header.first_event > expected) {
                           topic.lost_events += header.first_event - expected;
                         }
                         expected = header.first_event + header.span;
                         if (topic.requests.empty() ||
                             topic.requests.back().number != key.request) {
                           topic.requests.push_back({.number = key.request,
                                                     .first_event = header.first_event,
                                                     .accepted = header.accepted});
                         }
                         StoredRequest& request = topic.requests.back();
                         request.span = expected - request.first_event;
                         request.events += header.events;
                         request.bytes += header.bytes;
                         request.parts = key.part + 1;
                         return absl::OkStatus();
                       }));
  if (topic.record.next_event > expected) {
    topic.lost_events += topic.record.next_event - expected;
  }
  topic.record.next_event = std::max(topic.record.next_event, expected);
  return absl::OkStatus();
}

rocksdb::ColumnFamilyHandle* Spool::Handle(SpoolChange::Column column) const {
  switch (column) {
    case SpoolChange::Column::kTopics:
      return columns_.topics;
    case SpoolChange::Column::kIndex:
      return columns_.index;
    case SpoolChange::Column::kEvents:
      return columns_.events;
    case SpoolChange::Column::kRefused:
      return columns_.refused;
  }
  return nullptr;
}

absl::Status Spool::Write(const SpoolChange& change, bool sync) {
  size_t bytes = 0;
  for (const SpoolChange::One& one : change.changes_) {
    bytes += one.key.size() + one.value.size() + one.events.size() + 16;
  }
  rocksdb::WriteBatch batch(bytes + 16);
  for (const SpoolChange::One& one : change.changes_) {
    rocksdb::ColumnFamilyHandle* const column = Handle(one.column);
    const rocksdb::Status added =
        one.is_delete
            ? batch.DeleteRange(column, one.key, one.value)
            : batch.Put(column, one.key,
                        one.events.empty() ? rocksdb::Slice(one.value) : ToSlice(one.events));
    if (!added.ok()) return ToStatus(added, directory_);
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  return ToStatus(db_->Write(options, &batch), directory_);
}

absl::StatusOr<std::vector<StoredPart>> Spool::ReadParts(TopicNumber topic,
                                                         uint64_t request) const {
  std::vector<StoredPart> parts;
  RETURN_IF_ERROR(Scan(
      columns_.index, Encode(PartKey{topic, request, 0}), Encode(PartKey{topic, request + 1, 0}),
      [&](std::string_view key, std::string_view value) -> absl::Status {
        StoredPart& part = parts.emplace_back();
        RETURN_IF_ERROR(Decode(value, part.header));
        const auto events = std::make_shared<rocksdb::PinnableSlice>();
        const rocksdb::Status read =
            db_->Get(rocksdb::ReadOptions(), columns_.events, ToSlice(key), events.get());
        // An index entry without events is damage as well.
        if (read.IsNotFound() || (read.ok() && events->size() != part.header.bytes)) {
          part.events =
              absl::DataLossError(absl::StrCat("outbox ", directory_, ": the events of request ",
                                               request, " are not as long as its index says"));
        } else if (!read.ok()) {
          part.events = ToStatus(read, directory_);
        } else {
          part.events = Bytes{ToView(*events), events};
        }
        return absl::OkStatus();
      }));
  return parts;
}

absl::Status Spool::ForEachRefused(
    TopicNumber topic,
    absl::FunctionRef<absl::Status(uint64_t serial, const RefusedRecord& record)> visit) const {
  return Scan(columns_.refused, RefusedKey(topic, 0),
              RefusedKey(topic, std::numeric_limits<uint64_t>::max()),
              [&](std::string_view key_bytes, std::string_view value) -> absl::Status {
                ASSIGN_OR_RETURN(const ParsedRefusedKey key, ParseRefusedKey(key_bytes));
                RefusedRecord record;
                RETURN_IF_ERROR(Decode(value, record));
                return visit(key.serial, record);
              });
}

absl::StatusOr<std::vector<StoredRefused>> Spool::ReadRefused(TopicNumber topic,
                                                              size_t max_bytes) const {
  std::vector<StoredRefused> found;
  size_t bytes = 0;
  const absl::Status enough = absl::CancelledError("enough");
  const absl::Status status =
      ForEachRefused(topic, [&](uint64_t serial, const RefusedRecord& record) {
        bytes += record.event.size();
        if (!found.empty() && bytes > max_bytes) return enough;
        found.push_back({serial, record});
        return absl::OkStatus();
      });
  if (!status.ok() && status != enough) return status;
  return found;
}

void Spool::Reclaim() {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  for (rocksdb::ColumnFamilyHandle* column : {columns_.index, columns_.events}) {
    // A failure leaves the space in use, until the next time.
    db_->CompactRange(options, column, nullptr, nullptr).PermitUncheckedError();
  }
}

}  // namespace eventhub::client::outbox

#include "storage/log_store.h"

#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"
#include "storage/rocksdb_status.h"
#include "storage/wal_check.h"

namespace eventhub {
namespace {

constexpr int kFormat = 1;
constexpr char kFormatFile[] = "/EVENTHUB_FORMAT";
constexpr char kLockFile[] = "/LOCK";
constexpr char kDbDirectory[] = "/log";

// Below this a value stays beside its key: a blob has a fixed cost of a record and a look-up.
constexpr uint64_t kMinBlobBytes = 4096;

// Trimmed data in blob files that also hold live data is returned once it is this share of all.
constexpr double kGarbageShare = 0.5;
constexpr uint64_t kMinGarbageBytes = uint64_t{64} << 20;

rocksdb::Slice ToSlice(absl::string_view view) { return {view.data(), view.size()}; }
absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

rocksdb::Env* EnvOf(const LogStoreOptions& options) {
  return options.env != nullptr ? options.env : rocksdb::Env::Default();
}

absl::Status SyncDirectory(rocksdb::Env* env, const std::string& directory) {
  std::unique_ptr<rocksdb::Directory> handle;
  RETURN_IF_ERROR(FromRocksDb(env->NewDirectory(directory, &handle),
                              absl::StrCat("open directory ", directory)));
  return FromRocksDb(handle->Fsync(), absl::StrCat("sync directory ", directory));
}

// Makes the data directory if there is none.
absl::Status MakeDirectory(rocksdb::Env* env, const std::string& directory) {
  if (!env->FileExists(directory).IsNotFound()) return absl::OkStatus();
  RETURN_IF_ERROR(FromRocksDb(env->CreateDirIfMissing(directory),
                              absl::StrCat("create data directory ", directory)));
  const std::filesystem::path parent = std::filesystem::path(directory).parent_path();
  return SyncDirectory(env, parent.empty() ? "." : parent.string());
}

// The format is in a file of its own, so that a newer store is refused before anything of it is
// opened. Returns false if there is neither a format nor a log.
absl::StatusOr<bool> CheckFormat(rocksdb::Env* env, const std::string& directory) {
  const std::string path = directory + kFormatFile;
  if (env->FileExists(path).IsNotFound()) {
    if (env->FileExists(directory + kDbDirectory).IsNotFound()) return false;
    return absl::DataLossError(absl::StrCat(path, " is missing, but the log is there"));
  }
  std::string text;
  RETURN_IF_ERROR(
      FromRocksDb(rocksdb::ReadFileToString(env, path, &text), absl::StrCat("read ", path)));
  int format = 0;
  if (!absl::SimpleAtoi(absl::StripSuffix(text, "\n"), &format) || format < 1) {
    return absl::DataLossError(absl::StrCat(path, " does not hold a format number"));
  }
  if (format > kFormat) {
    return absl::FailedPreconditionError(absl::StrCat("data directory ", directory, " has format ",
                                                      format, "; this hub knows formats up to ",
                                                      kFormat));
  }
  return true;
}

absl::Status WriteFormat(rocksdb::Env* env, const std::string& directory) {
  const std::string path = directory + kFormatFile;
  const std::string temporary = path + ".new";
  RETURN_IF_ERROR(FromRocksDb(
      rocksdb::WriteStringToFile(env, absl::StrCat(kFormat, "\n"), temporary, /*should_sync=*/true),
      absl::StrCat("write ", temporary)));
  RETURN_IF_ERROR(FromRocksDb(env->RenameFile(temporary, path), absl::StrCat("rename to ", path)));
  return SyncDirectory(env, directory);
}

rocksdb::DBOptions MakeDbOptions(const LogStoreOptions& options) {
  rocksdb::DBOptions db;
  db.env = EnvOf(options);
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.max_total_wal_size = options.max_log_bytes;
  db.max_background_jobs = 2;
  db.max_open_files = 1024;
  // Start at once; the memory is bounded by the log's size. But a damaged log has to go, or it
  // would be found damaged again.
  db.avoid_flush_during_recovery = !options.drop_after_damage;
  // RocksDB's own default would drop, without a word, what follows a damaged record in the middle
  // of the log.
  db.wal_recovery_mode = options.drop_after_damage
                             ? rocksdb::WALRecoveryMode::kPointInTimeRecovery
                             : rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // There is one writer, so the machinery for several is only overhead.
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;
  // Where flushing falls behind, writes are slowed to this and not to RocksDB's 16 MB/s. Bytes per
  // second.
  db.delayed_write_rate = uint64_t{256} << 20;
  db.keep_log_file_num = 3;
  db.max_log_file_size = size_t{8} << 20;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  return db;
}

rocksdb::ColumnFamilyOptions MakeSmallColumnOptions() {
  rocksdb::ColumnFamilyOptions column;
  column.write_buffer_size = size_t{16} << 20;
  column.compression = rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  column.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return column;
}

rocksdb::ColumnFamilyOptions MakeEventsColumnOptions(const LogStoreOptions& options) {
  rocksdb::ColumnFamilyOptions column = MakeSmallColumnOptions();
  column.write_buffer_size = options.write_buffer_bytes;
  column.max_write_buffer_number = 4;
  column.level0_slowdown_writes_trigger = 40;
  column.level0_stop_writes_trigger = 60;
  // Small tables: they hold keys, each of which may stand for a large blob that a reclaim has to
  // look at.
  column.target_file_size_base = uint64_t{4} << 20;
  column.enable_blob_files = true;
  column.min_blob_size = kMinBlobBytes;
  column.blob_file_size = uint64_t{128} << 20;
  return column;
}

std::string PartitionEnd(TopicId topic, PartitionId partition) {
  return PrefixEnd(BatchKey(topic, partition, Offset(0)).view().substr(0, 8));
}

struct IndexEntry {
  Offset base;
  BatchHeader header;

  Offset end() const { return base + header.count; }
};

// The entry that `index` is at, which has to hold `offset` of the partition.
absl::StatusOr<IndexEntry> EntryAt(const rocksdb::Iterator& index, TopicId topic,
                                   PartitionId partition, Offset offset) {
  RETURN_IF_ERROR(FromRocksDb(index.status(), "read the index"));
  const BatchKey key(topic, partition, offset);
  if (index.Valid() && ToView(index.key()).substr(0, 8) == key.view().substr(0, 8)) {
    IndexEntry entry{BatchKey::BaseOf(ToView(index.key())), {}};
    ASSIGN_OR_RETURN(entry.header, BatchHeader::Decode(ToView(index.value())));
    if (entry.base <= offset && offset < entry.end()) return entry;
  }
  return absl::NotFoundError(absl::StrCat("no batch holds offset ", offset.value()));
}

absl::StatusOr<IndexEntry> FindBatch(rocksdb::Iterator& index, TopicId topic, PartitionId partition,
                                     Offset offset) {
  index.SeekForPrev(ToSlice(BatchKey(topic, partition, offset).view()));
  return EntryAt(index, topic, partition, offset);
}

void ReleasePinned(void* arg) { delete static_cast<rocksdb::PinnableSlice*>(arg); }

}  // namespace

absl::StatusOr<std::unique_ptr<LogStore>> LogStore::Open(const LogStoreOptions& options) {
  rocksdb::Env* const env = EnvOf(options);
  ASSIGN_OR_RETURN(bool has_format, CheckFormat(env, options.directory));
  RETURN_IF_ERROR(MakeDirectory(env, options.directory));
  std::unique_ptr<LogStore> store(new LogStore(options));
  RETURN_IF_ERROR(store->Lock());
  // Again: who had the lock may have made it meanwhile.
  ASSIGN_OR_RETURN(has_format, CheckFormat(env, options.directory));
  if (!has_format) RETURN_IF_ERROR(WriteFormat(env, options.directory));
  RETURN_IF_ERROR(store->OpenDb());
  return store;
}

// RocksDB has a lock of its own, but rotates its files before it takes it.
absl::Status LogStore::Lock() {
  const std::string path = options_.directory + kLockFile;
  const rocksdb::Status status = EnvOf(options_)->LockFile(path, &lock_);
  // The message alone tells a lock that is held from a file that cannot be opened.
  if (status.IsIOError() && !absl::StrContains(status.ToString(), "open a file for lock")) {
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", options_.directory, " is in use by another process"));
  }
  return FromRocksDb(status, absl::StrCat("lock ", path));
}

absl::Status LogStore::OpenDb() {
  // In the order of Column.
  const std::vector<rocksdb::ColumnFamilyDescriptor> columns = {
      {rocksdb::kDefaultColumnFamilyName, MakeSmallColumnOptions()},
      {"events", MakeEventsColumnOptions(options_)},
      {"index", MakeSmallColumnOptions()},
      {"producers", MakeSmallColumnOptions()},
  };
  const std::string directory = options_.directory + kDbDirectory;
  if (!options_.drop_after_damage) {
    RETURN_IF_ERROR(CheckWriteAheadLog(EnvOf(options_), directory));
  }
  rocksdb::DB* db = nullptr;
  RETURN_IF_ERROR(
      FromRocksDb(rocksdb::DB::Open(MakeDbOptions(options_), options_.directory + kDbDirectory,
                                    columns, &handles_, &db),
                  absl::StrCat("open the log in ", options_.directory)));
  db_.reset(db);
  // RocksDB syncs its directory, but not the entry of it that the first start makes.
  return SyncDirectory(EnvOf(options_), options_.directory);
}

LogStore::LogStore(const LogStoreOptions& options) : options_(options) {}

LogStore::~LogStore() {
  if (db_ != nullptr) {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
    db_.reset();
  }
  if (lock_ != nullptr) EnvOf(options_)->UnlockFile(lock_);
}

absl::Status LogStore::Write(rocksdb::WriteBatch& batch) {
  return FromRocksDb(db_->Write(rocksdb::WriteOptions(), &batch),
                     absl::StrCat("write to the log in ", options_.directory));
}

absl::Status LogStore::Sync() {
  return FromRocksDb(db_->SyncWAL(), absl::StrCat("sync the log in ", options_.directory));
}

absl::Status LogStore::Read(TopicId topic, PartitionId partition, Offset from, Offset end,
                            size_t max_bytes, std::vector<RecordBatchPtr>* out) const {
  const std::unique_ptr<rocksdb::Iterator> index(
      db_->NewIterator(rocksdb::ReadOptions(), handle(Column::kIndex)));
  index->SeekForPrev(ToSlice(BatchKey(topic, partition, from).view()));
  size_t bytes = 0;
  for (Offset next = from; next < end; index->Next()) {
    ASSIGN_OR_RETURN(const IndexEntry entry, EntryAt(*index, topic, partition, next));
    if (bytes > 0 && bytes + entry.header.bytes > max_bytes) break;
    auto batch = std::make_shared<RecordBatch>();
    batch->base = entry.base;
    batch->header = entry.header;
    ASSIGN_OR_RETURN(SharedBytes events, ReadEvents(ToView(index->key()), entry.header));
    batch->chunks.push_back(std::move(events));
    bytes += entry.header.bytes;
    next = entry.end();
    out->push_back(std::move(batch));
  }
  return absl::OkStatus();
}

absl::StatusOr<SharedBytes> LogStore::ReadEvents(absl::string_view key,
                                                 const BatchHeader& header) const {
  auto value = std::make_unique<rocksdb::PinnableSlice>();
  const int64_t base = BatchKey::BaseOf(key).value();
  RETURN_IF_ERROR(FromRocksDb(
      db_->Get(rocksdb::ReadOptions(), handle(Column::kEvents), ToSlice(key), value.get()),
      absl::StrCat("read the batch at offset ", base)));
  if (value->size() != header.bytes) {
    return absl::DataLossError(absl::StrCat("the batch at offset ", base, " has ", value->size(),
                                            " bytes, not ", header.bytes));
  }
  const absl::string_view region = ToView(*value);
  // A value beside its key is pinned in the store's block cache, and readers may hold the bytes for
  // longer than there is a store. A blob is on its own.
  if (region.size() < kMinBlobBytes) return SharedBytes::Copy(region);
  return SharedBytes::Wrap(region, ReleasePinned, value.release());
}

absl::StatusOr<LogBounds> LogStore::Recover(TopicId topic, PartitionId partition) const {
  LogBounds bounds;
  ASSIGN_OR_RETURN(const std::optional<std::string> start,
                   Get(Column::kMeta, LogStartKey(topic, partition)));
  if (start.has_value()) {
    ASSIGN_OR_RETURN(const LogPosition position, LogPosition::Decode(*start));
    bounds.start = bounds.end = position.offset;
    bounds.start_bytes = bounds.end_bytes = position.bytes_before;
  }
  const std::string upper = PartitionEnd(topic, partition);
  const rocksdb::Slice upper_bound = ToSlice(upper);
  const BatchKey first(topic, partition, Offset(0));
  const rocksdb::Slice lower_bound = ToSlice(first.view());
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper_bound;
  options.iterate_lower_bound = &lower_bound;
  const std::unique_ptr<rocksdb::Iterator> index(db_->NewIterator(options, handle(Column::kIndex)));
  index->SeekToLast();
  RETURN_IF_ERROR(FromRocksDb(index->status(), "read the index"));
  if (!index->Valid()) return bounds;
  ASSIGN_OR_RETURN(const BatchHeader last, BatchHeader::Decode(ToView(index->value())));
  bounds.end = BatchKey::BaseOf(ToView(index->key())) + last.count;
  bounds.end_bytes = last.bytes_before + last.bytes;
  bounds.last_append_micros = last.append_micros;
  return bounds;
}

absl::StatusOr<LogPosition> LogStore::SeekBatch(TopicId topic, PartitionId partition,
                                                Offset offset) const {
  const std::unique_ptr<rocksdb::Iterator> index(
      db_->NewIterator(rocksdb::ReadOptions(), handle(Column::kIndex)));
  ASSIGN_OR_RETURN(const IndexEntry entry, FindBatch(*index, topic, partition, offset));
  return LogPosition{entry.base, entry.header.bytes_before};
}

absl::StatusOr<LogPosition> LogStore::SeekTime(TopicId topic, PartitionId partition,
                                               const LogBounds& range, absl::Time time) const {
  const std::unique_ptr<rocksdb::Iterator> index(
      db_->NewIterator(rocksdb::ReadOptions(), handle(Column::kIndex)));
  LogPosition low{range.start, range.start_bytes};
  LogPosition high{range.end, range.end_bytes};
  while (low.offset < high.offset) {
    const Offset middle = low.offset + (high.offset - low.offset) / 2;
    ASSIGN_OR_RETURN(const IndexEntry entry, FindBatch(*index, topic, partition, middle));
    if (entry.header.append_time() < time) {
      low = {entry.end(), entry.header.bytes_before + entry.header.bytes};
    } else {
      high = {entry.base, entry.header.bytes_before};
    }
  }
  return low;
}

absl::StatusOr<std::optional<std::string>> LogStore::Get(Column column,
                                                         absl::string_view key) const {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), handle(column), ToSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  RETURN_IF_ERROR(FromRocksDb(status, "read from the store"));
  return value;
}

absl::Status LogStore::Scan(
    Column column, absl::string_view prefix,
    absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) const {
  const std::string upper = PrefixEnd(prefix);
  const rocksdb::Slice upper_bound = ToSlice(upper);
  rocksdb::ReadOptions options;
  if (!upper.empty()) options.iterate_upper_bound = &upper_bound;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, handle(column)));
  for (it->Seek(ToSlice(prefix)); it->Valid(); it->Next()) {
    if (!visit(ToView(it->key()), ToView(it->value()))) return absl::OkStatus();
  }
  return FromRocksDb(it->status(), "scan the store");
}

uint64_t LogStore::DiskBytes() const {
  rocksdb::Env* const env = EnvOf(options_);
  const std::string directory = options_.directory + kDbDirectory;
  std::vector<rocksdb::Env::FileAttributes> files;
  if (!env->GetChildrenFileAttributes(directory, &files).ok()) return 0;
  uint64_t bytes = 0;
  for (const auto& file : files) bytes += file.size_bytes;
  return bytes;
}

std::optional<uint64_t> LogStore::DiskFreeBytes() const {
  uint64_t bytes = 0;
  if (!EnvOf(options_)->GetFreeSpace(options_.directory, &bytes).ok()) return std::nullopt;
  return bytes;
}

absl::Status LogStore::Reclaim(TopicId topic) {
  const std::string first = TopicPrefix(topic);
  const std::string last = PrefixEnd(first);
  const rocksdb::Slice begin = ToSlice(first);
  const rocksdb::Slice end = ToSlice(last);
  for (const Column column : {Column::kEvents, Column::kIndex}) {
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    RETURN_IF_ERROR(FromRocksDb(db_->CompactRange(options, handle(column), &begin, &end),
                                absl::StrCat("reclaim the space of topic ", topic.value())));
  }
  // The keys are gone; whole files of blobs went with them. What shares files with live data is
  // left.
  uint64_t total = 0;
  uint64_t garbage = 0;
  db_->GetIntProperty(handle(Column::kEvents), rocksdb::DB::Properties::kTotalBlobFileSize, &total);
  db_->GetIntProperty(handle(Column::kEvents), "rocksdb.live-blob-file-garbage-size", &garbage);
  if (garbage < kMinGarbageBytes || garbage < kGarbageShare * total) return absl::OkStatus();
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
  options.blob_garbage_collection_age_cutoff = 1.0;
  return FromRocksDb(db_->CompactRange(options, handle(Column::kEvents), nullptr, nullptr),
                     "move live events out of files of trimmed ones");
}

}  // namespace eventhub

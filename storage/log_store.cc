#include "storage/log_store.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/write_batch.h"
#include "rocksdb/write_buffer_manager.h"
#include "storage/base/status_macros.h"
#include "storage/compaction_room.h"
#include "storage/disk_reserve.h"
#include "storage/fail_stop.h"
#include "storage/key_codec.h"
#include "storage/rocksdb_options.h"
#include "storage/rocksdb_slice.h"
#include "storage/rocksdb_status.h"
#include "storage/table_check.h"
#include "storage/wal_check.h"

namespace eventhub {
namespace {

// Trimmed data in blob files that also hold live data is reclaimed once it exceeds this share of
// all.
constexpr double kGarbageShare = 0.5;
constexpr uint64_t kMinGarbageBytes = uint64_t{64} << 20;

// The bytes of tables that one uninterruptible compaction reads. RocksDB 7.8 can cancel a running
// compaction, but then asserts that each of its output tables has a key, which the unfinished one
// may not.
constexpr uint64_t kPieceBytes = uint64_t{128} << 20;
constexpr uint64_t kMinPieceBytes = uint64_t{4} << 20;  // If the disk is short of space.

// Tables are written to make room if the log is at least this large, and larger than this share of
// the remaining room.
constexpr uint64_t kMinLogBytes = uint64_t{16} << 20;
constexpr uint64_t kLogShare = 2;

absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

std::string PartitionEnd(TopicId topic, PartitionId partition) {
  return PrefixEnd(BatchKey(topic, partition, Offset(0)).view().substr(0, 8));
}

// Returns the entry at the position of `index`, which must hold `offset` of the partition.
absl::StatusOr<BatchInfo> EntryAt(const rocksdb::Iterator& index, TopicId topic,
                                  PartitionId partition, Offset offset) {
  RETURN_IF_ERROR(FromRocksDbRead(index.status(), "read the index"));
  const BatchKey key(topic, partition, offset);
  if (index.Valid() && ToView(index.key()).substr(0, 8) == key.view().substr(0, 8)) {
    BatchInfo entry{BatchKey::BaseOf(ToView(index.key())), {}};
    ASSIGN_OR_RETURN(entry.header, BatchHeader::Decode(ToView(index.value())));
    if (entry.base <= offset && offset < entry.end()) return entry;
  }
  return absl::NotFoundError(absl::StrCat("no batch holds offset ", offset.value()));
}

absl::StatusOr<BatchInfo> SeekBatch(rocksdb::Iterator& index, TopicId topic, PartitionId partition,
                                    Offset offset) {
  index.SeekForPrev(ToSlice(BatchKey(topic, partition, offset).view()));
  return EntryAt(index, topic, partition, offset);
}

// The same, after a look-up of the batch before it: `follows`, if that ends at `offset`.
absl::StatusOr<BatchInfo> NextBatch(rocksdb::Iterator& index, TopicId topic, PartitionId partition,
                                    Offset offset, bool follows) {
  if (!follows || !index.Valid()) return SeekBatch(index, topic, partition, offset);
  index.Next();
  return EntryAt(index, topic, partition, offset);
}

// Names the batch and where to continue: only this batch is lost, and later ones may be intact.
absl::Status DamagedBatch(absl::string_view key, const BatchHeader& header,
                          absl::string_view problem) {
  const Offset base = BatchKey::BaseOf(key);
  return absl::DataLossError(absl::StrCat(
      "the events at offsets ", base.value(), " to ", (base + header.count).value() - 1,
      " are damaged; read on from offset ", (base + header.count).value(), ": ", problem));
}

// Reads the events of consecutive small batches by an iterator, which takes a fraction of the time
// of as many look-ups.
class SmallBatches {
 public:
  SmallBatches(rocksdb::DB& db, rocksdb::ColumnFamilyHandle& events, TopicId topic,
               PartitionId partition)
      : db_(db), events_(events), end_(PartitionEnd(topic, partition)), end_slice_(ToSlice(end_)) {}

  // Call for each batch, in order, whether or not its events are to be read. Returns whether Read
  // is faster than a look-up: not for the first ones, since an iterator must be created, and not
  // for events in blob files, which an iterator reads when it passes over them.
  bool Follows(const BatchHeader& batch, bool reads) {
    if (!reads || batch.bytes >= kMinBlobBytes) {
      small_ = 0;
      at_last_ = false;
      return false;
    }
    return ++small_ > kLookUps;
  }

  // Returns the events of the batch; nothing if they have to be looked up, which also reports
  // errors.
  std::optional<SharedBytes> Read(absl::string_view key, const BatchHeader& batch) {
    if (at_last_) {
      iterator_->Next();
    } else {
      if (iterator_ == nullptr) {
        rocksdb::ReadOptions options;
        options.iterate_upper_bound = &end_slice_;
        iterator_.reset(db_.NewIterator(options, &events_));
      }
      iterator_->Seek(ToSlice(key));
    }
    at_last_ = iterator_->Valid() && ToView(iterator_->key()) == key;
    if (!at_last_ || iterator_->value().size() != batch.bytes) return std::nullopt;
    return SharedBytes::Copy(ToView(iterator_->value()));
  }

 private:
  static constexpr int kLookUps = 4;

  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle& events_;
  const std::string end_;
  const rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  bool at_last_ = false;  // It is at the batch before.
  int small_ = 0;         // Consecutive small batches.
};

// RocksDB calls a missing table by the suffix that old versions gave it, and a log by its number.
std::string WithFileNames(const rocksdb::Status& cause) {
  std::string text = absl::StrReplaceAll(cause.ToString(), {{".ldb", ".sst"}});
  constexpr absl::string_view kNumber = "log number: ";
  const size_t at = absl::string_view(text).find(kNumber);
  if (at == std::string::npos) return text;
  const absl::string_view behind = absl::string_view(text).substr(at + kNumber.size());
  uint64_t number = 0;
  if (!absl::SimpleAtoi(behind.substr(0, behind.find_first_not_of("0123456789")), &number)) {
    return text;
  }
  return absl::StrCat(text, " (", absl::Dec(number, absl::kZeroPad6), ".log)");
}

uint64_t RandomNumber() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

void ReleasePinned(void* arg) { delete static_cast<rocksdb::PinnableSlice*>(arg); }

}  // namespace

absl::StatusOr<std::unique_ptr<LogStore>> LogStore::Open(const LogStoreOptions& options) {
  std::unique_ptr<LogStore> store(new LogStore(options));
  ASSIGN_OR_RETURN(store->directory_, DataDirectory::Open(EnvOf(options), options.directory));
  RETURN_IF_ERROR(store->OpenDb());
  return store;
}

absl::Status LogStore::OpenDb() {
  const std::string path = directory_->db_path();
  if (!options_.drop_after_damage) {
    RETURN_IF_ERROR(CheckWriteAheadLog(EnvOf(options_), path));
  }
  RETURN_IF_ERROR(CheckTables(EnvOf(options_), path));
  if (const absl::Status room = CheckRoomToOpen(); !room.ok()) {
    if (!reserve_->Release()) return room;
    RETURN_IF_ERROR(CheckRoomToOpen());
  }
  rocksdb::DB* db = nullptr;
  block_cache_ = rocksdb::NewLRUCache(options_.block_cache_bytes);
  write_memory_ = std::make_shared<rocksdb::WriteBufferManager>(options_.write_memory_bytes);
  rocksdb::DBOptions db_options = MakeDbOptions(options_, fail_stop_->env());
  db_options.write_buffer_manager = write_memory_;
  compactions_->ApplyTo(&db_options);
  if (const std::optional<uint64_t> free = DiskFreeBytes(); free.has_value()) {
    SetCompactionRoom(*free - std::min(*free, kStartBytes + LogBytes()));
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> columns = MakeColumns(options_, block_cache_);
  if (!options_.drop_after_damage && !HasRoom(kStartBytes + LogBytes())) {
    tables_deferred_ = true;
    DeferTables(&db_options, &columns);
  }
  const rocksdb::Status opened = rocksdb::DB::Open(db_options, path, columns, &handles_, &db);
  // A missing file, and a manifest that contradicts the options, are damage, too.
  if (opened.IsCorruption() || opened.IsPathNotFound() || opened.IsInvalidArgument()) {
    return DamagedLog(opened);
  }
  RETURN_IF_ERROR(FromRocksDb(opened, absl::StrCat("open the log in ", options_.directory)));
  db_.reset(db);
  reserve_->Serve();
  // RocksDB syncs its directory, but not the parent's entry for it, which the first start creates.
  RETURN_IF_ERROR(directory_->Sync());
  // The column families that an older format lacks now exist on disk.
  return directory_->FinishUpgrade();
}

absl::Status LogStore::DamagedLog(const rocksdb::Status& cause) const {
  // RocksDB names damaged tables, but not the position in the write-ahead log.
  if (!options_.drop_after_damage) {
    RETURN_IF_ERROR(
        CheckWriteAheadLog(EnvOf(options_), directory_->db_path(), WalCheck::kWithSums));
  }
  std::string damage = WithFileNames(cause);
  // RocksDB names the manifest for some damage in a table that the manifest lists.
  if (absl::StrContains(damage, "MANIFEST") && !absl::StrContains(damage, ".sst")) {
    const std::string tables = DamagedTables(EnvOf(options_), directory_->db_path());
    if (!tables.empty()) absl::StrAppend(&damage, "; damaged tables: ", tables);
  }
  // Even with --drop_after_damage RocksDB refuses if tables already contain writes after the
  // damage.
  const absl::string_view way_on =
      absl::StrContains(cause.ToString(), "WAL") && !options_.drop_after_damage
          ? "start it with --drop_after_damage to drop everything after it, or restore a backup"
          : "restore a backup";
  return absl::DataLossError(
      absl::StrCat("the log in ", options_.directory, " is damaged: ", damage, "; ", way_on));
}

LogStore::LogStore(const LogStoreOptions& options)
    : options_(options),
      reserve_(std::make_unique<DiskReserve>(EnvOf(options), options.directory + "/RESERVE",
                                             options.reserve_bytes)),
      compactions_(std::make_unique<CompactionRoom>(EnvOf(options))),
      runs_(*this, RandomNumber()),
      fail_stop_(std::make_unique<FailStop>(reserve_->env())) {}

LogStore::~LogStore() {
  if (db_ == nullptr) return;
  reserve_->Stop();
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
}

int LogStore::format() const { return directory_->format(); }

absl::Status LogStore::RequireFormat(int format) { return directory_->Require(format); }

absl::Status LogStore::Write(rocksdb::WriteBatch& batch) {
  return FromRocksDb(
      fail_stop_->Change([&] { return db_->Write(rocksdb::WriteOptions(), &batch); }),
      absl::StrCat("write to the log in ", options_.directory));
}

absl::Status LogStore::Sync() {
  return FromRocksDb(fail_stop_->Sync([&] { return db_->SyncWAL(); }),
                     absl::StrCat("sync the log in ", options_.directory));
}

absl::Status LogStore::Read(TopicId topic, PartitionId partition, Offset from, Offset end,
                            size_t max_bytes, std::vector<RecordBatchPtr>* out,
                            WantedBatches wanted) const {
  size_t bytes = 0;
  const auto more = [&](const BatchHeader& batch, bool reads) {
    const size_t cost = reads ? batch.bytes : kPassedBatchCost;
    if (bytes > 0 && bytes + cost > max_bytes) return false;
    bytes += cost;
    return true;
  };
  return ReadRanges(topic, partition, {{from, end}}, more, out, wanted);
}

absl::Status LogStore::ReadRanges(TopicId topic, PartitionId partition,
                                  absl::Span<const OffsetRange> ranges, MoreBatches more,
                                  std::vector<RecordBatchPtr>* out, WantedBatches wanted) const {
  std::unique_ptr<rocksdb::Iterator> index(
      db_->NewIterator(rocksdb::ReadOptions(), handle(Column::kIndex)));
  SmallBatches small(*db_, *handle(Column::kEvents), topic, partition);
  // Reads the batch that holds `next`; null: there is to be no more.
  const auto read_batch = [&](Offset next, bool follows) -> absl::StatusOr<RecordBatchPtr> {
    ASSIGN_OR_RETURN(BatchInfo entry, NextBatch(*index, topic, partition, next, follows));
    for (;;) {
      const bool reads = !entry.header.gone() && wanted(entry.header);
      if (!more(entry.header, reads)) return RecordBatchPtr();
      const bool scans = small.Follows(entry.header, reads);
      auto batch = std::make_shared<RecordBatch>();
      batch->base = entry.base;
      batch->header = entry.header;
      if (!reads) return batch;
      const absl::string_view key = ToView(index->key());
      std::optional<SharedBytes> scanned = scans ? small.Read(key, entry.header) : std::nullopt;
      absl::StatusOr<SharedBytes> events =
          scanned.has_value() ? *std::move(scanned) : ReadEvents(key, entry.header);
      if (events.ok()) {
        batch->chunks.push_back(*std::move(events));
        return batch;
      }
      // Compaction may have replaced the batch since the iterator was created. It only removes
      // events, so this ends.
      index.reset(db_->NewIterator(rocksdb::ReadOptions(), handle(Column::kIndex)));
      ASSIGN_OR_RETURN(const BatchInfo now, SeekBatch(*index, topic, partition, next));
      if (now.header.count == entry.header.count && now.header.removed == entry.header.removed) {
        return events.status();
      }
      entry = now;
    }
  };
  const size_t before = out->size();
  const auto read = [&]() -> absl::Status {
    Offset done(0);  // The end of the last batch.
    for (const OffsetRange& range : ranges) {
      for (Offset next = std::max(range.start, done); next < range.end; next = done) {
        ASSIGN_OR_RETURN(RecordBatchPtr batch, read_batch(next, next == done));
        if (batch == nullptr) return absl::OkStatus();
        done = batch->end();
        out->push_back(std::move(batch));
      }
    }
    return absl::OkStatus();
  };
  const absl::Status status = read();
  // Returns the intact batches before a damaged one; the next read reports the damage.
  const bool passing = absl::IsDataLoss(status) || absl::IsNotFound(status);
  return passing && out->size() > before ? absl::OkStatus() : status;
}

absl::StatusOr<SharedBytes> LogStore::ReadEvents(absl::string_view key,
                                                 const BatchHeader& header) const {
  auto value = std::make_unique<rocksdb::PinnableSlice>();
  const absl::Status status = FromRocksDbRead(
      db_->Get(rocksdb::ReadOptions(), handle(Column::kEvents), ToSlice(key), value.get()),
      "read a batch");
  if (absl::IsDataLoss(status)) return DamagedBatch(key, header, status.message());
  RETURN_IF_ERROR(status);
  if (value->size() != header.bytes) {
    return DamagedBatch(key, header,
                        absl::StrCat("it has ", value->size(), " bytes, not ", header.bytes));
  }
  const absl::string_view region = ToView(*value);
  // A value next to its key is pinned in the store's block cache, and readers may keep the bytes
  // longer than the store exists. A blob is independent of it.
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
  RETURN_IF_ERROR(FromRocksDbRead(index->status(), "read the index"));
  if (!index->Valid()) return bounds;
  ASSIGN_OR_RETURN(const BatchHeader last, BatchHeader::Decode(ToView(index->value())));
  bounds.last_append_micros = last.append_micros;
  const LogPosition end = EndOf(BatchKey::BaseOf(ToView(index->key())), last);
  if (end.offset <= bounds.end) return bounds;  // The later events were not retained.
  bounds.end = end.offset;
  bounds.end_bytes = end.bytes_before;
  return bounds;
}

absl::StatusOr<BatchInfo> LogStore::FindBatch(TopicId topic, PartitionId partition,
                                              Offset offset) const {
  const std::unique_ptr<rocksdb::Iterator> index(
      db_->NewIterator(rocksdb::ReadOptions(), handle(Column::kIndex)));
  return SeekBatch(*index, topic, partition, offset);
}

absl::StatusOr<std::vector<Offset>> LogStore::FindBatchBases(TopicId topic, PartitionId partition,
                                                             Offset from, Offset end,
                                                             size_t limit) const {
  const BatchKey upper(topic, partition, end);
  const rocksdb::Slice upper_bound = ToSlice(upper.view());
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper_bound;
  const std::unique_ptr<rocksdb::Iterator> index(db_->NewIterator(options, handle(Column::kIndex)));
  std::vector<Offset> bases;
  for (index->Seek(ToSlice(BatchKey(topic, partition, from).view())); index->Valid();
       index->Next()) {
    if (bases.size() == limit) return std::vector<Offset>();
    bases.push_back(BatchKey::BaseOf(ToView(index->key())));
  }
  RETURN_IF_ERROR(FromRocksDbRead(index->status(), "read the index"));
  return bases;
}

absl::StatusOr<LogPosition> LogStore::SeekFirst(
    TopicId topic, PartitionId partition, const LogBounds& range,
    absl::FunctionRef<bool(const BatchHeader& batch)> lies_before) const {
  const std::unique_ptr<rocksdb::Iterator> index(
      db_->NewIterator(rocksdb::ReadOptions(), handle(Column::kIndex)));
  LogPosition low{range.start, range.start_bytes};
  LogPosition high{range.end, range.end_bytes};
  while (low.offset < high.offset) {
    const Offset middle = low.offset + (high.offset - low.offset) / 2;
    ASSIGN_OR_RETURN(const BatchInfo entry, SeekBatch(*index, topic, partition, middle));
    if (lies_before(entry.header)) {
      low = EndOf(entry.base, entry.header);
    } else {
      high = {entry.base, entry.header.bytes_before};
    }
  }
  return low;
}

absl::StatusOr<LogPosition> LogStore::SeekTime(TopicId topic, PartitionId partition,
                                               const LogBounds& range, absl::Time time) const {
  return SeekFirst(topic, partition, range,
                   [time](const BatchHeader& batch) { return batch.append_time() < time; });
}

absl::StatusOr<LogPosition> LogStore::SeekBytes(TopicId topic, PartitionId partition,
                                                const LogBounds& range,
                                                uint64_t bytes_before) const {
  return SeekFirst(topic, partition, range, [bytes_before](const BatchHeader& batch) {
    return batch.bytes_before < bytes_before;
  });
}

absl::StatusOr<std::optional<std::string>> LogStore::Get(Column column,
                                                         absl::string_view key) const {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), handle(column), ToSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  RETURN_IF_ERROR(FromRocksDbRead(status, "read from the store"));
  return value;
}

absl::Status LogStore::GetAll(
    Column column, const std::vector<std::string>& keys,
    absl::FunctionRef<void(size_t, std::optional<absl::string_view>)> visit) const {
  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  db_->MultiGet(rocksdb::ReadOptions(), handle(column), keys.size(), slices.data(), values.data(),
                statuses.data());
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!statuses[i].IsNotFound()) {
      RETURN_IF_ERROR(FromRocksDbRead(statuses[i], "read from the store"));
    }
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    visit(i, statuses[i].ok() ? std::optional(ToView(values[i])) : std::nullopt);
  }
  return absl::OkStatus();
}

absl::Status LogStore::Scan(
    Column column, absl::string_view prefix,
    absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) const {
  return ScanFrom(column, prefix, prefix, visit);
}

absl::Status LogStore::ScanFrom(
    Column column, absl::string_view prefix, absl::string_view from,
    absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) const {
  const std::string upper = PrefixEnd(prefix);
  const rocksdb::Slice upper_bound = ToSlice(upper);
  rocksdb::ReadOptions options;
  if (!upper.empty()) options.iterate_upper_bound = &upper_bound;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, handle(column)));
  for (it->Seek(ToSlice(from)); it->Valid(); it->Next()) {
    if (!visit(ToView(it->key()), ToView(it->value()))) return absl::OkStatus();
  }
  return FromRocksDbRead(it->status(), "scan the store");
}

absl::StatusOr<std::optional<std::pair<std::string, std::string>>> LogStore::FindLast(
    Column column, absl::string_view prefix, absl::string_view upto) const {
  const std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(rocksdb::ReadOptions(), handle(column)));
  it->SeekForPrev(ToSlice(upto));
  RETURN_IF_ERROR(FromRocksDb(it->status(), "search the store"));
  if (!it->Valid() || ToView(it->key()).substr(0, prefix.size()) != prefix) return std::nullopt;
  return std::make_pair(it->key().ToString(), it->value().ToString());
}

void LogStore::SetBlockCacheBytes(size_t bytes) { block_cache_->SetCapacity(bytes); }

size_t LogStore::block_cache_bytes() const { return block_cache_->GetUsage(); }

size_t LogStore::write_memory_bytes() const { return write_memory_->memory_usage(); }

uint64_t LogStore::DiskBytes() const {
  rocksdb::Env* const env = EnvOf(options_);
  std::vector<rocksdb::Env::FileAttributes> files;
  if (!env->GetChildrenFileAttributes(directory_->db_path(), &files).ok()) return 0;
  uint64_t bytes = 0;
  for (const auto& file : files) bytes += file.size_bytes;
  return bytes;
}

uint64_t LogStore::LogBytes() const {
  uint64_t bytes = 0;
  std::vector<rocksdb::Env::FileAttributes> files;
  EnvOf(options_)->GetChildrenFileAttributes(directory_->db_path(), &files).PermitUncheckedError();
  for (const auto& file : files) {
    if (absl::EndsWith(file.name, ".log")) bytes += file.size_bytes;
  }
  return bytes;
}

bool LogStore::HasRoom(uint64_t bytes) const {
  const std::optional<uint64_t> free = DiskFreeBytes();
  return !free.has_value() || *free >= bytes;
}

absl::Status LogStore::CheckRoomToOpen() const {
  // What follows damage is dropped for good by writing what precedes it to tables.
  const uint64_t wanted = kStartBytes + (options_.drop_after_damage ? LogBytes() : 0);
  const std::optional<uint64_t> free = DiskFreeBytes();
  if (!free.has_value() || *free >= wanted) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the disk of ", options_.directory, " has ", *free,
                   " bytes free, but a start needs ", wanted, ": ", wanted - *free,
                   " are missing. Nothing was changed; free some space, or enlarge the disk, and "
                   "start the hub again"));
}

absl::Status LogStore::WriteTables() {
  // Otherwise a flush would wait for compactions, which may have no room.
  rocksdb::FlushOptions flush;
  flush.allow_write_stall = true;
  RETURN_IF_ERROR(FromRocksDb(fail_stop_->Change([&] { return db_->Flush(flush, handles_); }),
                              absl::StrCat("write tables in ", options_.directory)));
  return EndDeferral();
}

absl::Status LogStore::EndDeferral() {
  if (!tables_deferred_.exchange(false)) return absl::OkStatus();
  write_memory_->SetBufferSize(options_.write_memory_bytes);
  const auto set = [&] {
    rocksdb::Status status =
        db_->SetDBOptions({{"max_total_wal_size", absl::StrCat(options_.max_log_bytes)}});
    const std::vector<rocksdb::ColumnFamilyDescriptor> columns =
        MakeColumns(options_, block_cache_);
    for (size_t i = 0; i < columns.size() && status.ok(); ++i) {
      status = db_->SetOptions(
          handles_[i], {{"write_buffer_size", absl::StrCat(columns[i].options.write_buffer_size)}});
    }
    return status;
  };
  return FromRocksDb(fail_stop_->Change(set),
                     absl::StrCat("set the write buffers of ", options_.directory));
}

bool LogStore::ShouldWriteTables(uint64_t room) const {
  const bool deferred = tables_deferred_.load(std::memory_order_relaxed);
  if (!deferred && room / kLogShare >= options_.max_log_bytes) return false;
  if (!HasRoom(PendingBytes() + kStartBytes)) return false;
  const uint64_t log = LogBytes();
  return deferred || (log >= kMinLogBytes && room / kLogShare < log);
}

void LogStore::StopWaitingForSpace() { reserve_->Stop(); }

bool LogStore::waiting_for_space() const { return reserve_->waiting(); }

absl::Status LogStore::RestoreReserve(const Cancellation& cancellation) {
  return reserve_->Restore(cancellation);
}

uint64_t LogStore::PendingBytes() const {
  uint64_t bytes = 0;
  db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes);
  return bytes + compactions_->pending_bytes();
}

uint64_t LogStore::NextCompactionBytes() const {
  uint64_t most = 0;
  for (rocksdb::ColumnFamilyHandle* column : handles_) {
    std::map<std::string, std::string> stats;
    db_->GetMapProperty(column, rocksdb::DB::Properties::kCFStats, &stats);
    // All tables of level 0 are merged into level 1 at once.
    double bytes = 0;
    for (const char* const level : {"compaction.L0.SizeBytes", "compaction.L1.SizeBytes"}) {
      double size = 0;
      if (absl::SimpleAtod(stats[level], &size)) bytes += size;
    }
    most = std::max(most, static_cast<uint64_t>(bytes));
  }
  return most;
}

void LogStore::SetCompactionRoom(uint64_t bytes) {
  compaction_room_.store(bytes, std::memory_order_relaxed);
  compactions_->Set(bytes);
}

std::optional<uint64_t> LogStore::DiskFreeBytes() const {
  uint64_t bytes = 0;
  if (!EnvOf(options_)->GetFreeSpace(options_.directory, &bytes).ok()) return std::nullopt;
  return bytes;
}

std::vector<std::string> LogStore::CompactionPieces(Column column, const std::string& first,
                                                    const std::string& last) const {
  rocksdb::ColumnFamilyMetaData tables;
  db_->GetColumnFamilyMetaData(handle(column), &tables);
  std::map<std::string, uint64_t> sizes;  // By the smallest key of a table.
  for (const rocksdb::LevelMetaData& level : tables.levels) {
    for (const rocksdb::SstFileMetaData& table : level.files) {
      if (table.smallestkey > first && table.smallestkey < last) {
        sizes[table.smallestkey] += table.size;
      }
    }
  }
  // A compaction may also have to read tables beyond its piece.
  const uint64_t piece_bytes = std::min(
      kPieceBytes, std::max(compaction_room_.load(std::memory_order_relaxed) / 4, kMinPieceBytes));
  std::vector<std::string> ends;
  uint64_t piece = 0;
  for (const auto& [key, size] : sizes) {
    if (piece >= piece_bytes) {
      ends.push_back(key);
      piece = 0;
    }
    piece += size;
  }
  ends.push_back(last);
  return ends;
}

absl::Status LogStore::CompactInPieces(Column column, rocksdb::CompactRangeOptions options,
                                       const std::string& first, const std::string& last,
                                       const Cancellation& cancellation) {
  options.exclusive_manual_compaction = false;
  std::string from = first;
  for (const std::string& to : CompactionPieces(column, first, last)) {
    if (cancellation.cancelled()) return absl::CancelledError("cancelled while reclaiming space");
    const rocksdb::Slice begin = ToSlice(from);
    const rocksdb::Slice end = ToSlice(to);
    RETURN_IF_ERROR(FromRocksDb(fail_stop_->Change([&] {
      return db_->CompactRange(options, handle(column), &begin, &end);
    }),
                                absl::StrCat("compact tables in ", options_.directory)));
    from = to;
  }
  return absl::OkStatus();
}

absl::Status LogStore::Reclaim(TopicId topic, const Cancellation& cancellation) {
  const std::string first = TopicPrefix(topic);
  const std::string last = PrefixEnd(first);
  if (cancellation.cancelled()) return absl::CancelledError("cancelled while reclaiming space");
  // Data in memory, of any column, keeps the write-ahead log, and the events in it, on disk.
  RETURN_IF_ERROR(WriteTables());
  for (const Column column :
       {Column::kEvents, Column::kIndex, Column::kDelayed, Column::kIdentities, Column::kLatest}) {
    rocksdb::CompactRangeOptions options;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    RETURN_IF_ERROR(CompactInPieces(column, options, first, last, cancellation));
  }
  return CollectBlobs(cancellation);
}

absl::Status LogStore::Purge(Column column, const std::string& prefix) {
  RETURN_IF_ERROR(WriteTables());
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  Cancellation never;
  return CompactInPieces(column, options, prefix, PrefixEnd(prefix), never);
}

absl::Status LogStore::CollectBlobs(const Cancellation& cancellation) {
  // Blob files without live data are deleted with the last table that refers to them. Trimmed data
  // remains in blob files that also hold live data.
  uint64_t total = 0;
  uint64_t garbage = 0;
  db_->GetIntProperty(handle(Column::kEvents), rocksdb::DB::Properties::kTotalBlobFileSize, &total);
  db_->GetIntProperty(handle(Column::kEvents), "rocksdb.live-blob-file-garbage-size", &garbage);
  if (garbage < kMinGarbageBytes || garbage < kGarbageShare * total) return absl::OkStatus();
  // Live data of the oldest files, up to this share, is copied before the files are deleted.
  const uint64_t live = total - std::min(total, garbage);
  const uint64_t room = compaction_room_.load(std::memory_order_relaxed) / 2;
  const double share = live <= room ? 1.0 : static_cast<double>(room) / static_cast<double>(total);
  const CompactionRoom::Hold hold(*compactions_, std::min(live, room));
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
  options.blob_garbage_collection_age_cutoff = share;
  // After the keys of all topics.
  RETURN_IF_ERROR(
      CompactInPieces(Column::kEvents, options, "", std::string(16, '\xff'), cancellation));
  if (share == 1.0) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the disk of ", options_.directory,
                   " had no room to copy all of the data between trimmed data: ", live, " bytes"));
}

}  // namespace eventhub

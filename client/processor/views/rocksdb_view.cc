#include "eventhub/processor/rocksdb_view.h"

#include <filesystem>
#include <unordered_map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/processor/views/rocksdb_format.h"
#include "client/processor/views/write_order.h"
#include "eventhub/processor/view_store.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/write_batch.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor {
namespace {

using internal::StoredRow;
using internal::ViewMeta;

rocksdb::Slice SliceOf(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ViewOf(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Without a logger, RocksDB writes log files beside the data.
class SilentLogger final : public rocksdb::Logger {
 public:
  SilentLogger() : Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  void Logv(const char*, va_list) override {}

 protected:
  rocksdb::Status CloseImpl() override { return rocksdb::Status::OK(); }
};

// Translates every status of RocksDB.
absl::Status StatusOf(const rocksdb::Status& status, const std::string& directory) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat("view in ", directory, ": ", status.ToString());
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit) {
    return absl::ResourceExhaustedError(message);
  }
  if (status.IsCorruption() || status.IsPathNotFound()) return absl::DataLossError(message);
  if (absl::StrContains(message, "lock hold by") || absl::StrContains(message, "While lock file")) {
    return absl::FailedPreconditionError(
        absl::StrCat("the view in ", directory, " is in use by another process"));
  }
  return absl::UnavailableError(message);
}

rocksdb::Options OptionsOfView() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.info_log = std::make_shared<SilentLogger>();
  options.write_buffer_size = size_t{16} << 20;
  options.max_total_wal_size = uint64_t{64} << 20;
  options.keep_log_file_num = 1;
  return options;
}

class RocksdbStore final : public ViewStore {
 public:
  static absl::StatusOr<std::unique_ptr<ViewStore>> Open(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    rocksdb::DB* db = nullptr;
    RETURN_IF_ERROR(StatusOf(rocksdb::DB::Open(OptionsOfView(), directory, &db), directory));
    std::unique_ptr<RocksdbStore> store(new RocksdbStore(directory, db));
    {
      MutexLock lock(store->mutex_);
      RETURN_IF_ERROR(store->LoadMeta());
    }
    return store;
  }

  absl::StatusOr<StoredView> Load() override {
    MutexLock lock(mutex_);
    StoredView stored{
        .generation = meta_.generation, .building = meta_.building, .revision = meta_.revision};
    RETURN_IF_ERROR(LoadPositions(meta_.generation, stored.positions));
    if (meta_.building != 0) {
      RETURN_IF_ERROR(LoadPositions(meta_.building, stored.building_positions));
    }
    return stored;
  }

  absl::Status Begin(uint64_t generation, std::string_view revision) override {
    MutexLock lock(mutex_);
    if (generation <= newest()) return absl::AbortedError("the view has another generation");
    ViewMeta meta = meta_;
    rocksdb::WriteBatch batch;
    if (meta.building != 0) Drop(meta.building, batch);
    (meta.generation == 0 ? meta.generation : meta.building) = generation;
    meta.revision = revision;
    return WriteMeta(std::move(meta), batch);
  }

  absl::Status Write(uint64_t generation, bool again, absl::Span<RowWrite> rows,
                     const ViewPositions& positions) override {
    MutexLock lock(mutex_);
    if (generation != newest()) return absl::AbortedError("the view has another generation");
    const std::string prefix = internal::ViewRowPrefix(generation);
    std::vector<std::string> keys;
    std::vector<rocksdb::Slice> slices;
    keys.reserve(rows.size());
    slices.reserve(rows.size());
    for (const RowWrite& write : rows) {
      slices.push_back(SliceOf(keys.emplace_back(prefix + write.row.key)));
    }
    std::vector<std::string> found;
    const std::vector<rocksdb::Status> reads =
        db_->MultiGet(rocksdb::ReadOptions(), slices, &found);

    rocksdb::WriteBatch batch;
    std::unordered_map<std::string_view, StoredRow> written;  // By this batch.
    for (size_t i = 0; i < rows.size(); ++i) {
      RowWrite& write = rows[i];
      write.status = absl::OkStatus();
      write.written = false;
      if (!reads[i].ok() && !reads[i].IsNotFound()) return StatusOf(reads[i], directory_);
      StoredRow old;
      const auto before = written.find(write.row.key);
      const bool exists = before != written.end() || reads[i].ok();
      if (before != written.end()) {
        old = before->second;
      } else if (exists && !internal::DecodeStoredRow(found[i], /*with_values=*/false, old)) {
        return Damaged(write.row.key);
      }
      if (exists && !internal::MayReplace(write, again, old.version, old.offset)) continue;
      write.written = true;
      written[write.row.key] = {.version = write.version, .offset = write.offset};
      RETURN_IF_ERROR(
          StatusOf(batch.Put(SliceOf(keys[i]), internal::EncodeStoredRow(write)), directory_));
    }
    for (const auto& [partition, offset] : positions) {
      RETURN_IF_ERROR(StatusOf(batch.Put(internal::ViewPositionKey(generation, partition),
                                         internal::EncodeViewPosition(offset)),
                               directory_));
    }
    return StatusOf(db_->Write(rocksdb::WriteOptions(), &batch), directory_);
  }

  absl::Status Switch(uint64_t generation) override {
    MutexLock lock(mutex_);
    if (generation == 0 || meta_.building != generation) return absl::OkStatus();
    ViewMeta meta = meta_;
    rocksdb::WriteBatch batch;
    Drop(meta.generation, batch);
    meta.generation = std::exchange(meta.building, 0);
    return WriteMeta(std::move(meta), batch);
  }

  absl::StatusOr<std::optional<std::vector<Value>>> Get(std::string_view key) override {
    std::string bytes;
    rocksdb::Status read;
    uint64_t generation = 0;
    do {  // A switch drops the generation that readers saw.
      generation = seen();
      read = db_->Get(rocksdb::ReadOptions(),
                      internal::ViewRowPrefix(generation) + std::string(key), &bytes);
    } while (generation != seen());
    if (read.IsNotFound()) return std::nullopt;
    RETURN_IF_ERROR(StatusOf(read, directory_));
    StoredRow row;
    if (!internal::DecodeStoredRow(bytes, /*with_values=*/true, row)) return Damaged(key);
    if (row.deleted) return std::nullopt;
    return std::move(row.values);
  }

  absl::Status ForEach(
      absl::FunctionRef<bool(std::string_view, const std::vector<Value>&)> visit) override {
    std::string prefix;
    std::unique_ptr<rocksdb::Iterator> at;
    {
      MutexLock lock(mutex_);  // The iterator keeps its snapshot.
      prefix = internal::ViewRowPrefix(meta_.generation);
      at = NewIterator();
    }
    StoredRow row;
    return Scan(*at, prefix,
                [&](std::string_view key, std::string_view bytes) -> absl::StatusOr<bool> {
                  key.remove_prefix(prefix.size());
                  if (!internal::DecodeStoredRow(bytes, /*with_values=*/true, row))
                    return Damaged(key);
                  return row.deleted || visit(key, row.values);
                });
  }

 private:
  RocksdbStore(std::string directory, rocksdb::DB* db)
      : directory_(std::move(directory)), db_(db) {}

  absl::Status Damaged(std::string_view key) const {
    return absl::DataLossError(
        absl::StrCat("view in ", directory_, ": row ", std::string(key), " is malformed"));
  }

  uint64_t seen() {
    MutexLock lock(mutex_);
    return meta_.generation;
  }
  uint64_t newest() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return meta_.building != 0 ? meta_.building : meta_.generation;
  }

  absl::Status LoadMeta() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::string bytes;
    const rocksdb::Status read = db_->Get(rocksdb::ReadOptions(), internal::kViewMetaKey, &bytes);
    if (read.IsNotFound()) return absl::OkStatus();
    RETURN_IF_ERROR(StatusOf(read, directory_));
    std::optional<ViewMeta> meta = internal::DecodeViewMeta(bytes);
    if (!meta) {
      return absl::FailedPreconditionError(
          absl::StrCat(directory_, " holds no view, or one of another version"));
    }
    meta_ = *std::move(meta);
    return absl::OkStatus();
  }

  absl::Status WriteMeta(ViewMeta meta, rocksdb::WriteBatch& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    RETURN_IF_ERROR(
        StatusOf(batch.Put(internal::kViewMetaKey, internal::EncodeViewMeta(meta)), directory_));
    RETURN_IF_ERROR(StatusOf(db_->Write(rocksdb::WriteOptions(), &batch), directory_));
    meta_ = std::move(meta);
    return absl::OkStatus();
  }

  static void Drop(uint64_t generation, rocksdb::WriteBatch& batch) {
    batch.DeleteRange(internal::ViewRowPrefix(generation), internal::ViewRowPrefix(generation + 1))
        .PermitUncheckedError();
    batch
        .DeleteRange(internal::ViewPositionPrefix(generation),
                     internal::ViewPositionPrefix(generation + 1))
        .PermitUncheckedError();
  }

  absl::Status LoadPositions(uint64_t generation, ViewPositions& positions) {
    return Scan(*NewIterator(), internal::ViewPositionPrefix(generation),
                [&](std::string_view key, std::string_view bytes) -> absl::StatusOr<bool> {
                  const auto partition = internal::PartitionInKey(key);
                  const auto offset = internal::DecodeViewPosition(bytes);
                  if (!partition || !offset) return Damaged("of positions");
                  positions[*partition] = *offset;
                  return true;
                });
  }

  std::unique_ptr<rocksdb::Iterator> NewIterator() {
    return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(rocksdb::ReadOptions()));
  }
  // Visits the records that begin with `prefix`, until `visit` returns false or an error.
  absl::Status Scan(
      rocksdb::Iterator& at, const std::string& prefix,
      absl::FunctionRef<absl::StatusOr<bool>(std::string_view key, std::string_view value)> visit) {
    for (at.Seek(prefix); at.Valid() && at.key().starts_with(prefix); at.Next()) {
      ASSIGN_OR_RETURN(const bool more, visit(ViewOf(at.key()), ViewOf(at.value())));
      if (!more) return absl::OkStatus();
    }
    return StatusOf(at.status(), directory_);
  }

  const std::string directory_;
  const std::unique_ptr<rocksdb::DB> db_;
  Mutex mutex_;  // Held while writing.
  ViewMeta meta_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::shared_ptr<View>> OpenRocksdbView(const RocksdbViewOptions& options) {
  RETURN_IF_ERROR(CheckViewOptions(options.view));
  if (options.directory.empty()) return absl::InvalidArgumentError("directory must be set");
  ASSIGN_OR_RETURN(auto store, RocksdbStore::Open(options.directory));
  return OpenView(options.view, std::move(store));
}

}  // namespace eventhub::processor

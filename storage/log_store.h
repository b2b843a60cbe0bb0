// The durable log: a RocksDB instance used as an append-only store of record batches. Nothing
// outside storage/ names RocksDB. What is in it, byte for byte: FORMAT.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/job_scheduler.h"
#include "storage/base/types.h"
#include "storage/data_directory.h"
#include "storage/partition_log.h"
#include "storage/record_batch.h"
#include "storage/run_history.h"
#include "storage/visible_commits.h"

namespace rocksdb {
class Cache;
class DB;
class ColumnFamilyHandle;
class Env;
class Status;
class WriteBatch;
struct CompactRangeOptions;
class WriteBufferManager;
}  // namespace rocksdb

namespace eventhub {

class DiskReserve;
class FailStop;

// The column families. `kMeta` is RocksDB's default one.
enum class Column { kMeta, kEvents, kIndex, kProducers, kCursors, kDelayed, kIdentities };

// Says of which batches the events are to be read.
using WantedBatches = absl::FunctionRef<bool(const BatchHeader&)>;
inline bool AnyBatch(const BatchHeader&) { return true; }

struct LogStoreOptions {
  // The data directory; made if missing. One process at a time.
  std::string directory;

  // Memory for writes not yet in table files; several of these may be held. Bytes.
  size_t write_buffer_bytes = size_t{64} << 20;

  // Over all columns, what is written and not yet in table files is brought there once it takes
  // this. Bytes.
  size_t write_memory_bytes = size_t{384} << 20;

  // Memory for blocks of table files that were read, and for their indexes and filters. Bytes.
  size_t block_cache_bytes = size_t{64} << 20;

  // Files that are kept open to be read; 20 at least. What is being written comes on top.
  size_t max_open_files = 1024;

  // The write-ahead log is replayed after a crash; this bounds its size, and so the time to start.
  // Bytes.
  size_t max_log_bytes = size_t{512} << 20;

  // After a crash the end of the write-ahead log may be torn, and is cut off. Damage before the end
  // is refused at Open, unless this says to drop everything from the damage on.
  bool drop_after_damage = false;

  // A file of this size is given up when the disk is full, so that there is room to delete; 0:
  // none. Made by RestoreReserve. Bytes.
  uint64_t reserve_bytes = 0;

  // By which identities expire. Must outlive the store.
  const Clock* clock = &Clock::System();

  // Where files are; null: the machine's disk. Must outlive the store.
  rocksdb::Env* env = nullptr;

  // Is told what RocksDB warns of, by any thread; for people. Null: nobody is.
  std::function<void(const std::string& message)> on_warning{};
};

// Thread-safe; writes are made by one thread at a time (LogWriter).
class LogStore {
 public:
  // Opens or creates the store; one of an older format becomes one of this hub's.
  // FAILED_PRECONDITION, with nothing touched, if another process has it open or if it was written
  // by a newer format; DATA_LOSS if it is damaged; RESOURCE_EXHAUSTED if the disk has no room for
  // what is written at a start; UNAVAILABLE if the disk does not do.
  static absl::StatusOr<std::unique_ptr<LogStore>> Open(const LogStoreOptions& options);
  ~LogStore();

  // Writes the batch, all or nothing, to the operating system. After an error it is not known what
  // is on disk, and the caller must not write again until the store is reopened.
  absl::Status Write(rocksdb::WriteBatch& batch);

  // Makes all that was written before this call survive a power loss. May run beside Write. Errors
  // as for Write.
  absl::Status Sync();

  // Appends the batches that hold the offsets from `from` to before `end`, as far as they have no
  // more than `max_bytes` together, but at least one. The events of a batch that is not `wanted`
  // are not read: it comes without chunks. The range must be within the log and not empty;
  // NOT_FOUND if a part was trimmed meanwhile. DATA_LOSS, which says where to read on, if the first
  // batch is damaged; before another that is, what is intact is appended.
  absl::Status Read(TopicId topic, PartitionId partition, Offset from, Offset end, size_t max_bytes,
                    std::vector<RecordBatchPtr>* out, WantedBatches wanted = AnyBatch) const;

  // What the store knows of a partition; all zero for one that was never written.
  absl::StatusOr<LogBounds> Recover(TopicId topic, PartitionId partition) const;

  // The batch that holds `offset`, without its events; NOT_FOUND if none does. One look-up in the
  // index, which may have to read the disk.
  absl::StatusOr<BatchInfo> FindBatch(TopicId topic, PartitionId partition, Offset offset) const;

  // The bases of the batches that begin at `from` or later and before `end`; nothing if they are
  // more than `limit`.
  absl::StatusOr<std::vector<Offset>> FewBatches(TopicId topic, PartitionId partition, Offset from,
                                                 Offset end, size_t limit) const;

  // The first batch of the range that was appended at `time` or later; the end of the range if
  // there is none.
  absl::StatusOr<LogPosition> SeekTime(TopicId topic, PartitionId partition, const LogBounds& range,
                                       absl::Time time) const;

  // The first batch of the range that has so many bytes before it, or more; the end of the range if
  // there is none.
  absl::StatusOr<LogPosition> SeekBytes(TopicId topic, PartitionId partition,
                                        const LogBounds& range, uint64_t bytes_before) const;

  // Point look-up; nullopt if there is no such key.
  absl::StatusOr<std::optional<std::string>> Get(Column column, absl::string_view key) const;

  // Looks many keys up at once, and calls `visit` with the index of each, in order, and its value.
  // After an error it was not called.
  absl::Status GetAll(
      Column column, const std::vector<std::string>& keys,
      absl::FunctionRef<void(size_t index, std::optional<absl::string_view> value)> visit) const;

  // Calls `visit` with each key that starts with `prefix`, in order, and its value, until it
  // returns false.
  absl::Status Scan(
      Column column, absl::string_view prefix,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> visit) const;

  // The same from the first key on that is not less than `from`, which starts with `prefix`.
  absl::Status ScanFrom(
      Column column, absl::string_view prefix, absl::string_view from,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> visit) const;

  // The last key that starts with `prefix` and is not greater than `upto`, which starts with it
  // too, and its value; nullopt if there is none.
  absl::StatusOr<std::optional<std::pair<std::string, std::string>>> FindLast(
      Column column, absl::string_view prefix, absl::string_view upto) const;

  // Who appended what; see run_history.h.
  RunHistory& runs() { return runs_; }
  const RunHistory& runs() const { return runs_; }

  // Gives the disk space of trimmed ranges of a topic back. Slow; runs beside everything else.
  // CANCELLED soon after `cancellation` is: what was given back by then is.
  absl::Status Reclaim(TopicId topic, const Cancellation& cancellation);
  absl::Status Reclaim(TopicId topic) {
    Cancellation never;
    return Reclaim(topic, never);
  }

  // A write that finds no space on the disk waits until there is some, with all that is behind it.
  // From this call on none does: it fails, and the store refuses writes.
  void StopWaitingForSpace();
  // Whether a write waits for space.
  bool waiting_for_space() const;
  uint64_t reserve_bytes() const { return options_.reserve_bytes; }
  // Makes the reserve if it was given up, or never made; blocks on the disk.
  absl::Status RestoreReserve(const Cancellation& cancellation);

  // Has the block cache hold no more than this from now on. Bytes.
  void SetBlockCacheBytes(size_t bytes);
  size_t block_cache_bytes() const;
  // Memory of what is written and not yet in table files.
  size_t write_memory_bytes() const;

  // The size of all files. Bytes.
  uint64_t DiskBytes() const;
  // What is in memory alone of tables, or in the write-ahead log alone of the disk, and is written
  // once more. Bytes.
  uint64_t UnwrittenBytes() const;
  // What is free on their disk; nullopt where the disk does not tell. Bytes.
  std::optional<uint64_t> DiskFreeBytes() const;

  // Of the writer that commits to this store.
  VisibleCommits& visible_commits() const { return *visible_commits_; }

  rocksdb::ColumnFamilyHandle* handle(Column column) const {
    return handles_[static_cast<size_t>(column)];
  }

 private:
  explicit LogStore(const LogStoreOptions& options);
  absl::Status OpenDb();
  // The first batch of the range that does not lie before what is looked for; whatever is before
  // one that does, does too.
  absl::StatusOr<LogPosition> SeekFirst(
      TopicId topic, PartitionId partition, const LogBounds& range,
      absl::FunctionRef<bool(const BatchHeader& batch)> lies_before) const;
  // The value of a batch's key in `events`, not copied if it is large. May outlive the store.
  absl::StatusOr<SharedBytes> ReadEvents(absl::string_view key, const BatchHeader& header) const;

  // Where to divide a compaction of keys from `first` to `last`, so that each piece is bounded: the
  // end of each.
  std::vector<std::string> CompactionPieces(Column column, const std::string& first,
                                            const std::string& last) const;
  // CANCELLED between two pieces.
  absl::Status CompactInPieces(Column column, rocksdb::CompactRangeOptions options,
                               const std::string& first, const std::string& last,
                               const Cancellation& cancellation);

  absl::Status DamagedLog(const rocksdb::Status& cause) const;
  // Whether the disk has room to open the log: RocksDB asserts on the way that it has.
  absl::Status CheckRoomToOpen() const;

  const LogStoreOptions options_;
  std::unique_ptr<DiskReserve> reserve_;
  const std::unique_ptr<VisibleCommits> visible_commits_ = std::make_unique<VisibleCommits>();
  RunHistory runs_;
  std::unique_ptr<FailStop> fail_stop_;
  std::unique_ptr<DataDirectory> directory_;  // Before the store in it: released last.
  std::shared_ptr<rocksdb::Cache> block_cache_;
  std::shared_ptr<rocksdb::WriteBufferManager> write_memory_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

}  // namespace eventhub

// The durable log: a RocksDB instance used as an append-only store of record batches. Nothing
// outside storage/ names RocksDB. FORMAT.md describes its contents, byte by byte.
#pragma once

#include <atomic>
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
#include "absl/types/span.h"
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

class CompactionRoom;
class DiskReserve;
class FailStop;

// The column families. `kMeta` is RocksDB's default one.
enum class Column { kMeta, kEvents, kIndex, kProducers, kCursors, kDelayed, kIdentities, kLatest };

// Returns whether the events of a batch are to be read.
using WantedBatches = absl::FunctionRef<bool(const BatchHeader&)>;
inline bool AnyBatch(const BatchHeader&) { return true; }

// Offsets from `start` up to `end` (exclusive).
struct OffsetRange {
  Offset start;
  Offset end;
};

// Returns whether to go on with the next batch; `reads`: whether its events are to be read.
using MoreBatches = absl::FunctionRef<bool(const BatchHeader& batch, bool reads)>;
// The cost of a batch that is not read, in bytes: that of its entry in the index.
inline constexpr size_t kPassedBatchCost = 64;

struct LogStoreOptions {
  // The data directory; created if missing. Only one process may open it at a time.
  std::string directory;

  // Memory for writes that are not in table files yet, per buffer; several may be in use. Bytes.
  size_t write_buffer_bytes = size_t{64} << 20;

  // Over all columns, writes that are not in table files yet are flushed once they take this much
  // memory. Bytes.
  size_t write_memory_bytes = size_t{384} << 20;

  // Memory for blocks read from table files, and for their indexes and filters. Bytes.
  size_t block_cache_bytes = size_t{64} << 20;

  // The number of files kept open for reading, at least 20. Files that are being written are not
  // included.
  size_t max_open_files = 1024;

  // The maximum size of the write-ahead log, which is replayed after a crash and so determines the
  // time to start. Bytes.
  size_t max_log_bytes = size_t{512} << 20;

  // After a crash the end of the write-ahead log may be torn, and is cut off. Damage before the end
  // makes Open fail, unless this is set: then everything from the damage on is dropped.
  bool drop_after_damage = false;

  // The size of the reserve, a file that is deleted when the disk is full, to leave room for
  // deletions; 0: none. Created by RestoreReserve. Bytes.
  uint64_t reserve_bytes = 0;

  // Decides when identities expire. Must outlive the store.
  const Clock* clock = &Clock::System();

  // The file system; null: the machine's. Must outlive the store.
  rocksdb::Env* env = nullptr;

  // Called with RocksDB's warnings, for people, on any thread. May be null.
  std::function<void(const std::string& message)> on_warning{};
};

// Thread-safe, except that only one thread at a time may write (LogWriter).
class LogStore {
 public:
  // The free space that a start needs, for new files of the store; it writes tables only if there
  // is room for them. Bytes.
  static constexpr uint64_t kStartBytes = uint64_t{8} << 20;

  // Opens or creates the store, and upgrades one of an older format. Returns FAILED_PRECONDITION,
  // with nothing changed, if another process has it open, or if a newer hub wrote its format;
  // DATA_LOSS if it is damaged; RESOURCE_EXHAUSTED if the disk has no room for the files written at
  // a start; UNAVAILABLE if the disk fails.
  static absl::StatusOr<std::unique_ptr<LogStore>> Open(const LogStoreOptions& options);
  ~LogStore();

  // The format of a store that may have sealed data: see FORMAT.md.
  static constexpr int kSealedDataFormat = 5;

  // The format of the directory. Not during RequireFormat.
  int format() const;
  // Records durably that hubs that do not know this format must not open the store, before
  // something is written that they would treat wrongly. Blocks on the disk the first time. Only the
  // thread that writes may call it.
  absl::Status RequireFormat(int format);

  // Writes the batch to the operating system, all or nothing. After an error the contents of the
  // disk are unknown, and the caller must not write again until the store is reopened.
  absl::Status Write(rocksdb::WriteBatch& batch);

  // Makes everything written before this call survive a power loss. May run concurrently with
  // Write. Errors as for Write.
  absl::Status Sync();

  // Appends to `out` the batches that hold the offsets from `from` up to `end` (exclusive), at
  // least one, and further ones while their total size is at most `max_bytes`. The events of a
  // batch that is not `wanted`, or whose events are all removed, are not read: the batch has no
  // chunks. The range must be within the log and not empty. Returns NOT_FOUND if the first batch
  // was trimmed meanwhile, and DATA_LOSS, with the offset at which to continue, if it is damaged;
  // if a later one is, appends the intact batches before it and returns OK.
  absl::Status Read(TopicId topic, PartitionId partition, Offset from, Offset end, size_t max_bytes,
                    std::vector<RecordBatchPtr>* out, WantedBatches wanted = AnyBatch) const;

  // The same for several ranges, ascending and disjoint: reads each batch that holds a part of them
  // once, until `more`, which is called before each, returns false.
  absl::Status ReadRanges(TopicId topic, PartitionId partition,
                          absl::Span<const OffsetRange> ranges, MoreBatches more,
                          std::vector<RecordBatchPtr>* out, WantedBatches wanted = AnyBatch) const;

  // Returns the bounds of a partition's log; all zero if it was never written.
  absl::StatusOr<LogBounds> Recover(TopicId topic, PartitionId partition) const;

  // Returns the batch that holds `offset`, without its events; NOT_FOUND if none does. One look-up
  // in the index, which may have to read the disk.
  absl::StatusOr<BatchInfo> FindBatch(TopicId topic, PartitionId partition, Offset offset) const;

  // Returns the bases of the batches that begin at `from` or later and before `end`, or nothing if
  // there are more than `limit`.
  absl::StatusOr<std::vector<Offset>> FindBatchBases(TopicId topic, PartitionId partition,
                                                     Offset from, Offset end, size_t limit) const;

  // Returns the start of the first batch of the range that was appended at `time` or later; the end
  // of the range if there is none.
  absl::StatusOr<LogPosition> SeekTime(TopicId topic, PartitionId partition, const LogBounds& range,
                                       absl::Time time) const;

  // Returns the start of the first batch of the range with at least `bytes_before` bytes before it;
  // the end of the range if there is none.
  absl::StatusOr<LogPosition> SeekBytes(TopicId topic, PartitionId partition,
                                        const LogBounds& range, uint64_t bytes_before) const;

  // Looks up one key; nullopt if it does not exist.
  absl::StatusOr<std::optional<std::string>> Get(Column column, absl::string_view key) const;

  // Looks up many keys at once, and calls `visit` for each, in order, with its index and its value,
  // if it has one. Never calls it if an error is returned.
  absl::Status GetAll(
      Column column, const std::vector<std::string>& keys,
      absl::FunctionRef<void(size_t index, std::optional<absl::string_view> value)> visit) const;

  // Calls `visit` for each key that starts with `prefix`, in order, with its value, until it
  // returns false.
  absl::Status Scan(
      Column column, absl::string_view prefix,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> visit) const;

  // The same, beginning with the first key that is not less than `from`, which must start with
  // `prefix`.
  absl::Status ScanFrom(
      Column column, absl::string_view prefix, absl::string_view from,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> visit) const;

  // Returns the last key that starts with `prefix` and is not greater than `upto`, which must start
  // with it too, and its value; nullopt if there is none.
  absl::StatusOr<std::optional<std::pair<std::string, std::string>>> FindLast(
      Column column, absl::string_view prefix, absl::string_view upto) const;

  // The runs of all partitions; see run_history.h.
  RunHistory& runs() { return runs_; }
  const RunHistory& runs() const { return runs_; }

  // Reclaims the disk space of the trimmed ranges of a topic. Slow; runs concurrently with
  // everything else. Returns CANCELLED soon after `cancellation` is cancelled, and
  // RESOURCE_EXHAUSTED if it needs more room than SetCompactionRoom() allows at present; the space
  // reclaimed until then stays reclaimed.
  absl::Status Reclaim(TopicId topic, const Cancellation& cancellation);
  absl::Status Reclaim(TopicId topic) {
    Cancellation never;
    return Reclaim(topic, never);
  }

  // Removes what was deleted under `prefix` from the tables and the write-ahead log. When it
  // returns, no file contains it. Slow; runs concurrently with all other operations.
  absl::Status Purge(Column column, const std::string& prefix);

  // A write that finds no space on the disk waits until there is some, and blocks the writes behind
  // it. After this call writes no longer wait: they fail, and the store refuses writes.
  void StopWaitingForSpace();
  // Returns whether a write is waiting for space.
  bool waiting_for_space() const;
  uint64_t reserve_bytes() const { return options_.reserve_bytes; }
  // Creates the reserve if it was released or never created; blocks on the disk.
  absl::Status RestoreReserve(const Cancellation& cancellation);

  // Limits the block cache to this many bytes from now on.
  void SetBlockCacheBytes(size_t bytes);
  size_t block_cache_bytes() const;
  // The memory taken by writes that are not in table files yet. Bytes.
  size_t write_memory_bytes() const;

  // Writes all data that is only in memory and in the write-ahead log to table files, which makes
  // the log's files obsolete. Slow; needs PendingBytes() of free space until the log is deleted.
  absl::Status WriteTables();
  // Returns whether the disk has room for WriteTables(), and that would help: a start had no room
  // to write tables, or the log takes much of the disk's remaining `room`, in bytes.
  bool ShouldWriteTables(uint64_t room) const;

  // The total size of the files. Bytes.
  uint64_t DiskBytes() const;
  // The disk space that is still to be written: for data that is only in memory and in the
  // write-ahead log, and for running compactions. Bytes.
  uint64_t PendingBytes() const;
  // The space that the largest compaction of recently written tables would need now. Bytes.
  uint64_t NextCompactionBytes() const;
  // Compactions that do not fit into this much space, in addition to the running ones, wait. At
  // first it is the space that was free at Open().
  void SetCompactionRoom(uint64_t bytes);
  // The size of the write-ahead log. Bytes.
  uint64_t LogBytes() const;
  // The free space on the store's disk, in bytes; nullopt if it is unknown.
  std::optional<uint64_t> DiskFreeBytes() const;

  // The commits of the writer that writes to this store.
  VisibleCommits& visible_commits() const { return *visible_commits_; }

  rocksdb::ColumnFamilyHandle* handle(Column column) const {
    return handles_[static_cast<size_t>(column)];
  }

 private:
  explicit LogStore(const LogStoreOptions& options);
  absl::Status OpenDb();
  // Returns the start of the first batch of the range for which `lies_before` is false. It must be
  // true for all batches before one for which it is true.
  absl::StatusOr<LogPosition> SeekFirst(
      TopicId topic, PartitionId partition, const LogBounds& range,
      absl::FunctionRef<bool(const BatchHeader& batch)> lies_before) const;
  // Returns the value of a batch's key in `events`, without copying it if it is large. May outlive
  // the store.
  absl::StatusOr<SharedBytes> ReadEvents(absl::string_view key, const BatchHeader& header) const;

  // Divides a compaction of the keys from `first` to `last` into pieces of bounded size, and
  // returns the end of each.
  std::vector<std::string> CompactionPieces(Column column, const std::string& first,
                                            const std::string& last) const;
  // Returns CANCELLED, between two pieces, once cancelled.
  absl::Status CompactInPieces(Column column, rocksdb::CompactRangeOptions options,
                               const std::string& first, const std::string& last,
                               const Cancellation& cancellation);

  // Rewrites blob files that contain much trimmed data, as far as there is room.
  absl::Status CollectBlobs(const Cancellation& cancellation);

  absl::Status DamagedLog(const rocksdb::Status& cause) const;
  // Checks that the disk has enough room to open the log, which RocksDB asserts while it opens.
  absl::Status CheckRoomToOpen() const;
  // Returns whether the disk has this much free space.
  bool HasRoom(uint64_t bytes) const;
  // Returns OK if tables are not deferred.
  absl::Status EndDeferral();

  const LogStoreOptions options_;
  std::unique_ptr<DiskReserve> reserve_;
  std::unique_ptr<CompactionRoom> compactions_;
  const std::unique_ptr<VisibleCommits> visible_commits_ = std::make_unique<VisibleCommits>();
  RunHistory runs_;
  std::unique_ptr<FailStop> fail_stop_;
  std::unique_ptr<DataDirectory> directory_;  // Before the store in it, so released last.
  std::shared_ptr<rocksdb::Cache> block_cache_;
  std::shared_ptr<rocksdb::WriteBufferManager> write_memory_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::atomic<uint64_t> compaction_room_{UINT64_MAX};
  // Since a start without room to write tables: all unwritten data stays in memory.
  std::atomic<bool> tables_deferred_{false};
};

}  // namespace eventhub

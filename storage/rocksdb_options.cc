#include "storage/rocksdb_options.h"

#include <algorithm>
#include <memory>

#include "rocksdb/compaction_filter.h"
#include "rocksdb/env.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/table_properties_collectors.h"
#include "storage/key_codec.h"
#include "storage/store_logger.h"

namespace eventhub {

rocksdb::Env* EnvOf(const LogStoreOptions& options) {
  return options.env != nullptr ? options.env : rocksdb::Env::Default();
}

rocksdb::DBOptions MakeDbOptions(const LogStoreOptions& options, rocksdb::Env* env) {
  rocksdb::DBOptions db;
  db.env = env;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.max_total_wal_size = options.max_log_bytes;
  db.max_background_jobs = 8;  // Two of them flush.
  db.max_open_files = static_cast<int>(options.max_open_files);
  // A start does not wait for a flush; the log's size bounds the memory. A damaged log is flushed
  // and deleted, or every later start would find the damage again.
  db.avoid_flush_during_recovery = !options.drop_after_damage;
  // RocksDB's default would silently drop everything after a damaged record in the middle of the
  // log.
  db.wal_recovery_mode = options.drop_after_damage
                             ? rocksdb::WALRecoveryMode::kPointInTimeRecovery
                             : rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // Older logs that are missing, or shorter than when they were synced, are damaged.
  db.track_and_verify_wals_in_manifest = !options.drop_after_damage;
  // There is only one writer; support for several is overhead.
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;
  // If flushing falls behind, writes are slowed to this rate instead of RocksDB's 16 MB/s. Bytes
  // per second.
  db.delayed_write_rate = uint64_t{2} << 30;
  // Starts writing data to disk right away, not only at the sync that waits for it.
  db.wal_bytes_per_sync = uint64_t{1} << 20;
  db.bytes_per_sync = uint64_t{1} << 20;
  db.info_log = std::make_shared<StoreLogger>(options.on_warning);
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  return db;
}

namespace {

using BlockCache = std::shared_ptr<rocksdb::Cache>;

// Keeps indexes and filters of tables in the cache too, so that its size bounds all of them.
rocksdb::BlockBasedTableOptions MakeTableOptions(const BlockCache& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  return table;
}

rocksdb::ColumnFamilyOptions MakeSmallColumnOptions(const LogStoreOptions& options,
                                                    const BlockCache& cache) {
  rocksdb::ColumnFamilyOptions column;
  column.write_buffer_size = std::min(size_t{16} << 20, options.write_buffer_bytes);
  column.compression = rocksdb::kNoCompression;
  // Repeats the compression setting per level. Otherwise RocksDB 7.8 moves a new table to the next
  // level without checking the compactions running there, and if their ranges overlap, ends the
  // process or creates overlapping tables (TryPickL0TrivialMove).
  column.compression_per_level = {rocksdb::kNoCompression};
  column.table_factory.reset(rocksdb::NewBlockBasedTableFactory(MakeTableOptions(cache)));
  return column;
}

rocksdb::ColumnFamilyOptions MakeEventsColumnOptions(const LogStoreOptions& options,
                                                     const BlockCache& cache) {
  rocksdb::ColumnFamilyOptions column = MakeSmallColumnOptions(options, cache);
  column.write_buffer_size = options.write_buffer_bytes;
  column.max_write_buffer_number = 4;
  column.level0_slowdown_writes_trigger = 40;
  column.level0_stop_writes_trigger = 60;
  // Small tables: they hold keys, each of which may refer to a large blob that reclaiming space has
  // to read.
  column.target_file_size_base = uint64_t{4} << 20;
  column.enable_blob_files = true;
  column.min_blob_size = kMinBlobBytes;
  column.blob_file_size = uint64_t{128} << 20;
  return column;
}

// For short-lived records: a table in which deletions accumulate is compacted at once, so that
// scans do not have to skip them.
rocksdb::ColumnFamilyOptions MakeShortLivedColumnOptions(const LogStoreOptions& options,
                                                         const BlockCache& cache) {
  constexpr size_t kWindow = 1024;  // Consecutive keys of a table.
  constexpr size_t kDeletions = 512;
  constexpr double kDeletionShare = 0.5;
  rocksdb::ColumnFamilyOptions column = MakeSmallColumnOptions(options, cache);
  column.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(kWindow, kDeletions, kDeletionShare));
  return column;
}

// Drops expired identities; keeps records that it does not know.
class ExpiryFilter final : public rocksdb::CompactionFilter {
 public:
  explicit ExpiryFilter(int64_t now) : now_(now) {}

  const char* Name() const override { return "eventhub.Expiry"; }

  bool Filter(int, const rocksdb::Slice&, const rocksdb::Slice& value, std::string*,
              bool*) const override {
    constexpr size_t kSize = 32;
    constexpr size_t kExpiry = 12;
    if (value.size() != kSize || LoadLittle32(value.data()) != 1) return false;
    return static_cast<int64_t>(LoadLittle64(value.data() + kExpiry)) <= now_;
  }

 private:
  const int64_t now_;
};

class ExpiryFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit ExpiryFilterFactory(const Clock& clock) : clock_(clock) {}

  const char* Name() const override { return "eventhub.Expiry"; }

  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<ExpiryFilter>(absl::ToUnixMicros(clock_.DeletionTime()));
  }

 private:
  const Clock& clock_;
};

// For look-ups of single keys.
rocksdb::ColumnFamilyOptions MakeLookUpColumnOptions(const LogStoreOptions& options,
                                                     const BlockCache& cache) {
  constexpr double kFilterBitsPerKey = 10;
  rocksdb::ColumnFamilyOptions column = MakeSmallColumnOptions(options, cache);
  rocksdb::BlockBasedTableOptions table = MakeTableOptions(cache);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  column.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return column;
}

rocksdb::ColumnFamilyOptions MakeIdentitiesColumnOptions(const LogStoreOptions& options,
                                                         const BlockCache& cache) {
  rocksdb::ColumnFamilyOptions column = MakeLookUpColumnOptions(options, cache);
  column.compaction_filter_factory = std::make_shared<ExpiryFilterFactory>(*options.clock);
  return column;
}

}  // namespace

void DeferTables(rocksdb::DBOptions* db, std::vector<rocksdb::ColumnFamilyDescriptor>* columns) {
  constexpr size_t kUnbounded = size_t{64} << 30;  // The most that RocksDB accepts.
  for (rocksdb::ColumnFamilyDescriptor& column : *columns) {
    // The default for the ordinary buffer; RocksDB asserts that blocks fit into the buffer.
    column.options.arena_block_size =
        std::min(size_t{1} << 20, column.options.write_buffer_size / 8);
    column.options.write_buffer_size = kUnbounded;
  }
  db->write_buffer_manager->SetBufferSize(kUnbounded);
  db->max_total_wal_size = kUnbounded;
  db->allow_fallocate = false;  // It would preallocate a log for such a buffer.
}

std::vector<rocksdb::ColumnFamilyDescriptor> MakeColumns(
    const LogStoreOptions& options, const std::shared_ptr<rocksdb::Cache>& cache) {
  return {
      {rocksdb::kDefaultColumnFamilyName, MakeSmallColumnOptions(options, cache)},
      {"events", MakeEventsColumnOptions(options, cache)},
      {"index", MakeSmallColumnOptions(options, cache)},
      {"producers", MakeShortLivedColumnOptions(options, cache)},
      {"cursors", MakeShortLivedColumnOptions(options, cache)},
      {"delayed", MakeShortLivedColumnOptions(options, cache)},
      {"identities", MakeIdentitiesColumnOptions(options, cache)},
      {"latest", MakeLookUpColumnOptions(options, cache)},
  };
}

}  // namespace eventhub

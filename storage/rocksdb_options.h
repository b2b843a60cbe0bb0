// RocksDB's configuration for a log, and the reasons for options that are not at their defaults.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "storage/log_store.h"

namespace eventhub {

// Smaller values are stored next to their key: a blob costs an extra record and look-up.
inline constexpr uint64_t kMinBlobBytes = 4096;

rocksdb::Env* EnvOf(const LogStoreOptions& options);

// Options for an instance on the files of `env`.
rocksdb::DBOptions MakeDbOptions(const LogStoreOptions& options, rocksdb::Env* env);

// For a start on a disk without room for tables: all of the log stays in memory, as before the
// crash, until the options of MakeDbOptions and MakeColumns are set.
void DeferTables(rocksdb::DBOptions* db, std::vector<rocksdb::ColumnFamilyDescriptor>* columns);

// The column families in the order of Column. They share a block cache.
std::vector<rocksdb::ColumnFamilyDescriptor> MakeColumns(
    const LogStoreOptions& options, const std::shared_ptr<rocksdb::Cache>& block_cache);

}  // namespace eventhub

// How RocksDB is set up for a log: why it is not at its defaults.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "storage/log_store.h"

namespace eventhub {

// Below this a value stays beside its key: a blob has a fixed cost of a record and a look-up.
inline constexpr uint64_t kMinBlobBytes = 4096;

rocksdb::Env* EnvOf(const LogStoreOptions& options);

// On the files of `env`.
rocksdb::DBOptions MakeDbOptions(const LogStoreOptions& options, rocksdb::Env* env);

// The column families in the order of Column, which share a block cache.
std::vector<rocksdb::ColumnFamilyDescriptor> MakeColumns(
    const LogStoreOptions& options, const std::shared_ptr<rocksdb::Cache>& block_cache);

}  // namespace eventhub

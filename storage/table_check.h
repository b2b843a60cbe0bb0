// Finds damage to tables that RocksDB does not report as what it is.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace eventhub {

// Checks the tables in the directory of a RocksDB instance that is not open for damage that would
// fail an assertion when it is opened: RocksDB 7.8 interprets the properties of a table before it
// verifies their checksum. DATA_LOSS names the table. Other damage is OK, since RocksDB reports it.
// Reads some hundred bytes of each table.
absl::Status CheckTables(rocksdb::Env* env, const std::string& directory);

// Opens each table, and describes those that fail, with their names; empty if there are none. For
// errors of RocksDB that do not name the table. Reads only what the opening of an instance reads:
// the index and the properties of a table, not its data. Call after CheckTables.
std::string DamagedTables(rocksdb::Env* env, const std::string& directory);

}  // namespace eventhub

// Looks for damage in the write-ahead log that RocksDB's recovery would take for its end.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace eventhub {

// Checks the write-ahead log in the directory of a RocksDB instance that is not open.
//
// RocksDB cuts a log off at a record that is longer than the rest of the file, or empty, since a
// crash leaves such an end; one flipped bit in a length or one sector of zeros looks the same, and
// all that was acknowledged after it would be gone without a word. But a torn end is the end. So
// this follows the records, and where they stop, looks for one that is whole behind the stop; it
// also checks that the sequence numbers leave no gap. Sums of records that are in order are left to
// RocksDB, unless it is kWithSums.
//
// DATA_LOSS names the file and the place. FAILED_PRECONDITION: it holds a whole record of a type
// that RocksDB 7.8, as it is set up here, does not write, so another version of the hub wrote it. A
// log whose very last write is damaged cannot be told from a torn one, and is OK.
enum class WalCheck { kOrder, kWithSums };
absl::Status CheckWriteAheadLog(rocksdb::Env* env, const std::string& directory,
                                WalCheck check = WalCheck::kOrder);

}  // namespace eventhub

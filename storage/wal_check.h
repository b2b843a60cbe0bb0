// Finds damage in the write-ahead log that RocksDB's recovery would mistake for its end.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace eventhub {

// Checks the write-ahead log in the directory of a RocksDB instance that is not open.
//
// RocksDB cuts a log off at a record that is empty or longer than the rest of the file, because a
// crash leaves such an end. One flipped bit in a length or one sector of zeros looks the same, and
// everything acknowledged after it would be lost silently. But nothing follows a torn end.
// Therefore this function follows the records and, where they stop, searches the rest for a
// complete one; it also checks that the sequence numbers have no gap. RocksDB verifies the
// checksums of the followed records; with kWithSums, this function does so too.
//
// DATA_LOSS names the file and the position. FAILED_PRECONDITION: the log contains a complete
// record of a type that RocksDB 7.8, as configured here, does not write, so another version of the
// hub wrote it. Damage to the very last write of a log is indistinguishable from a torn write, and
// is OK.
enum class WalCheck { kOrder, kWithSums };
absl::Status CheckWriteAheadLog(rocksdb::Env* env, const std::string& directory,
                                WalCheck check = WalCheck::kOrder);

}  // namespace eventhub

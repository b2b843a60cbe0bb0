// The only place that converts a rocksdb::Status to an absl::Status.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rocksdb/status.h"

namespace eventhub {

// `what` describes the operation and its object: "write to the log in /data". Returns
// RESOURCE_EXHAUSTED if the disk is full or has no room for a compaction, DATA_LOSS if data is
// damaged, and UNAVAILABLE for any other disk error.
absl::Status FromRocksDb(const rocksdb::Status& status, absl::string_view what);

// The same for reads of stored data: a missing file is damage (DATA_LOSS).
absl::Status FromRocksDbRead(const rocksdb::Status& status, absl::string_view what);

}  // namespace eventhub

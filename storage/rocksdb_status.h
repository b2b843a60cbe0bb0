// The one place that turns a rocksdb::Status into an absl::Status.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rocksdb/status.h"

namespace eventhub {

// `what` says what was tried, and on what: "write to the log in /data". Out of space:
// RESOURCE_EXHAUSTED; damaged data: DATA_LOSS; any other trouble of the disk: UNAVAILABLE.
absl::Status FromRocksDb(const rocksdb::Status& status, absl::string_view what);

// The same of a read of what the store has: a file that is missing is damage (DATA_LOSS).
absl::Status FromRocksDbRead(const rocksdb::Status& status, absl::string_view what);

}  // namespace eventhub

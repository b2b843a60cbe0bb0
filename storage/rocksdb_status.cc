#include "storage/rocksdb_status.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace eventhub {

absl::Status FromRocksDb(const rocksdb::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat(what, ": ", status.ToString());
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit) {
    return absl::ResourceExhaustedError(message);
  }
  if (status.IsCompactionTooLarge()) {
    return absl::ResourceExhaustedError(absl::StrCat(what, ": the disk has no room for it"));
  }
  if (status.IsCorruption()) return absl::DataLossError(message);
  if (status.IsManualCompactionPaused()) return absl::CancelledError(message);
  if (status.IsNotFound()) return absl::NotFoundError(message);
  return absl::UnavailableError(message);
}

absl::Status FromRocksDbRead(const rocksdb::Status& status, absl::string_view what) {
  if (!status.IsPathNotFound()) return FromRocksDb(status, what);
  return absl::DataLossError(absl::StrCat(what, ": a file is missing: ", status.ToString()));
}

}  // namespace eventhub

#include "server/lake/store/open_store.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/lake/store/directory_store.h"
#include "server/lake/store/s3_store.h"

namespace eventhub::lake {

absl::Status CheckStoreLocation(absl::string_view location) {
  if (absl::StartsWith(location, "s3://")) return ParseS3Url(location).status();
  if (!location.empty() && !absl::StrContains(location, "://")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", location, "' is not a lake: a directory, or s3://BUCKET/PREFIX"));
}

namespace {

absl::StatusOr<std::unique_ptr<ObjectStore>> Open(absl::string_view location, StoreAccess access) {
  if (absl::StartsWith(location, "s3://")) {
    absl::StatusOr<S3Options> options = ParseS3Url(location);
    if (!options.ok()) return options.status();
    auto store = std::make_unique<S3Store>(*std::move(options));
    const absl::Status usable = store->Probe();
    // A writer starts without its store, and tries again.
    const bool later = access == StoreAccess::kWrite && FaultOf(usable) == StoreFault::kRetryable;
    if (!usable.ok() && !later) return usable;
    return store;
  }
  if (absl::Status valid = CheckStoreLocation(location); !valid.ok()) return valid;
  return DirectoryStore::Open(std::string(location), access == StoreAccess::kWrite
                                                         ? DirectoryStore::Mode::kCreate
                                                         : DirectoryStore::Mode::kRead);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectStore>> OpenObjectStore(absl::string_view location,
                                                             StoreAccess access,
                                                             std::shared_ptr<StoreCalls> calls) {
  absl::StatusOr<std::unique_ptr<ObjectStore>> store = Open(location, access);
  if (!store.ok() || calls == nullptr) return store;
  return WatchStore(*std::move(store), std::move(calls));
}

}  // namespace eventhub::lake

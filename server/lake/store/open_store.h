// OpenObjectStore: the store that the flag --lake names.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/store/object_store.h"
#include "server/lake/store/watched_store.h"

namespace eventhub::lake {

enum class StoreAccess {
  kRead,
  kWrite,  // Makes a directory that is not there. A service need not be available yet.
};

// INVALID_ARGUMENT if `location` is neither a directory's name nor an S3 URL. Opens nothing.
absl::Status CheckStoreLocation(absl::string_view location);

// `location` is a directory, or an S3 URL as ParseS3Url (s3_store.h) takes it. INVALID_ARGUMENT if
// it is neither; NOT_FOUND if the directory is not there; else what the store says. The calls of
// the store are noted in `calls`, if that is not null.
absl::StatusOr<std::unique_ptr<ObjectStore>> OpenObjectStore(
    absl::string_view location, StoreAccess access, std::shared_ptr<StoreCalls> calls = nullptr);

}  // namespace eventhub::lake

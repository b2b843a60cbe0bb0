// Stores for data that is too large for events; see eventhub/claim_check.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace eventhub::client {

// Where data is kept that events refer to. Implementations are thread-safe; calls may block.
class BlobStore {
 public:
  virtual ~BlobStore() = default;

  // Stores data, and returns the URI under which Get finds it. It is durable when this returns. To
  // store the same data again is harmless.
  virtual absl::StatusOr<std::string> Put(std::string_view data) = 0;

  // Returns the data, which it verifies to be what was stored. NOT_FOUND: there is none, or no
  // longer. DATA_LOSS: it is damaged. INVALID_ARGUMENT: `uri` is not one of this store's. Errors
  // that may pass are UNAVAILABLE, DEADLINE_EXCEEDED or RESOURCE_EXHAUSTED.
  virtual absl::StatusOr<std::string> Get(std::string_view uri) = 0;
};

struct DirectoryBlobStoreOptions {
  // Created if it does not exist; its parent must exist. Required. Any number of processes can use
  // one directory at a time. A network file system must support flock and atomic renames.
  std::string directory{};

  // The maximum size of a blob, which is read into memory as a whole; at least 1.
  size_t max_blob_bytes = 256 * 1024 * 1024;
};

// A directory with a file for each blob, named by its SHA-256 digest: equal data is stored once.
// Its URIs are those of RFC 6920, `ni:///sha-256;…`, which name data wherever it is, so the
// directory can be moved and copied. The file of a blob is `01/0123…`, its digest in hexadecimal.
class DirectoryBlobStore final : public BlobStore {
 public:
  // INVALID_ARGUMENT, naming the option, if one is out of range; otherwise an error of the file
  // system.
  static absl::StatusOr<std::unique_ptr<DirectoryBlobStore>> Open(
      DirectoryBlobStoreOptions options);

  // Writes a file, syncs it, and renames it into place; if there is one with the same data, only
  // marks it as used. INVALID_ARGUMENT: the data is larger than `max_blob_bytes`.
  // RESOURCE_EXHAUSTED: the disk is full. After a crash, the blob is there as a whole, or not.
  absl::StatusOr<std::string> Put(std::string_view data) override;

  // RESOURCE_EXHAUSTED: the blob is larger than `max_blob_bytes`.
  absl::StatusOr<std::string> Get(std::string_view uri) override;

  struct CleanUp {
    uint64_t deleted = 0;
    uint64_t deleted_bytes = 0;
    uint64_t kept = 0;
    uint64_t kept_bytes = 0;
  };

  // Deletes the blobs that were last put before `before`, and what crashed writers left. Let that
  // be longer ago than events are kept, in topics, outboxes and dead letters: the store does not
  // know who refers to a blob. A blob that another process puts meanwhile is kept. After an error,
  // some blobs may have been deleted.
  absl::StatusOr<CleanUp> DeleteUnusedSince(absl::Time before);

 private:
  explicit DirectoryBlobStore(DirectoryBlobStoreOptions options);

  const DirectoryBlobStoreOptions options_;
};

}  // namespace eventhub::client

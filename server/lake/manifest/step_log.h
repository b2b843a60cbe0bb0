// StepLog: numbered, immutable records in an object store, of which exactly one writer adds the
// next. Manifests, the catalog and the owners are such logs.
//
// A step is stored by a conditional put under the next number. From time to time a checkpoint says
// what all steps up to its number amount to, and `_latest`, which is overwritten, names it. A
// reader takes the checkpoint, then the steps after it until one is absent; it lists nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

enum class RecordKind : uint8_t {
  kStep = 1,
  kCheckpoint = 2,
  kLatest = 3,
  kHub = 4,
  kKeys = 5,
  kErasures = 6
};

// A record as a file: a header with its kind and number, the payload, and a checksum.
std::string EncodeRecord(RecordKind kind, uint64_t number, absl::string_view payload);

// The payload, which is a part of `file`. DATA_LOSS if it is damaged or is not this record;
// UNIMPLEMENTED if its version is later than this program's. Both say `name`.
absl::StatusOr<absl::string_view> DecodeRecord(absl::string_view name, RecordKind kind,
                                               uint64_t number, absl::string_view file);

// Thread-compatible. The store must outlive it.
class StepLog {
 public:
  // Called with the payload of a checkpoint, at most once and first, and with those of the steps
  // after it, in order.
  using Visit =
      std::function<absl::Status(RecordKind kind, uint64_t number, absl::string_view payload)>;

  // `directory` without a `/` at its end.
  StepLog(ObjectStore& store, std::string directory);

  // Reads the log. NOT_FOUND never: a log may be empty. Errors of `visit` end it.
  static absl::Status Read(const ObjectStore& store, const std::string& directory,
                           const Visit& visit);

  // Reads the log, and knows then where to append.
  absl::Status Load(const Visit& visit);

  // Stores the next step. ABORTED if another writer has stored one of that number. After a
  // retryable or ambiguous error the same payload must be given again: it may be there already, or
  // arrive later, and is then recognized.
  absl::Status Append(absl::string_view payload);

  // Stores what all steps so far amount to.
  absl::Status WriteCheckpoint(absl::string_view payload);

  uint64_t last_step() const { return last_step_; }
  uint64_t last_checkpoint() const { return last_checkpoint_; }

  static std::string StepName(absl::string_view directory, uint64_t number);
  static std::string CheckpointName(absl::string_view directory, uint64_t number);
  static std::string LatestName(absl::string_view directory);

 private:
  ObjectStore& store_;
  const std::string directory_;
  uint64_t last_step_ = 0;
  uint64_t last_checkpoint_ = 0;
};

}  // namespace eventhub::lake

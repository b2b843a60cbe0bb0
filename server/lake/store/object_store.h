// ObjectStore: where a lake keeps its objects; a directory, or a service that speaks S3.
//
// The interface has what every such store can do: objects that are written once and appear whole,
// a put that fails if the name is taken, and reads of ranges. It has no rename, and a writer names
// its object before the first byte.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace eventhub::lake {

// What a failed call of a store means to its caller.
enum class StoreFault {
  kNone,       // It did not fail.
  kRetryable,  // Nothing was changed; the same call may succeed later.
  kAmbiguous,  // A change may have been made, or may still be made. Read to know.
  kPermanent,  // Nothing was changed; the same call fails again.
};

// The codes that stores return:
//
//   UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED  retryable: unreachable, throttled, full
//   UNKNOWN                                             ambiguous
//   any other                                           permanent
//
// NOT_FOUND: there is no such object. ALREADY_EXISTS: PutIfAbsent found one. INVALID_ARGUMENT: the
// name or the range is not valid. PERMISSION_DENIED: the store refuses the caller.
StoreFault FaultOf(const absl::Status& status);

// Checks a name of an object: segments of 1 to 255 bytes joined by `/`, 1024 bytes at most, none of
// which is `.` or `..` or begins with `.tmp`; no control characters.
absl::Status CheckObjectName(absl::string_view name);

struct ObjectInfo {
  std::string name;
  uint64_t bytes = 0;
  absl::Time modified{};  // When it was stored, by the store's clock.
};

struct ObjectPage {
  std::vector<ObjectInfo> objects;  // By name, in the order of its bytes.
  bool more = false;                // Whether there are objects after the last of these.
};

// One object that is being written. It is visible after Commit(), all at once; without it, never.
// Destroying the sink aborts it. Thread-compatible.
class ObjectSink {
 public:
  ObjectSink() = default;
  virtual ~ObjectSink() = default;
  ObjectSink(const ObjectSink&) = delete;
  ObjectSink& operator=(const ObjectSink&) = delete;

  // After an error the sink can only be aborted.
  virtual absl::Status Append(absl::string_view bytes) = 0;

  // Makes the object durable and visible. It takes the place of an object of that name. After an
  // ambiguous error, the object is there or is not.
  virtual absl::Status Commit() = 0;

  // Forgets what was appended. Nothing after Commit().
  virtual void Abort() = 0;
};

// Thread-safe.
class ObjectStore {
 public:
  // As `length` of Get: to the end of the object.
  static constexpr uint64_t kToEnd = std::numeric_limits<uint64_t>::max();

  ObjectStore() = default;
  virtual ~ObjectStore() = default;
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;

  // Begins an object.
  virtual absl::StatusOr<std::unique_ptr<ObjectSink>> Create(absl::string_view name) = 0;

  // Stores a small object durably, unless one of that name is there: ALREADY_EXISTS. Of several
  // such calls at once, one succeeds.
  virtual absl::Status PutIfAbsent(absl::string_view name, absl::string_view bytes) = 0;

  // Stores a small object durably, in the place of one of that name.
  virtual absl::Status Put(absl::string_view name, absl::string_view bytes) = 0;

  // Reads `length` bytes from `offset`, or fewer where the object ends. INVALID_ARGUMENT if the
  // object ends before `offset`.
  virtual absl::StatusOr<std::string> Get(absl::string_view name, uint64_t offset,
                                          uint64_t length) const = 0;

  // The size in bytes.
  virtual absl::StatusOr<uint64_t> Size(absl::string_view name) const = 0;

  // The objects whose names begin with `prefix` and are greater than `after`, at most `limit`.
  // Expensive: for checks and repairs only.
  virtual absl::StatusOr<ObjectPage> List(absl::string_view prefix, absl::string_view after,
                                          size_t limit) const = 0;

  // Removes an object; OK if there is none.
  virtual absl::Status Delete(absl::string_view name) = 0;

  // Removes all versions of an object but the present one, which a bucket with versioning keeps.
  virtual absl::Status RemoveOldVersions(absl::string_view /*name*/) { return absl::OkStatus(); }

  // Removes what writers left that ended without Commit() or Abort(), as in a crash. Only for the
  // owner of the lake, while it writes nothing. Services do this themselves, by a rule of the
  // bucket for incomplete uploads.
  virtual absl::Status RemoveLeftovers() { return absl::OkStatus(); }

  // Makes calls in progress and later ones fail soon, for a process that is about to end.
  virtual void Interrupt() {}

  // What people call this store: `/srv/lake`, `s3://bucket/prefix`.
  virtual std::string Describe() const = 0;
};

}  // namespace eventhub::lake

// The owner of a lake: the one hub that writes it.
//
// Each claim is an immutable record whose number is its epoch, stored by a conditional put, so that
// of two hubs that claim a lake at once one succeeds. Who was fenced finds a record of a greater
// epoch, and its steps collide with those of the new owner.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

struct LakeOwner {
  std::string hub;  // The id of the hub, not empty.
  uint64_t epoch = 0;
  std::string description{};  // For people: a host name, an address.
  absl::Time since{};
  bool takeover = false;  // Whether it took the lake from another hub.
};

struct LakeClaim {
  std::string hub;
  std::string description{};
  bool takeover = false;  // Also if another hub owns the lake.
  absl::Time now;
};

// The present owner; nothing if no hub ever wrote this lake.
absl::StatusOr<std::optional<LakeOwner>> ReadOwner(const ObjectStore& store);

// Makes the hub the owner, with a new epoch. FAILED_PRECONDITION, naming the owner, if that is
// another hub and this is no takeover. ABORTED if another hub claimed it at the same time.
// Retryable errors may be retried; an attempt that succeeded unseen costs an epoch.
absl::StatusOr<LakeOwner> ClaimLake(ObjectStore& store, const LakeClaim& claim);

// ABORTED, naming the new owner, if `owner` is fenced. Reads one small object.
absl::Status CheckOwner(const ObjectStore& store, const LakeOwner& owner);

}  // namespace eventhub::lake

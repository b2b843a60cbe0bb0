// Sets up the data directory of a hub from its lake.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/broker.h"
#include "server/lake/store/watched_store.h"

namespace eventhub {

struct RestoreProgress {
  uint64_t topics = 0;
  uint64_t events = 0;  // Restored by this call.
  uint64_t total = 0;   // To restore by this call.
};

struct LakeRestoreOptions {
  std::string lake;  // Its location; see OpenObjectStore.
  // Of the hub: where its data is, its limits, its clock.
  BrokerOptions broker;
  // Called at intervals of `progress_events` events (at least 1); false ends the restore with
  // CANCELLED.
  std::function<bool(const RestoreProgress&)> progress;
  uint64_t progress_events = 4096;
  // Where the calls of the lake are noted; null: nowhere.
  std::shared_ptr<lake::StoreCalls> calls{};
};

// Creates the topics of the hub that last wrote the lake, with their ids and settings, and their
// events, with their offsets and append times, as far as the retention of a topic by age keeps
// them; subscriptions, where they were when the lake was told last; routes and links. What is
// appended later belongs to another run, and archiving goes on where the lake ends. The lake is not
// changed.
//
// After an error, a crash or a cancellation the same call goes on. FAILED_PRECONDITION, with
// nothing changed: the directory has a hub that is not an earlier state of that of the lake, or
// `broker` lacks a master key with which keys in the lake are wrapped.
// NOT_FOUND: there is no lake.
absl::StatusOr<RestoreProgress> RestoreFromLake(LakeRestoreOptions options);

}  // namespace eventhub

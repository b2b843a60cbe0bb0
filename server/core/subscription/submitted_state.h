// The state of a subscription as of the last change submitted, which may not be visible yet.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "server/core/subscription/cursor/commit_changes.h"
#include "storage/base/types.h"

namespace eventhub {

// Commit thread only: tasks decide by this state, all others see the visible one.
struct SubmittedState {
  explicit SubmittedState(SubscriptionRecordPtr record) : record(std::move(record)) {}

  const v1::Subscription& settings() const { return record->record.settings(); }

  // Seeks and snapshots take several commits, and are carried out one after another. Returns
  // whether this one may go on: no other one is in progress.
  bool TakesTurn(const void* work) {
    if (long_change == nullptr) long_change = work;
    return long_change == work;
  }
  void EndTurn() { long_change = nullptr; }

  // Call before the commit in progress is written: from then on the store shows its changes.
  void EndCommit() {
    changed_letters.clear();
    opened_letters_in.clear();
    changed_snapshots.clear();
  }

  SubscriptionRecordPtr record;
  bool closing = false;               // The deletion was submitted.
  const void* long_change = nullptr;  // The seek or snapshot in progress.
  // The number of seeks and of calls that end all replays. A replay that is added over several
  // commits ends at the next of them.
  uint64_t replay_ends = 0;

  // Of the commit in progress, whose changes the store does not show yet: keys of dead letters that
  // it closes and of faults that it changes, topics to which it adds dead letters, and keys of
  // snapshots that it creates (true) or deletes.
  absl::flat_hash_set<std::string> changed_letters;
  absl::flat_hash_set<TopicId> opened_letters_in;
  absl::flat_hash_map<std::string, bool> changed_snapshots;
};

}  // namespace eventhub

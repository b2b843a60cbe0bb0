// What a change of a subscription causes outside of it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/consumer_group.h"
#include "server/core/subscription/dispatch/event_source.h"
#include "server/core/subscription/dispatch/history_ahead.h"
#include "storage/commit_builder.h"

namespace eventhub {

// Collected under the subscription's mutex, carried out after it is released: see
// Subscription::Perform.
struct Aftermath {
  Aftermath() = default;
  explicit Aftermath(const CommitBuilder& builder) : commit(builder.number()) {}

  // Something ends, or becomes due, at that time of the monotonic clock, in microseconds.
  void SetAlarm(int64_t due) { alarm = std::min(alarm, due); }

  int64_t commit = 0;  // The commit that the change is part of; 0: none.
  ConsumerGroup::WakeList wake;
  std::vector<Parked> park;
  std::optional<EventFetch> history;           // Events to be read from the history.
  std::unique_ptr<HistoryAhead> history_used;  // Destroyed without the mutex.
  bool flush = false;                          // A cursor is to be written, with any commit.
  bool await_visible = false;  // Call OnVisible when all written commits are visible.
  int64_t alarm = std::numeric_limits<int64_t>::max();
};

}  // namespace eventhub

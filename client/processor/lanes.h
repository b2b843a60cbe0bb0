// Keeps the order in which events of one key or partition are settled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "eventhub/processor/internal/trigger.h"

namespace eventhub::processor::internal {

// Pipelines may finish events of a lane out of order, because another pipeline has to wait.
class Lanes {
 public:
  bool empty() const { return lanes_.empty(); }

  // Called in the order of delivery, for each trigger that has a lane.
  void Add(Trigger& trigger) {
    trigger.done = false;
    trigger.next_in_lane = nullptr;
    Lane& lane = lanes_[trigger.lane];
    (lane.last != nullptr ? lane.last->next_in_lane : lane.first) = &trigger;
    lane.last = &trigger;
  }

  // Calls `visit` for the triggers between `a` and `b`, which must be of one lane and not done, and
  // may be the same.
  template <typename Visit>
  void ForEachBetween(const Trigger& a, const Trigger& b, Visit visit) const {
    const auto& [first, last] = std::minmax(
        a, b, [](const Trigger& left, const Trigger& right) { return left.number < right.number; });
    for (Trigger* at = first.next_in_lane; at != nullptr && at->number < last.number;
         at = at->next_in_lane) {
      visit(*at);
    }
  }

  // Called when all pipelines are done with `trigger`. Calls `release` for each trigger that is
  // done and is the first of its lane.
  template <typename Release>
  void Done(Trigger& trigger, Release release) {
    trigger.done = true;
    const auto it = lanes_.find(trigger.lane);
    if (it->second.first != &trigger) return;
    Trigger* end = &trigger;
    while (end != nullptr && end->done) end = end->next_in_lane;
    if (end != nullptr) {
      it->second.first = end;
    } else {
      lanes_.erase(it);
    }
    // A trigger that is released may be gone.
    for (Trigger* at = &trigger; at != end;) release(*std::exchange(at, at->next_in_lane));
  }

 private:
  struct Lane {
    Trigger* first = nullptr;
    Trigger* last = nullptr;
  };
  absl::flat_hash_map<uint64_t, Lane> lanes_;
};

}  // namespace eventhub::processor::internal

// Keeps the order in which events of one key or partition are settled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "eventhub/processor/internal/trigger.h"

namespace eventhub::processor::internal {

// Pipelines may finish events of a lane out of order, because another pipeline has to wait.
class Lanes {
 public:
  bool empty() const { return lanes_.empty(); }

  // Called in the order of delivery, for each trigger that has a lane.
  void Add(Trigger& trigger) { lanes_[trigger.lane].waiting.push_back(&trigger); }

  // Calls `visit` for the triggers between `a` and `b`, which must be of one lane and not done.
  template <typename Visit>
  void ForEachBetween(const Trigger& a, const Trigger& b, Visit visit) const {
    const auto [first, last] = std::minmax(a.number, b.number);
    for (Trigger* const trigger : lanes_.at(a.lane).waiting) {
      if (trigger->number >= last) return;
      if (trigger->number > first) visit(*trigger);
    }
  }

  // Called when all pipelines are done with `trigger`. Calls `release` for each trigger that is
  // done and is the first of its lane.
  template <typename Release>
  void Done(Trigger& trigger, Release release) {
    const uint64_t key = trigger.lane;
    Lane& lane = lanes_[key];
    if (lane.waiting.front() != &trigger) {
      lane.done.insert(&trigger);
      return;
    }
    std::deque<Trigger*> released;
    do {
      released.push_back(lane.waiting.front());
      lane.waiting.pop_front();
    } while (!lane.waiting.empty() && lane.done.erase(lane.waiting.front()) > 0);
    if (lane.waiting.empty()) lanes_.erase(key);
    for (Trigger* const next : released) release(*next);
  }

 private:
  struct Lane {
    std::deque<Trigger*> waiting;
    absl::flat_hash_set<const Trigger*> done;  // Those behind the first that are done.
  };
  absl::flat_hash_map<uint64_t, Lane> lanes_;
};

}  // namespace eventhub::processor::internal

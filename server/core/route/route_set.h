// The routes that lead from one topic, with all routes that follow: plans are made from it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "server/core/event/event_head.h"
#include "server/core/route/compiled_route.h"
#include "server/core/topic/topic.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Immutable except for a memo; thread-safe. When a route changes, or a topic that a route leads to
// is added or deleted, the sets of all topics upstream of it are replaced: so a plan is current as
// long as its source still has the same set.
class RouteSet {
 public:
  struct Target {
    std::string name;
    std::shared_ptr<Topic> topic;  // Null: the topic does not exist.
    // The routes that lead on from the topic; null if there are none.
    std::shared_ptr<const RouteSet> next;
  };
  struct Entry {
    std::shared_ptr<const CompiledRoute> route;
    std::vector<Target> targets;
  };

  // The result for a source and a type; indices of entries that are enabled and have a filter.
  struct Decision {
    std::vector<uint32_t> matching;
    std::vector<uint32_t> open;  // The filters that must be run on the event.
  };

  // The decisions that one plan has used: most events of a request have the source and type of the
  // event before. Views the events.
  struct Recent {
    EventHead head;
    const Decision* decision = nullptr;
    std::deque<Decision> own;  // Decisions that the set has no room for.
  };

  explicit RouteSet(std::vector<Entry> entries);

  // Ordered by name; includes disabled ones.
  const std::vector<Entry>& entries() const { return entries_; }
  // The enabled entries that copy everything.
  const std::vector<uint32_t>& unfiltered() const { return unfiltered_; }
  // The number of copies of an event that passes all filters.
  size_t fan_out() const { return fan_out_; }
  // Whether any enabled entry has a filter.
  bool has_filters() const { return has_filters_; }

  // The result is valid as long as `recent` and the set.
  const Decision& Decide(absl::string_view event, Recent& recent) const;

 private:
  Decision MakeDecision(absl::string_view event, absl::string_view type) const;

  const std::vector<Entry> entries_;
  std::vector<uint32_t> unfiltered_;
  size_t fan_out_ = 0;
  bool has_filters_ = false;

  mutable Mutex mutex_;
  // By source and type. Entries never change, and their number is limited.
  mutable absl::flat_hash_map<std::string, std::unique_ptr<const Decision>> decisions_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub

// The routes that lead from one topic, with all that follows from them: what plans are made by.
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

// Immutable but for a memo, thread-safe. When a route changes, or a topic that one leads to comes
// or goes, the sets of all topics upstream of it are replaced: so a plan is current as long as the
// set of its source is.
class RouteSet {
 public:
  struct Target {
    std::string name;
    std::shared_ptr<Topic> topic;          // Null: there is none.
    std::shared_ptr<const RouteSet> next;  // The routes that lead on from it; null if none do.
  };
  struct Entry {
    std::shared_ptr<const CompiledRoute> route;
    std::vector<Target> targets;
  };

  // What source and type of an event say; indices of entries that are enabled and have a filter.
  struct Decision {
    std::vector<uint32_t> matching;
    std::vector<uint32_t> open;  // Their filters have to be run.
  };

  // Where one plan remembers decisions: most events of a request have the source and type of the
  // one before. Views the events.
  struct Recent {
    EventHead head;
    const Decision* decision = nullptr;
    std::deque<Decision> own;  // Those that the set has no room for.
  };

  explicit RouteSet(std::vector<Entry> entries);

  // By name; disabled ones too.
  const std::vector<Entry>& entries() const { return entries_; }
  // Those that are enabled and copy everything.
  const std::vector<uint32_t>& unfiltered() const { return unfiltered_; }
  // Whether there are enabled ones with filters.
  bool has_filters() const { return has_filters_; }

  // Valid as long as `recent` and the set are.
  const Decision& Decide(absl::string_view event, Recent& recent) const;

 private:
  Decision MakeDecision(absl::string_view event, absl::string_view type) const;

  const std::vector<Entry> entries_;
  std::vector<uint32_t> unfiltered_;
  bool has_filters_ = false;

  mutable Mutex mutex_;
  // By source and type. Never changed once they are there, and few.
  mutable absl::flat_hash_map<std::string, std::unique_ptr<const Decision>> decisions_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub

// Changes of cursors by commits that are not visible yet.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/macros.h"
#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "server/core/event/event_filter.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/records.pb.h"
#include "storage/base/types.h"

namespace eventhub {

// The stored record of a subscription, without its cursors, and its compiled filters. Immutable: a
// commit that changes it replaces it. The time of last use is kept elsewhere.
struct SubscriptionRecord {
  stored::Subscription record;
  std::shared_ptr<const EventFilter> filter;         // Null: none.
  std::shared_ptr<const EventFilter> replay_filter;  // Of replayed events; includes `filter`.
};
using SubscriptionRecordPtr = std::shared_ptr<const SubscriptionRecord>;

// A commit is decided on the commit thread and takes effect for others when it becomes visible. In
// between its changes wait here, in the order of commits. The changes of a failed commit stay,
// since their outcome is unknown: the events that they settle are neither delivered again nor
// reported as settled before a restart decides. Not thread-safe.
class CommitChanges {
 public:
  // The events that one consumer settled.
  struct Settled {
    ConsumerId consumer;
    uint64_t acked = 0;
    uint64_t nacked = 0;
    absl::Time time;
  };

  // The changes of one commit.
  struct Entry {
    int64_t commit = 0;
    std::vector<std::pair<PartitionId, CommitChange>> changes;
    absl::InlinedVector<Settled, 1> settled;
    SubscriptionRecordPtr record;  // Null: unchanged.
    uint64_t acked = 0;
    uint64_t nacked = 0;
    uint64_t skipped = 0;
    uint64_t dead_lettered = 0;  // Events.
    int64_t letters_added = 0;   // Open dead letters; negative: removed.
  };

  // The entry of the commit in progress: that of the last call, or of a later commit.
  Entry& Of(int64_t commit) {
    ABSL_ASSERT(commit >= last());
    if (entries_.empty() || entries_.back().commit != commit) {
      entries_.emplace_back().commit = commit;
    }
    return entries_.back();
  }

  // In the order of commits.
  const std::deque<Entry>& entries() const { return entries_; }
  // The last commit with changes that are not visible; 0: none.
  int64_t last() const { return entries_.empty() ? 0 : entries_.back().commit; }

  // Takes the first entry, if it is visible.
  std::optional<Entry> Take(int64_t visible) {
    if (entries_.empty() || entries_.front().commit > visible) return std::nullopt;
    std::optional<Entry> first(std::move(entries_.front()));
    entries_.pop_front();
    return first;
  }

 private:
  std::deque<Entry> entries_;
};

}  // namespace eventhub

// The delayed events of all topics, as the commit thread sees them: stores them, cancels them, and
// releases them when they are due.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/publish/delayed_schedule.h"
#include "server/core/publish/publish_request.h"
#include "server/core/topic/topic.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"

namespace eventhub {

// The events are only in the store. Memory holds the number of delayed events of each topic (kept
// at the topic; written with each commit that changes it, and counted there when the commit is
// visible), the events that the current commit released, and those cancelled while a piece of due
// events is being read.
//
// Used on the commit thread, except Now() and Stage().
class DelayedTable final : public CommitHook, public std::enable_shared_from_this<DelayedTable> {
 public:
  // No earlier process used `generation` on this store.
  DelayedTable(const LogStore& store, const Clock& clock, uint64_t generation,
               DelayedSchedule& schedule);

  // The clock that decides when events are due. Thread-safe.
  absl::Time Now() const { return clock_.Now(); }

  // Stores the delayed events of a request and reports them in its result.
  void Accept(const std::shared_ptr<Topic>& topic, const std::vector<DelayedEvent>& events,
              CommitBuilder& commit, v1::PublishResult* result);

  // Cancels the events that are still stored; returns their number.
  absl::StatusOr<uint32_t> Cancel(Topic& topic, const std::vector<std::string>& keys,
                                  CommitBuilder& commit);

  // Records cancellations from now on, until EndReading(): a read of the store that starts after
  // this commit can be outdated only by those.
  void BeginReading();
  void EndReading();
  // Returns whether an event was cancelled since reading began.
  bool IsCancelled(const std::string& key) const { return cancelled_.contains(key); }

  // Removes events that this commit appends.
  void Release(Topic& topic, const std::vector<std::string>& keys, CommitBuilder& commit);

  void BeforeWrite(CommitBuilder& commit) override;
  void Stage(int64_t number) override;

 private:
  // The number of delayed events that a commit leaves in each topic that it changes; its tasks keep
  // the topics alive.
  using Counts = std::vector<std::pair<Topic*, uint64_t>>;

  void Take(Topic& topic, const std::string& key, CommitBuilder& commit);

  const LogStore& store_;
  const Clock& clock_;
  DelayedSchedule& schedule_;
  uint64_t next_sequence_;
  bool reading_ = false;
  absl::flat_hash_set<std::string> cancelled_;  // While reading_ is set.
  absl::flat_hash_set<std::string> taken_;      // By the current commit: still in the store.
  absl::flat_hash_set<Topic*> changed_;  // By the current commit; its tasks keep the topics alive.

  Mutex mutex_;
  // Of the commits that are not visible yet, in order.
  std::deque<Counts> written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub

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

// The events are in the store alone. In memory is, of each topic, how many there are (at the topic;
// written with each commit that changes it, and counted there when that is visible), and which were
// taken by the commit under way or cancelled while a piece of due events is being read.
//
// Used on the commit thread, except Now() and Stage().
class DelayedTable final : public CommitHook, public std::enable_shared_from_this<DelayedTable> {
 public:
  // `generation` is one that no process before had on this store.
  DelayedTable(const LogStore& store, const Clock& clock, uint64_t generation,
               DelayedSchedule& schedule);

  // The time by which events are due. Thread-safe.
  absl::Time Now() const { return clock_.Now(); }

  // Puts the delayed events of a request aside, and says so in its result.
  void Accept(const std::shared_ptr<Topic>& topic, const std::vector<DelayedEvent>& events,
              CommitBuilder& commit, v1::PublishResult* result);

  // Cancels those that are still there; returns how many.
  absl::StatusOr<uint32_t> Cancel(Topic& topic, const std::vector<std::string>& keys,
                                  CommitBuilder& commit);

  // From now on keeps in mind what is cancelled, until EndReading(): what is read from the store
  // when this commit is done may miss only that.
  void BeginReading();
  void EndReading();
  // Whether an event that was read since was cancelled meanwhile.
  bool IsCancelled(const std::string& key) const { return cancelled_.contains(key); }

  // Takes events that are appended by this commit.
  void Release(Topic& topic, const std::vector<std::string>& keys, CommitBuilder& commit);

  void BeforeWrite(CommitBuilder& commit) override;
  void Stage(int64_t number) override;

 private:
  // How many a commit leaves of each topic that it changes; its tasks keep the topics alive.
  using Counts = std::vector<std::pair<Topic*, uint64_t>>;

  void Take(Topic& topic, const std::string& key, CommitBuilder& commit);

  const LogStore& store_;
  const Clock& clock_;
  DelayedSchedule& schedule_;
  uint64_t next_sequence_;
  bool reading_ = false;
  absl::flat_hash_set<std::string> cancelled_;  // While reading_.
  absl::flat_hash_set<std::string> taken_;      // By the commit under way: still in the store.
  absl::flat_hash_set<Topic*> changed_;         // The same; its tasks keep them alive.

  Mutex mutex_;
  // Of the commits that are not visible yet, in their order.
  std::deque<Counts> written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub

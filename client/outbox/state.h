// The state that the threads of an outbox share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/outbox/lane.h"
#include "client/outbox/stored.h"
#include "client/src/base/backoff.h"
#include "client/src/publish/batch.h"
#include "eventhub/connection.h"
#include "eventhub/outbox.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::client::outbox {

// Space is reclaimed when at least this much, and at least as much as is pending, was deleted.
inline constexpr uint64_t kMinGarbageBytes = uint64_t{64} << 20;

// Events of one topic that were taken and are not in a request yet.
struct GatheredPart {
  GatheredPart(size_t expected_bytes, absl::Time accepted, absl::Duration taken)
      : batch(0, std::nullopt, expected_bytes), accepted(accepted), taken(taken) {}

  Batch batch;
  absl::Time accepted;  // When the first was taken.
  absl::Duration taken;
  Ticket ticket;
};

// One topic of an outbox. Guarded by the outbox's mutex.
struct Topic {
  Topic(const StoredTopic& stored, const Lane::Options& lane_options, const OutboxOptions& options);

  const std::string name;
  const TopicNumber number;
  Lane lane;
  std::deque<std::unique_ptr<GatheredPart>> gathered;  // In order; the last one may grow.
  size_t last_part_bytes = 0;                          // The next is likely to be as large.

  // Whether events are sent directly to the hub, and written to disk only if it does not respond.
  bool direct = false;
  bool slow = false;  // The hub answers, but not in time.

  // Of the stream, which the sender opens and writes to.
  std::shared_ptr<PublishStream> stream;
  uint64_t stream_number = 0;  // Of the current stream.
  bool writing = false;        // Or opening.
  Backoff backoff;
  Backoff stopped_backoff;
  absl::Duration not_before = absl::InfiniteDuration() * -1;  // No request is sent before.

  OutboxTopicState state = OutboxTopicState::kSending;
  absl::Status last_error;
  bool told_stopped = false;  // It was logged that it is stopped.

  // Whether the last request may be sealed and sent: while the hub does not accept requests, they
  // grow, but one is needed for the next attempt.
  bool MaySeal() const {
    return state == OutboxTopicState::kSending || lane.requests().size() == 1;
  }

  // What is on disk.
  uint64_t head_on_disk;
  uint64_t sealed_on_disk;
  uint64_t next_refused;
  uint64_t unwritten_bytes = 0;  // Confirmed, and not deleted from disk yet.

  // Counts.
  uint64_t pending_events = 0;
  uint64_t pending_bytes = 0;
  uint64_t refused_events;
  uint64_t refused_bytes;
  uint64_t lost_events;
  uint64_t published_events = 0;

  // Which lists it is in.
  bool to_commit = false;
  bool to_send = false;
  bool head_dirty = false;
  bool repairing = false;
  absl::Duration wake_at = absl::InfiniteDuration();
};

// The request of a lane with this number; null if there is none.
Request* FindRequest(Lane& lane, uint64_t number);

// Results to report without the mutex.
struct Resolved {
  Ticket ticket;
  absl::Status status;
};

// The state of an outbox. Its mutex is never held while the disk or the network is used, or a
// callback runs; no other mutex is acquired while it is held.
struct State {
  State(OutboxOptions options, std::shared_ptr<Connection> connection, const Clock& clock);

  const OutboxOptions options;
  const std::shared_ptr<Connection> connection;
  const Clock& clock;

  // How long the deletion of confirmed requests may wait for a change to go with.
  absl::Duration head_delay = absl::Milliseconds(100);

  mutable Mutex mutex;
  CondVar commit_wake;   // The committer has something to do.
  CondVar send_wake;     // The sender has something to do.
  CondVar reclaim_wake;  // There is much garbage.
  CondVar space;         // Publish may have space.
  CondVar progress;      // Tickets were resolved, events confirmed, or work done.

  // By name. Topics are never removed.
  std::map<std::string, std::unique_ptr<Topic>, std::less<>> topics ABSL_GUARDED_BY(mutex);
  TopicNumber next_topic ABSL_GUARDED_BY(mutex) = 0;

  std::vector<Topic*> to_commit ABSL_GUARDED_BY(mutex);
  std::vector<Topic*> head_dirty ABSL_GUARDED_BY(mutex);
  absl::Duration heads_due ABSL_GUARDED_BY(mutex) = absl::InfiniteDuration();
  std::deque<absl::AnyInvocable<void()>> work ABSL_GUARDED_BY(mutex);  // For the committer.
  bool committer_idle ABSL_GUARDED_BY(mutex) = false;

  std::deque<Topic*> to_send ABSL_GUARDED_BY(mutex);
  std::set<std::pair<absl::Duration, Topic*>> timers ABSL_GUARDED_BY(mutex);
  bool sender_idle ABSL_GUARDED_BY(mutex) = false;

  // Tickets that are not resolved, by number.
  std::set<uint64_t> unresolved ABSL_GUARDED_BY(mutex);
  uint64_t next_ticket ABSL_GUARDED_BY(mutex) = 1;
  absl::Status first_failure ABSL_GUARDED_BY(mutex);  // Since the last Flush.

  uint64_t pending_bytes ABSL_GUARDED_BY(mutex) = 0;     // Of all topics, and set aside.
  uint64_t pending_events ABSL_GUARDED_BY(mutex) = 0;    // Without those that are set aside.
  uint64_t unaccepted_bytes ABSL_GUARDED_BY(mutex) = 0;  // Of tickets.
  uint64_t cached_bytes ABSL_GUARDED_BY(mutex) = 0;      // Of requests that are on disk as well.
  uint64_t garbage_bytes ABSL_GUARDED_BY(mutex) = 0;     // Deleted since the last reclaim.
  size_t waiting_for_space ABSL_GUARDED_BY(mutex) = 0;

  absl::Status failed ABSL_GUARDED_BY(mutex);  // Why nothing can be written any more.
  bool closed ABSL_GUARDED_BY(mutex) = false;  // Nothing is taken any more.
  bool stop_sending ABSL_GUARDED_BY(mutex) = false;
  bool stop_committing ABSL_GUARDED_BY(mutex) = false;

  absl::Duration Now() const { return clock.Monotonic(); }

  Topic& AddTopic(const StoredTopic& stored) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Returns the topic of that name; creates it if necessary.
  Topic& TopicOf(std::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // Wakes the committer, or the sender, for a topic.
  void MarkCommit(Topic& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void MarkSend(Topic& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // The head of a topic moved: it is written with the next change, or after a short delay.
  void MarkHead(Topic& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void AddWork(absl::AnyInvocable<void()> one) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // `topic` has fewer pending events.
  void Forget(Topic& topic, uint64_t events, uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Drops the events of a request that is on disk from memory.
  void DropBodies(Request& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // Delays the next request of the topic because of `error`: for longer if it is `stopped` until
  // somebody acts. Returns a line to log, or nothing.
  std::string BackOff(Topic& topic, const absl::Status& error, bool stopped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // Makes an attempt at once, whatever delays the topic; see Outbox::Retry.
  absl::Status Retry(std::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // Writes the topic's events to disk that were sent directly to the hub before.
  void Spill(Topic& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // Reports to the callers, without the mutex.
  void Tell(std::vector<Resolved> resolved) ABSL_LOCKS_EXCLUDED(mutex);
  void Log(const std::string& line) const;
};

}  // namespace eventhub::client::outbox

// A local, durable outbox: a service publishes at the speed of its own disk, whether or not the hub
// is reachable, and each event reaches the hub exactly once.
//
// Part of the library eventhub::outbox, which needs RocksDB; client/outbox/README.md is its guide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "eventhub/retry.h"
#include "eventhub/topic.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

class OutboxCore;

// Where an event must be before it counts as accepted.
enum class OutboxMode {
  // In the outbox's directory. The caller never waits for the hub.
  kAlways,
  // In the hub if it answers within `spill_after`, otherwise in the outbox's directory. While the
  // hub answers, nothing is written to disk.
  kSpill,
};

struct OutboxOptions {
  // The directory of the outbox. Created if it does not exist; its parent must exist. Required. One
  // process at a time can open it.
  std::string directory{};

  OutboxMode mode = OutboxMode::kAlways;

  // The maximum bytes of pending events, i.e. taken and not yet in the hub, including events that
  // are set aside; at least 1 MiB. The directory takes up to twice as much disk, plus 128 MiB.
  uint64_t max_bytes = uint64_t{1} << 30;

  // What Publish does when that is exceeded: block until there is space, for at most `max_block`
  // (at least 0; may be infinite), or fail at once; both end with RESOURCE_EXHAUSTED. The same
  // applies if the disk cannot keep up, and half of `max_buffer_bytes` is only in memory.
  WhenFull when_full = WhenFull::kBlock;
  absl::Duration max_block = absl::InfiniteDuration();

  // Whether an event on disk must survive a power loss (kSynced, kDefault), or only a crash of the
  // process (kWritten).
  Durability local_durability = Durability::kSynced;

  // What an event must survive in the hub before the outbox deletes its copy.
  Durability hub_durability = Durability::kDefault;

  // With kSpill: how long an event may wait for the hub before it is written to disk. More than 0.
  absl::Duration spill_after = absl::Milliseconds(500);

  // Events are sent in requests of up to this many encoded bytes (1 KiB to 3 MiB; a single event
  // may be larger).
  size_t max_batch_bytes = 256 * 1024;

  // The limits on the unacknowledged requests of one topic: their number (1 to 64) and their bytes.
  size_t max_in_flight_requests = 64;
  size_t max_in_flight_bytes = 8 * 1024 * 1024;

  // The maximum bytes of events in memory: those not accepted yet, and those accepted and not sent
  // yet. Events beyond that are read from disk. At least 1 MiB.
  size_t max_buffer_bytes = 32 * 1024 * 1024;

  // How long the hub may take to reply to a request; afterwards the stream is dropped and opened
  // again. More than 0; may be infinite.
  absl::Duration reply_timeout = absl::Seconds(30);

  // The delays between attempts while the hub cannot be reached or cannot take events.
  RetryOptions retry{};

  // The delays between attempts while the hub refuses a topic for a reason that somebody must
  // resolve, e.g. because the topic does not exist.
  RetryOptions stopped_retry{.initial_delay = absl::Seconds(1), .max_delay = absl::Minutes(1)};

  // If false, nothing is sent: for tools, and for processes that leave sending to a later one.
  // Events go to disk in either mode.
  bool send = true;

  // Receives one line when something happens that an operator should know: a topic stops or
  // continues, an event is set aside, events were lost to a damaged disk. Not repeated while the
  // state lasts. Called on a thread of the outbox; must be quick. Unset: standard error.
  std::function<void(std::string_view line)> log{};
};

// The state of a topic in an outbox.
enum class OutboxTopicState {
  kSending,  // Nothing is pending, or it is being sent.
  kWaiting,  // The hub cannot be reached, or cannot take events now; retried soon.
  kStopped,  // The hub refuses the topic until somebody acts; retried from time to time.
};

// The state's name: "sending", "waiting" or "stopped".
std::string_view OutboxTopicStateName(OutboxTopicState state);

struct OutboxTopicStatus {
  std::string topic{};
  OutboxTopicState state = OutboxTopicState::kSending;
  // Events that were taken and that the hub has not acknowledged, and their encoded size.
  uint64_t pending_events = 0;
  uint64_t pending_bytes = 0;
  // When the oldest of them was taken; unset if there are none.
  std::optional<absl::Time> oldest{};
  // Why the last attempt failed; OK if it did not.
  absl::Status last_error{};
  // Events that the hub refused for good, one by one, and that were set aside.
  uint64_t refused_events = 0;
  uint64_t refused_bytes = 0;
  // Accepted events that can no longer be read because the disk is damaged, as far as this process
  // has found.
  uint64_t lost_events = 0;
  // Events that the hub acknowledged since the outbox was opened.
  uint64_t published_events = 0;
  // Whether accepted events are on disk (always true with kAlways), or in the hub.
  bool spilling = true;
};

struct OutboxStatus {
  // In total, over all topics.
  uint64_t pending_events = 0;
  uint64_t pending_bytes = 0;
  std::optional<absl::Time> oldest{};
  uint64_t refused_events = 0;
  uint64_t refused_bytes = 0;
  uint64_t lost_events = 0;
  uint64_t published_events = 0;
  // Why nothing more can be written to the directory; OK if it can.
  absl::Status disk{};
  // All topics that were ever published to, by name.
  std::vector<OutboxTopicStatus> topics{};
};

// An event that the hub refused for good.
struct RefusedEvent {
  std::string topic{};
  v1::Event event{};
  absl::Time refused_at{};
  // Why.
  absl::Status error{};
  // An earlier attempt to publish it may have succeeded.
  bool in_doubt = false;
};

// Publishes to any number of topics of one hub, through a directory. Thread-safe.
//
// Guarantees:
// - An accepted event survives a crash of the process, and with kSynced a power loss, at any
//   moment. The hub appends it exactly once, whatever crashes, however often, on either side: the
//   directory stores the name and the sequence numbers by which the hub recognizes repeated
//   requests. Exceptions: a hub that has forgotten the producer (idle for longer than
//   `--producer_expiry`, 7 days by default) or was restored from a backup may append events twice
//   that were in flight when the connection broke. A `deduplication_window` on the topic prevents
//   even that.
// - Events that one thread publishes to a topic with the same partition key are appended in that
//   order, also when kSpill switches between hub and disk. An event that the hub refuses for good
//   because of its contents is set aside; those behind it are sent.
// - A topic that the hub refuses does not delay other topics.
// - Damage on disk is detected, and loses only the events that it hits; `lost_events` counts them.
//
// Event.deliver_after counts from when the hub gets the event; use deliver_at for a time that an
// outage must not move.
//
// Publish never waits for the network with kAlways; with kSpill, at most for `spill_after`.
//
// Cost: with kAlways, events of all threads and topics share their writes and syncs to disk (group
// commit). An event is copied twice, into its request and to disk.
//
// Memory: `max_buffer_bytes`, plus `max_in_flight_bytes` for each topic that is being sent, plus
// about 64 MiB for RocksDB. Threads: three. An idle outbox costs no CPU.
//
// Example:
//
//     ASSIGN_OR_RETURN(auto outbox, Outbox::Open(Connect("localhost:7070"),
//                                                {.directory = "/var/lib/shop/outbox"}));
//     RETURN_IF_ERROR(outbox->Publish("orders", event));  // From here on, it will be in the hub.
class Outbox {
 public:
  // Called exactly once: OK when the event is accepted. An error means that it was not, and will
  // not be published unless OutcomeIsUnknown (eventhub/error.h) returns true for it: then the disk
  // failed, or the outbox was closed, while it was being written or sent.
  using Callback = absl::AnyInvocable<void(const absl::Status&) &&>;

  // Opens the directory and begins to send its pending events. Does not wait for the hub.
  //
  // INVALID_ARGUMENT, naming the option, if one is out of range. FAILED_PRECONDITION if another
  // process has the directory open, or it is of a newer version, or holds something else. DATA_LOSS
  // if its tables of contents are damaged. UNAVAILABLE for other errors of the disk.
  static absl::StatusOr<std::unique_ptr<Outbox>> Open(std::shared_ptr<Connection> connection,
                                                      OutboxOptions options);

  // Like Close(absl::ZeroDuration()). Must not be called from a callback.
  ~Outbox();

  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Publishes an event, and returns when it is accepted. Many threads share one sync. An error
  // means that it was not accepted, see Callback: INVALID_ARGUMENT (names the field),
  // RESOURCE_EXHAUSTED (the outbox is full), CANCELLED (it is closed), or an error of the disk.
  absl::Status Publish(std::string_view topic, const v1::Event& event);

  // Takes an event, and reports to `done`, which may be null, when it is accepted. If an error is
  // returned, the event was not taken, and `done` is not called. `done` runs on a thread of the
  // outbox or of the connection; it must be quick, must not block, and must not call the outbox.
  absl::Status Publish(std::string_view topic, const v1::Event& event, Callback done);

  // Returns when all events taken before the call are accepted or failed, and their callbacks have
  // returned. The first error since the last Flush, or DEADLINE_EXCEEDED after `timeout`.
  absl::Status Flush(absl::Duration timeout = absl::InfiniteDuration());

  // Returns OK when nothing is pending: the hub has everything, except the events that it refused
  // for good. DEADLINE_EXCEEDED after `timeout`, naming the last error. Optional with kAlways:
  // pending events are sent after the next Open.
  absl::Status Drain(absl::Duration timeout = absl::InfiniteDuration());

  // Takes no more events, accepts those that were taken, and drains for at most `timeout`. Events
  // in flight to the hub are on disk afterwards, to be sent after the next Open. Returns OK if
  // every event that was taken is in the hub or on disk. Must not be called from a callback.
  absl::Status Close(absl::Duration timeout);

  OutboxStatus status() const;

  // Retries a topic at once, and takes the producer's name back if a copy of the directory has
  // taken it over. NOT_FOUND if nothing was ever published to the topic.
  absl::Status Retry(std::string_view topic);

  // Publishes the events of a topic that were set aside again, behind all others; returns how many.
  // Works in pieces of 1 MiB: after an error of the disk, some may have been published again.
  absl::StatusOr<uint64_t> RetryRefused(std::string_view topic);

  // Deletes the events of a topic that were set aside; returns how many. They cannot be restored.
  absl::StatusOr<uint64_t> DropRefused(std::string_view topic);

  // Deletes all pending events of a topic; returns how many. They cannot be restored; those in
  // flight may be appended nevertheless.
  absl::StatusOr<uint64_t> Drop(std::string_view topic);

  // For Open, and for tests.
  explicit Outbox(std::shared_ptr<OutboxCore> core);

 private:
  const std::shared_ptr<OutboxCore> core_;
};

// Reads the directory of an outbox without changing it. Another process may have the outbox open:
// the reader then sees the state as of Open. Thread-safe.
class OutboxReader {
 public:
  // NOT_FOUND if there is no outbox. Other errors are those of Outbox::Open.
  static absl::StatusOr<std::unique_ptr<OutboxReader>> Open(const std::string& directory);

  virtual ~OutboxReader() = default;

  // Everything except `state`, `last_error` and `published_events`, which only the sending process
  // knows.
  virtual OutboxStatus status() const = 0;

  // Passes the pending events to `visit`, topic by topic in the order of publishing, until it
  // returns an error, which is then returned. Damaged events are left out and counted in `*lost`.
  virtual absl::Status ForEachPending(
      absl::FunctionRef<absl::Status(const std::string& topic, const v1::Event& event)> visit,
      uint64_t* lost) const = 0;

  // The same for the events that were set aside.
  virtual absl::Status ForEachRefused(
      absl::FunctionRef<absl::Status(const RefusedEvent& event)> visit) const = 0;
};

}  // namespace eventhub::client

// Consumes a durable subscription: runs a handler for its events, and settles them with the
// outcomes that the handler returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "eventhub/event_batch.h"
#include "eventhub/fault.h"
#include "eventhub/retry.h"
#include "eventhub/settler.h"
#include "eventhub/subscription.h"

namespace eventhub::client {

class SubscriberCore;

// The outcome of an event, as decided by its handler.
struct Outcome {
  enum class Kind {
    kAck,      // The event is done.
    kRetry,    // Deliver it again, after `delay` or as the subscription's retry policy says.
    kPark,     // Move it to the dead-letter topic.
    kSkip,     // Settle it without having processed it; the hub counts such events.
    kSettled,  // A committed transaction acked it (eventhub/transaction.h).
  };

  static Outcome Ack() { return {}; }
  // `delay`: 0 to 7 days; values outside are clamped.
  static Outcome Retry(std::string reason, std::optional<absl::Duration> delay = std::nullopt) {
    return {.kind = Kind::kRetry, .reason = std::move(reason), .delay = delay};
  }
  static Outcome Park(std::string reason) {
    return {.kind = Kind::kPark, .reason = std::move(reason)};
  }
  // With details: one for each pipeline that failed. The event becomes as many dead letters, at
  // most 100. Of details of one pipeline, the first counts.
  static Outcome Park(std::string reason, std::vector<FaultDetail> faults) {
    return {.kind = Kind::kPark,
            .reason = std::move(reason),
            .faults = std::make_shared<const std::vector<FaultDetail>>(std::move(faults))};
  }
  static Outcome Settled() { return {.kind = Kind::kSettled}; }
  static Outcome Skip(std::string reason) {
    return {.kind = Kind::kSkip, .reason = std::move(reason)};
  }

  Kind kind = Kind::kAck;
  // For people: shown in the hub's stats and kept with a dead letter. Truncated to 512 bytes.
  std::string reason{};
  std::optional<absl::Duration> delay{};
  // Kept with the dead letter that a kPark, or the last kRetry, makes of the event. Null: none.
  FaultDetails faults{};
};

// The outcomes of the events of a batch: `all`, except for the events in `except`, which are named
// by their index in the batch. A handler may also return a single Outcome.
//
//     return BatchOutcome(Outcome::Ack(), {{3, Outcome::Retry("no such customer yet")}});
struct BatchOutcome {
  // Implicit, so that handlers can `return Outcome::Ack();`.
  BatchOutcome(Outcome outcome, std::vector<std::pair<size_t, Outcome>> but = {})
      : all(std::move(outcome)), except(std::move(but)) {}
  BatchOutcome() = default;

  Outcome all{};
  // By ascending index; indices beyond the batch are ignored.
  std::vector<std::pair<size_t, Outcome>> except{};
};

// Which handlers may run concurrently.
enum class Order {
  // STREAM: kPerPartition; QUEUE: kNone.
  kDefault,
  // One at a time for each partition, in the order of delivery.
  kPerPartition,
  // One at a time for each partition key, in the order of delivery; different keys, and events
  // without a key, run concurrently. Not with `on_batch`. (On a STREAM, a retry for one key also
  // rewinds the later events of other keys that have no outcome yet.)
  kPerKey,
  // Any. (A QUEUE with `ordered_by_key` is still in order: the hub holds events back.)
  kNone,
};

// STREAM: a partition that is assigned to a consumer, and the first offset that is delivered.
struct AssignedPartition : PartitionOffset {
  // See EventBatch.
  int64_t first_new_offset = 0;
};

// Callbacks that report what happens to a subscriber. They run on threads of the connection, one at
// a time. They must be quick, must not block, and may call the subscriber's methods except Stop,
// Wait and the destructor. Each may be null. An exception thrown by a hook is caught and counted
// (SubscriberCounters::hooks_thrown); the subscriber continues.
struct SubscriberHooks {
  // The subscriber is connected; `consumer` is its name in stats.
  std::function<void(const std::string& consumer)> on_connected{};
  // The connection broke and will be reopened. Unsettled events are delivered again.
  std::function<void(const absl::Status& status)> on_disconnected{};
  // Every event in the log that may be delivered here has been delivered; handlers may still be
  // processing them.
  std::function<void()> on_caught_up{};
  // After on_caught_up: the subscriber is so far behind that the next events are only on the hub's
  // disk.
  std::function<void()> on_fell_behind{};
  // Retention trimmed these events before the subscription could deliver them; they are lost to it.
  std::function<void(const PartitionRange& range)> on_trimmed{};
  // STREAM: the partition is now assigned to this consumer, starting at this offset.
  std::function<void(const AssignedPartition& next)> on_assigned{};
  // STREAM: another consumer waits for the partition, which moves once the delivered events are
  // settled.
  std::function<void(uint32_t partition)> on_draining{};
  // The lease of the partition is over. Events that no handler has yet are dropped; a running
  // handler continues, but its outcome is ignored. Also called when the connection breaks (STREAM),
  // but not when the program cuts the subscriber off.
  std::function<void(uint32_t partition)> on_revoked{};
  // The last call: the subscriber has ended with the status that Wait returns. Nothing more is
  // delivered; handlers may still run. E.g. NOT_FOUND: the subscription was deleted. Not called
  // when the program cuts the subscriber off (by the destructor, or by a Stop that timed out).
  std::function<void(const absl::Status& status)> on_ended{};
};

struct SubscriberOptions {
  // The subscription to consume. Required.
  std::string subscription{};

  // Names this consumer in stats and logs; at most 256 bytes. Empty: the client's address.
  std::string consumer{};

  // The handler: set exactly one of the three. Handlers run on the subscriber's own threads,
  // concurrently as `order` allows. An exception thrown by a handler counts as a Retry with what()
  // as its reason. The event or batch is valid until the handler returns; a copy of a batch stays
  // valid.
  std::function<Outcome(const ReceivedEvent& event)> on_event{};
  // Handles events of one partition that were delivered together. On a STREAM the first kRetry
  // decides: the hub rewinds the partition to that event and delivers everything after it again,
  // whatever its outcome; except for replayed events, which are settled one by one.
  std::function<BatchOutcome(const EventBatch& batch)> on_batch{};
  // Returns at once and settles the event later, from any thread. No thread waits for an event in
  // flight; only `credit` bounds how many there are. The event, and copies of it, stay valid until
  // the settler settles or is destroyed. `order` holds: the next event of a partition or key is
  // handled once the one before it is settled. Stop and Wait wait for settlers as for handlers, the
  // destructor does not. If the handler throws, its settler retries.
  //
  // A thread whose handlers return within microseconds gets up to 64 events one after the other.
  // What they settle before they return takes effect together, when the last one has returned; if
  // they become slow, when at most eight have.
  std::function<void(ReceivedEvent event, Settler settler)> on_event_async{};

  // Batches are split into parts of at most this many events for `on_batch`; 0: not split.
  size_t max_batch_events = 0;

  Order order = Order::kDefault;

  // The number of handler threads, and so of concurrent handlers; 1 to 1,024.
  size_t threads = 4;

  // How much may be delivered and not settled yet, which bounds the memory of events. The hub may
  // exceed it by at most one event.
  Credit credit{};

  // The hub fills responses up to this size in bytes, 4,096 to 4,000,000; 0: the hub's default, or
  // 65,536 with kPerKey. A response stays in memory until all of its events are settled.
  uint32_t max_response_bytes = 0;

  // How long after delivery the leases of events that wait for a handler, or are being handled, are
  // extended. Afterwards the subscription's `ack_deadline` gives them to other consumers. At least
  // 0; infinite: always extend.
  absl::Duration max_lease_extension = absl::Minutes(30);

  // The delays between attempts to reconnect.
  RetryOptions retry{};

  // How long reconnecting may fail; afterwards the subscriber ends with the last error. More than
  // 0; infinite: never give up.
  absl::Duration reconnect_deadline = absl::InfiniteDuration();

  SubscriberHooks hooks{};
};

// Counters of a subscriber since it started; in events unless noted.
struct SubscriberCounters {
  uint64_t delivered = 0;    // Received; every delivery counts.
  uint64_t redelivered = 0;  // Of `delivered`: delivered before, here or to another consumer.
  uint64_t handled = 0;      // Passed to a handler.
  uint64_t dropped = 0;      // Received but not passed to a handler: the lease was over, or a retry
                             // rewound the partition.
  uint64_t acked = 0;        // Acks confirmed by the hub, durable.
  uint64_t nacked = 0;       // Nacks confirmed by the hub: every outcome except kAck.
  uint64_t parked = 0;       // Of `nacked`: kPark.
  uint64_t skipped = 0;      // Of `nacked`: kSkip.
  uint64_t lease_lost = 0;   // Outcomes refused because another consumer has or had the events.
  uint64_t failed = 0;       // Outcomes refused for another reason, e.g. a disk error.
  uint64_t in_doubt = 0;     // Outcomes sent but not confirmed when the connection broke.
  uint64_t requests = 0;     // Requests with acks, nacks or extensions.
  uint64_t extensions = 0;   // Lease extensions in them, at least one for each partition.
  uint64_t connections = 0;  // Connections opened.
  uint64_t trimmed = 0;      // Offsets lost to retention; see on_trimmed.
  uint64_t hooks_thrown = 0;  // Hooks that threw an exception.
  // A current value, not a count: events that are waiting, being handled, or settled but not
  // confirmed.
  uint64_t unsettled = 0;
};

// One consumer of a subscription. Thread-safe.
//
// Lifecycle: Start connects and begins at once. RequestStop, a final error of the hub, or the
// destructor ends the subscriber. A program that does not call Wait learns of the end through
// SubscriberHooks::on_ended, and would otherwise be idle forever. When the connection breaks, it is
// reopened and the hub delivers unsettled events again: each event is handled at least once, and
// again if its outcome was not confirmed; see EventBatch::redelivered.
//
// Outcomes are gathered into ranges. They are sent at once if no request is in flight, otherwise
// together with later ones. Only events that a handler acked are acked. On a STREAM, a kRetry
// rewinds the partition: later events that have no outcome yet are dropped and delivered again; a
// running handler continues, but its outcome is ignored. Earlier events, events that already have
// outcomes, and replayed events are not affected.
//
// Memory: bounded by `credit`. Threads: SubscriberOptions::threads.
//
// Example:
//
//     ASSIGN_OR_RETURN(auto subscriber, Subscriber::Start(hub, {
//         .subscription = "billing",
//         .on_event = [](const ReceivedEvent& event) {
//           return Bill(event) ? Outcome::Ack() : Outcome::Retry("the bank does not respond");
//         }}));
//     …
//     RETURN_IF_ERROR(subscriber->Stop(absl::Seconds(30)));
class Subscriber {
 public:
  // INVALID_ARGUMENT, naming the option, if one is out of range. Does not wait for the network:
  // connection errors are retried, and final ones end the subscriber.
  static absl::StatusOr<std::unique_ptr<Subscriber>> Start(std::shared_ptr<Connection> connection,
                                                           SubscriberOptions options);

  // Start followed by Wait, for a thread that does nothing else. Returns when the subscriber ends
  // by itself, e.g. with NOT_FOUND because the subscription was deleted.
  static absl::Status Run(std::shared_ptr<Connection> connection, SubscriberOptions options);

  // Start followed by WaitForSignal, for the main function of a program that only consumes:
  //
  //     const absl::Status status = Subscriber::RunUntilSignal(hub, options);
  //     if (!status.ok()) std::cerr << status << "\n";
  //     return status.ok() ? 0 : 1;
  static absl::Status RunUntilSignal(std::shared_ptr<Connection> connection,
                                     SubscriberOptions options,
                                     absl::Duration stop_timeout = absl::Seconds(30));

  // Cuts the subscriber off: unsettled events go to other consumers at once. Waits for running
  // handlers. Must not be called from a handler or a hook.
  ~Subscriber();

  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // Changes how much may be delivered and unsettled. If more is, delivery pauses until enough is
  // settled.
  void SetCredit(const Credit& credit);

  // Pauses delivery, and resumes it with the credit set last. Delivered events are still handled.
  void Pause();
  void Resume();

  // Starts a graceful end: no more events are delivered, the delivered ones are handled and
  // settled, and then the consumer leaves, so that no event is redelivered. Returns at once; may be
  // called from handlers and hooks. Without a connection the subscriber ends at once.
  void RequestStop();

  // Waits until the subscriber has ended, and returns why:
  //
  //   OK                 after RequestStop
  //   UNAVAILABLE        no connection for `reconnect_deadline`
  //   RESOURCE_EXHAUSTED and other errors of the hub that pass, if it returned them, without
  //                      interruption, for `reconnect_deadline`
  //   CANCELLED          Stop cut the subscriber off
  //   DEADLINE_EXCEEDED  it has not ended within `timeout`; it continues
  //   FAILED_PRECONDITION  with ErrorReason::kOtherSubscription: the subscription was deleted and
  //                      another one of its name created, to which the events handled here mean
  //                      nothing; a new Subscriber consumes it
  //   others             the hub's error, e.g. NOT_FOUND (the subscription was deleted),
  //                      PERMISSION_DENIED, INVALID_ARGUMENT
  absl::Status Wait(absl::Duration timeout = absl::InfiniteDuration());

  // RequestStop followed by Wait. If the subscriber has not ended after `timeout`, it is cut off,
  // as by the destructor, and the result is DEADLINE_EXCEEDED; handlers may still run then.
  absl::Status Stop(absl::Duration timeout = absl::InfiniteDuration());

  // Wait, until SIGINT or SIGTERM at the latest: the signal does what RequestStop does. If the
  // subscriber has not ended `stop_timeout` later, or at a second signal, it is cut off, as by
  // Stop. Returns what Wait returns, i.e. OK after a signal and a graceful end, and CANCELLED if it
  // was cut off; handlers may still run then.
  //
  // The process's former handlers of the two signals are restored when this returns, and after the
  // second signal, so that a third one ends a program whose event handlers are stuck. A signal that
  // the process ignores stays ignored. Several subscribers may wait at the same time; each signal
  // is for all of them.
  absl::Status WaitForSignal(absl::Duration stop_timeout = absl::Seconds(30));

  SubscriberCounters counters() const;

  // For Start, and for tests, which inject a clock.
  explicit Subscriber(std::shared_ptr<SubscriberCore> core);

 private:
  const std::shared_ptr<SubscriberCore> core_;
};

}  // namespace eventhub::client

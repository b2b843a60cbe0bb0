// Consumes a durable subscription: runs a handler for its events, and settles them by what the
// handler says.
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
#include "eventhub/retry.h"
#include "eventhub/subscription.h"

namespace eventhub::client {

class SubscriberCore;

// What became of an event, as its handler sees it.
struct Outcome {
  enum class Kind {
    kAck,      // It is done.
    kRetry,    // To be delivered again, after `delay` or as the subscription's retry policy has it.
    kPark,     // To the dead-letter topic.
    kSkip,     // Done with, though nothing was done; the hub counts it.
    kSettled,  // Acked by a transaction that was committed (eventhub/transaction.h).
  };

  static Outcome Ack() { return {}; }
  // `delay`: 0 to 7 days; what lies beyond is taken as the nearest of these.
  static Outcome Retry(std::string reason, std::optional<absl::Duration> delay = std::nullopt) {
    return {.kind = Kind::kRetry, .reason = std::move(reason), .delay = delay};
  }
  static Outcome Park(std::string reason) {
    return {.kind = Kind::kPark, .reason = std::move(reason)};
  }
  static Outcome Settled() { return {.kind = Kind::kSettled}; }
  static Outcome Skip(std::string reason) {
    return {.kind = Kind::kSkip, .reason = std::move(reason)};
  }

  Kind kind = Kind::kAck;
  // For people: shown in the hub's stats, kept with a dead letter; the hub keeps 512 bytes of it.
  std::string reason{};
  std::optional<absl::Duration> delay{};
};

// What became of the events of a batch: `all`, but for those that `except` names by their index in
// the batch. A handler may just return an Outcome.
//
//     return BatchOutcome(Outcome::Ack(), {{3, Outcome::Retry("no such customer yet")}});
struct BatchOutcome {
  // Implicit, so that `return Outcome::Ack();` does.
  BatchOutcome(Outcome outcome, std::vector<std::pair<size_t, Outcome>> but = {})
      : all(std::move(outcome)), except(std::move(but)) {}
  BatchOutcome() = default;

  Outcome all{};
  // In order of the index; indices beyond the batch are ignored.
  std::vector<std::pair<size_t, Outcome>> except{};
};

// Which handlers may run at the same time.
enum class Order {
  // As the kind of the subscription suggests: STREAM kPerPartition, QUEUE kNone.
  kDefault,
  // One at a time for each partition, in the order of delivery.
  kPerPartition,
  // One at a time for each partition key, in the order of delivery; different keys, and events
  // without a key, at the same time. Needs `on_event`. (On a STREAM, a retry for one key also takes
  // back what is not done yet of the others behind it.)
  kPerKey,
  // Any. (A QUEUE with `ordered_by_key` is in order all the same: the hub holds the events back.)
  kNone,
};

// What a program may want to know of what goes on. Called on a thread of the connection, one at a
// time; must be quick, must not block, and may call the subscriber's methods but Stop, Wait and the
// destructor. Each may be null. An exception out of a hook is caught, and counted
// (SubscriberCounters::hooks_thrown); the subscriber goes on.
struct SubscriberHooks {
  // Connected: the name of this consumer as stats have it.
  std::function<void(const std::string& consumer)> on_connected{};
  // The connection broke; it is made again. What was not settled comes again.
  std::function<void(const absl::Status& status)> on_disconnected{};
  // All that is in the log, and may be delivered here, was delivered; handlers may still be at it.
  std::function<void()> on_caught_up{};
  // After on_caught_up: the next events are on the hub's disk only.
  std::function<void()> on_fell_behind{};
  // Retention removed these events before the subscription could deliver them: they are lost to it.
  std::function<void(const PartitionRange& range)> on_trimmed{};
  // STREAM: this consumer has the partition from now on, from this offset.
  std::function<void(const PartitionOffset& next)> on_assigned{};
  // STREAM: another consumer waits for the partition; it goes when what was delivered is settled.
  std::function<void(uint32_t partition)> on_draining{};
  // The lease of the partition is over. What is not handed to a handler yet is dropped; a handler
  // that is at it goes on, and its outcome does not count. On a broken connection too (STREAM), but
  // not when the subscriber itself cuts it off.
  std::function<void(uint32_t partition)> on_revoked{};
  // The last one: the subscriber has ended, as Wait says, and nothing more is delivered; a handler
  // may still be at it. E.g. NOT_FOUND: the subscription was deleted. Not called when the program
  // cuts the subscriber off (the destructor, or a Stop whose time is up).
  std::function<void(const absl::Status& status)> on_ended{};
};

struct SubscriberOptions {
  // The subscription. Required.
  std::string subscription{};

  // Tells this consumer from others in stats and logs; at most 256 bytes. Empty: the client's
  // address.
  std::string consumer{};

  // Exactly one of them. Run on the subscriber's own threads, several at a time. An exception out
  // of a handler is a Retry with what() as its reason. The event or batch is valid until the
  // handler returns; a copy of the batch is valid as long as it lives.
  std::function<Outcome(const ReceivedEvent& event)> on_event{};
  // Events of one partition, as many as came together. On a STREAM the first kRetry decides: the
  // hub takes the partition back to that event, and what follows it comes again, whatever its
  // outcome was; but for replayed events, each of which is by itself.
  std::function<BatchOutcome(const EventBatch& batch)> on_batch{};

  // Batches are handed to `on_batch` in parts of at most so many events; 0: as they came.
  size_t max_batch_events = 0;

  Order order = Order::kDefault;

  // How many handlers run at the same time; 1 to 1,024. Each has a thread.
  size_t threads = 4;

  // What may be delivered and not settled yet: it bounds the memory that events take. A response of
  // the hub is at most one event larger.
  Credit credit{};

  // The size up to which the hub fills a response, 4,096 to 4,000,000; 0: the hub's default, and
  // 65,536 with kPerKey. The memory of a response is kept until all its events are settled.
  uint32_t max_response_bytes = 0;

  // Leases of events that are being handled, or wait here to be, are extended for so long after
  // their delivery; then they go to other consumers as the subscription's `ack_deadline` has it. At
  // least 0; infinite: always.
  absl::Duration max_lease_extension = absl::Minutes(30);

  // Between attempts to reconnect.
  RetryOptions retry{};

  // Give up, with the last error, when no connection was made for so long. More than 0; infinite:
  // never.
  absl::Duration reconnect_deadline = absl::InfiniteDuration();

  SubscriberHooks hooks{};
};

// What a subscriber counts, in events, since it started.
struct SubscriberCounters {
  uint64_t delivered = 0;     // Received; each delivery counted.
  uint64_t redelivered = 0;   // Of those: delivered before, here or to another consumer.
  uint64_t handled = 0;       // A handler had them.
  uint64_t dropped = 0;       // Received, but not handed to a handler: their lease was over, or a
                              // retry took the partition back.
  uint64_t acked = 0;         // Confirmed by the hub, durable.
  uint64_t nacked = 0;        // Confirmed by the hub; all outcomes but kAck.
  uint64_t parked = 0;        // Of those: kPark.
  uint64_t skipped = 0;       // Of those: kSkip.
  uint64_t lease_lost = 0;    // Outcomes that the hub refused: others have or had the events.
  uint64_t failed = 0;        // Outcomes that the hub refused for another reason, e.g. its disk.
  uint64_t in_doubt = 0;      // Outcomes sent, and not confirmed when the connection broke.
  uint64_t requests = 0;      // Messages with acks, nacks or extensions.
  uint64_t extensions = 0;    // Lease extensions in them, one or more for each partition.
  uint64_t connections = 0;   // Times that a connection was made.
  uint64_t trimmed = 0;       // Offsets lost to retention; see on_trimmed.
  uint64_t hooks_thrown = 0;  // Hooks that threw an exception.
  // Now:
  uint64_t unsettled = 0;  // Events here: waiting, being handled, or settled but not confirmed.
};

// One consumer of a subscription. Thread-safe.
//
// Lifecycle: Start connects and begins at once; RequestStop, a hub that says no, or the destructor
// ends it; a program that does not Wait hears of it by SubscriberHooks::on_ended, and would else be
// idle for ever. When the connection breaks it is made again, and the hub delivers again what was
// not settled: each event is handled at least once, and more than once if its outcome could not be
// confirmed; EventBatch::redelivered tells.
//
// Outcomes are gathered into ranges: sent at once when nothing is under way, and together with
// those that come meanwhile when something is. Nothing is acked but what a handler said is done. On
// a STREAM, a kRetry takes the partition back: what was delivered behind that event, and has no
// outcome yet, is dropped, and comes again; a handler that is at it goes on, and its outcome does
// not count. What came before, outcomes of other events, and replayed events are not affected.
//
// Memory: what `credit` allows. Threads: SubscriberOptions::threads.
//
// Example:
//
//     ASSIGN_OR_RETURN(auto subscriber, Subscriber::Start(hub, {
//         .subscription = "billing",
//         .on_event = [](const ReceivedEvent& event) {
//           return Bill(event) ? Outcome::Ack() : Outcome::Retry("the bank does not answer");
//         }}));
//     …
//     RETURN_IF_ERROR(subscriber->Stop(absl::Seconds(30)));
class Subscriber {
 public:
  // INVALID_ARGUMENT, naming the option, if one is out of range. Does not wait for the network.
  static absl::StatusOr<std::unique_ptr<Subscriber>> Start(std::shared_ptr<Connection> connection,
                                                           SubscriberOptions options);

  // Start, and Wait: for a thread that does nothing else. Returns when the subscriber has ended by
  // itself, e.g. NOT_FOUND, because the subscription was deleted.
  static absl::Status Run(std::shared_ptr<Connection> connection, SubscriberOptions options);

  // Ends it hard: what is not settled goes to others at once. Waits for handlers that run. Not to
  // be called from a handler or a hook.
  ~Subscriber();

  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // From now on so much may be out. Less than what is out holds delivery until enough is settled.
  void SetCredit(const Credit& credit);

  // Holds delivery, and lets it go on with the credit set last. What was delivered is handled.
  void Pause();
  void Resume();

  // Begins to end: nothing more is delivered, what was delivered is handled and settled, and then
  // the hub is left, without anything being delivered again. Returns at once; may be called from
  // handlers and hooks. Without a connection it ends at once.
  void RequestStop();

  // Returns when the subscriber has ended: OK after RequestStop; the hub's error if that ended it
  // (e.g. NOT_FOUND: the subscription was deleted; FAILED_PRECONDITION with
  // ErrorReason::kOtherSubscription: it is another one of that name, so that what this one handled
  // says nothing of it; a new Subscriber takes it as it is; PERMISSION_DENIED; INVALID_ARGUMENT);
  // UNAVAILABLE after `reconnect_deadline`; CANCELLED if it was cut off by Stop. DEADLINE_EXCEEDED
  // if it has not ended within `timeout`; it goes on.
  absl::Status Wait(absl::Duration timeout = absl::InfiniteDuration());

  // RequestStop, and Wait. What has not been settled after `timeout` is given up, as by the
  // destructor, and the result is DEADLINE_EXCEEDED; handlers may still run then.
  absl::Status Stop(absl::Duration timeout = absl::InfiniteDuration());

  SubscriberCounters counters() const;

  // For Start, and for tests, which inject a clock.
  explicit Subscriber(std::shared_ptr<SubscriberCore> core);

 private:
  const std::shared_ptr<SubscriberCore> core_;
};

}  // namespace eventhub::client

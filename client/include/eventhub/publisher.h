// Publishes events to one topic, fast and without loss: batched, pipelined, idempotent, retried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "eventhub/connection.h"
#include "eventhub/retry.h"
#include "eventhub/topic.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

class PublisherCore;

// How an event waits for its time (`Event.deliver_at`, `Event.deliver_after`).
struct EventDelay {
  // Names it among the delayed events of its topic.
  std::string id{};
  absl::Time due_time{};
};

// An EventDelay or none, used like a std::optional of it; but hardly an event has one, so what has
// none costs a pointer. A value; as thread-safe as one.
class OptionalDelay {
 public:
  OptionalDelay() = default;
  OptionalDelay(std::nullopt_t) {}
  OptionalDelay(EventDelay delay) : delay_(std::make_unique<EventDelay>(std::move(delay))) {}
  OptionalDelay(const OptionalDelay& other)
      : delay_(other.delay_ ? std::make_unique<EventDelay>(*other.delay_) : nullptr) {}
  OptionalDelay(OptionalDelay&&) = default;
  OptionalDelay& operator=(OptionalDelay other) {
    delay_ = std::move(other.delay_);
    return *this;
  }

  bool has_value() const { return delay_ != nullptr; }
  explicit operator bool() const { return has_value(); }
  const EventDelay& operator*() const { return *delay_; }
  const EventDelay* operator->() const { return delay_.get(); }

 private:
  std::unique_ptr<const EventDelay> delay_;
};

// Where a published event is.
struct PublishedEvent {
  using Delay = EventDelay;

  // Without meaning if it is `delayed`.
  uint32_t partition = 0;
  // The hub had accepted the request before, i.e. a retry was not needed after all.
  bool duplicate = false;
  // The event is not appended, because the topic had one of the same source and id already
  // (`Topic.deduplication_window`). The place is that of the first one; offset -1 if the first one
  // waits for its time.
  bool deduplicated = false;
  int64_t offset = 0;
  // Set if the event is not appended yet.
  OptionalDelay delayed{};
};

// The result of one request, that is of the events of one batch.
struct BatchResult {
  // OK: all are appended, delayed or duplicates. An error: none is, unless OutcomeIsUnknown
  // (eventhub/error.h) says so of it: then they may be, e.g. because the deadline passed before the
  // hub replied.
  const absl::Status& status;
  // How many events it is about; at least 1.
  size_t events;
  // Where those are that are appended, if the status is OK.
  absl::Span<const Placement> placements;
  // Those that are not: that were there before, and that wait for their time.
  absl::Span<const DuplicatePlacement> duplicates{};
  absl::Span<const DelayPlacement> delayed{};
};

// What Publish does while the buffer is full.
enum class WhenFull {
  kBlock,  // Waits for space, at most `deadline`.
  kFail,   // Returns RESOURCE_EXHAUSTED at once.
};

struct PublisherOptions {
  // The topic. Required.
  std::string topic{};

  // When events count as published.
  Durability durability = Durability::kDefault;

  // A batch is sent when it has this many encoded bytes (1 KiB to 3 MiB; one event may be larger) …
  size_t max_batch_bytes = 256 * 1024;
  // … or this many events (1 to 1,000,000) …
  size_t max_batch_events = 100'000;
  // … or its first event has waited so long; 0 to 1 min. 0: at once when no request is in flight,
  // else as soon as none is (a producer of more than 64 events meanwhile: up to 0.5 ms later),
  // which gives small batches to a slow producer and large ones to a fast one.
  absl::Duration linger = absl::ZeroDuration();

  // How much may be sent and not yet acknowledged: requests, 1 to 64; bytes, at least 1 (one
  // request may always be in flight).
  size_t max_in_flight_requests = 64;
  size_t max_in_flight_bytes = 8 * 1024 * 1024;

  // How many bytes of events may be held, sent or not (at least 1; one event may always be held),
  // and what happens beyond.
  size_t max_buffer_bytes = 32 * 1024 * 1024;
  WhenFull when_full = WhenFull::kBlock;

  // An event has its result at the latest after so long; what could not be published until then
  // fails with DEADLINE_EXCEEDED. More than 0; may be infinite.
  absl::Duration deadline = absl::Minutes(2);

  // A hub that leaves a request without a reply for so long is given up and connected to anew. More
  // than 0; may be infinite.
  absl::Duration reply_timeout = absl::Seconds(30);

  // Between attempts.
  RetryOptions retry{};

  // Whether retries are recognised by the hub, so that each event is appended exactly once and in
  // order however often it is sent. Without it, an event whose connection broke may be appended
  // twice, and behind later ones.
  bool idempotent = true;

  // Names this producer at the hub, at most 256 bytes. Empty: a random name. A publisher with a
  // name fences those that had the name before it, whatever their clocks say: their events fail
  // with ABORTED. Whose first event the hub accepted last has the name.
  std::string producer_id{};

  // Is told the result of every batch, on a thread of the connection and before the callbacks of
  // its events; must be quick, must not block and must not use the publisher but for Publish with
  // WhenFull::kFail. Cheaper than a callback for each event.
  std::function<void(const BatchResult&)> on_batch_done{};
};

// Publishes to one topic. Thread-safe.
//
// Events are gathered in batches, sent over one stream, several in flight, and are retried until
// their deadline. Events published by one thread with the same partition key, or to the same
// explicit partition, are appended in the order of the calls, whatever fails in between. (Events of
// one partition, some published by key and some by explicit partition, have no order among them.)
//
// Required attributes and sizes are checked before an event is taken. An event that the hub alone
// can see to be wrong (e.g. larger than its topic allows) fails by itself; those around it are
// published.
//
// Memory: `max_buffer_bytes`, plus what callbacks take. Threads: none of its own; results are
// delivered on threads of the connection, and a callback that blocks delays all later results.
//
// Example:
//
//     ASSIGN_OR_RETURN(auto publisher, Publisher::Create(Connect("localhost:7070"),
//                                                        {.topic = "orders"}));
//     RETURN_IF_ERROR(publisher->Publish(event));
//     RETURN_IF_ERROR(publisher->Flush());
class Publisher {
 public:
  // Called exactly once: where the event is, or why it is not; see BatchResult for the errors.
  // INTERNAL may also mean that it is appended, but a hub with a defect does not tell where.
  using Callback = absl::AnyInvocable<void(absl::StatusOr<PublishedEvent>) &&>;

  // INVALID_ARGUMENT, naming the option, if one is out of range. Does not use the network.
  static absl::StatusOr<std::unique_ptr<Publisher>> Create(std::shared_ptr<Connection> connection,
                                                           PublisherOptions options);

  // As Close(absl::ZeroDuration()): does not wait for the hub. What is not acknowledged yet fails
  // with CANCELLED, which its callbacks are told and nobody else: call Flush or Close before, to
  // publish everything and to know. Returns when no callback runs any more. Not to be called from a
  // callback.
  ~Publisher();

  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Takes the event to be published; its partition is chosen by its `partition_key`, or by the hub
  // if it has none. Failures are known to `on_batch_done` and to the next Flush.
  //
  // An error means that the event was not taken, and is not appended: INVALID_ARGUMENT (names the
  // field), RESOURCE_EXHAUSTED (the buffer is full), CANCELLED (the publisher is closed), ABORTED
  // (a newer publisher has this producer's name). The event itself is not kept.
  absl::Status Publish(const v1::Event& event);

  // The same; `done` gets the result, and is not called if an error is returned. It runs on a
  // thread of the connection; what is asked of `on_batch_done` holds for it too. Captures of up to
  // 16 bytes cost no allocation.
  absl::Status Publish(const v1::Event& event, Callback done);

  // The same, with an explicit partition; `done` may be null.
  absl::Status PublishTo(uint32_t partition, const v1::Event& event, Callback done = nullptr);

  // The same; the future has the error also if the event was not taken.
  std::future<absl::StatusOr<PublishedEvent>> PublishAsync(const v1::Event& event);

  // Sends what is waiting without lingering, and returns when all events taken before the call have
  // their results and their callbacks have returned: OK, or the first error of an event since this
  // thread flushed last, or published first, whichever thread published the event. An error is told
  // to every thread that flushes, and none takes it from another. (Of more than 64, the first is of
  // the last 64.) UNKNOWN: a callback threw an exception, which is caught. DEADLINE_EXCEEDED: it
  // took longer than `timeout`. Not to be called from a callback.
  absl::Status Flush(absl::Duration timeout = absl::InfiniteDuration());

  // Takes no more events, and flushes what was taken: the result is that of Flush. What has no
  // result after `timeout` fails with CANCELLED. Returns when no callback runs any more. Not to be
  // called from a callback.
  absl::Status Close(absl::Duration timeout);

  // Why the last attempt failed, if nothing was acknowledged since, and it is tried again: e.g.
  // UNAVAILABLE, without a hub; RESOURCE_EXHAUSTED, for a full topic. Thread-safe.
  absl::Status last_failure() const;

  // For Create, and for tests, which inject a clock.
  explicit Publisher(std::shared_ptr<PublisherCore> core);

 private:
  const std::shared_ptr<PublisherCore> core_;
};

}  // namespace eventhub::client

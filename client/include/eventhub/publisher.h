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

// The delay of an event that is not due yet (`Event.deliver_at`, `Event.deliver_after`).
struct EventDelay {
  // Identifies the event among the delayed events of its topic.
  std::string id{};
  absl::Time due_time{};
};

// An optional EventDelay, used like std::optional. Few events have one, so an empty one costs only
// a pointer. A value; thread-compatible.
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

  // Meaningless if the event is `delayed`.
  uint32_t partition = 0;
  // The hub had accepted the request before: a retry turned out to be unnecessary.
  bool duplicate = false;
  // The event was not appended, because the topic already had one with the same source and id
  // (`Topic.deduplication_window`). Partition and offset are those of the first one; the offset is
  // -1 if the first one is still delayed.
  bool deduplicated = false;
  int64_t offset = 0;
  // Set if the event is delayed, and not appended yet.
  OptionalDelay delayed{};
};

// The result of one request, i.e. of the events of one batch.
struct BatchResult {
  // OK: every event is appended, delayed or a duplicate. An error: none is, unless OutcomeIsUnknown
  // (eventhub/error.h) returns true for it: then the events may have been appended, e.g. because
  // the deadline passed before the hub replied.
  const absl::Status& status;
  // The number of events; at least 1.
  size_t events;
  // Where the appended events are, if the status is OK.
  absl::Span<const Placement> placements;
  // The events that were not appended: duplicates and delayed events.
  absl::Span<const DuplicatePlacement> duplicates{};
  absl::Span<const DelayPlacement> delayed{};
};

// What Publish does when the buffer is full.
enum class WhenFull {
  kBlock,  // Waits for space, at most `deadline`.
  kFail,   // Returns RESOURCE_EXHAUSTED at once.
};

struct PublisherOptions {
  // The topic to publish to. Required.
  std::string topic{};

  // What an event must survive before it counts as published.
  Durability durability = Durability::kDefault;

  // A batch is sent when it has this many encoded bytes (1 KiB to 3 MiB; a single event may be
  // larger) …
  size_t max_batch_bytes = 256 * 1024;
  // … or this many events (1 to 1,000,000). The hub refuses a request of more than 5,000 events
  // that would add more than that many records to its store (kTooManyCopies) …
  size_t max_batch_events = 2'000;
  // … or when its first event has waited this long; 0 to 1 min. 0: at once if no request is in
  // flight, otherwise as soon as none is (up to 0.5 ms later if 64 or more events were published
  // meanwhile). A slow producer gets small batches, a fast one large batches.
  absl::Duration linger = absl::ZeroDuration();

  // How much may be sent and not yet acknowledged, in requests (1 to 64) and in bytes (at least 1;
  // one request may always be in flight).
  size_t max_in_flight_requests = 64;
  size_t max_in_flight_bytes = 8 * 1024 * 1024;

  // How many bytes of unacknowledged events the publisher may hold, sent or not (at least 1; one
  // event may always be held), and what Publish does when they are exceeded.
  size_t max_buffer_bytes = 32 * 1024 * 1024;
  WhenFull when_full = WhenFull::kBlock;

  // How long an event may take to be published; afterwards it fails with DEADLINE_EXCEEDED. More
  // than 0; may be infinite.
  absl::Duration deadline = absl::Minutes(2);

  // How long the hub may take to reply to a request; afterwards the stream is dropped and opened
  // again. More than 0; may be infinite.
  absl::Duration reply_timeout = absl::Seconds(30);

  // The delays between attempts.
  RetryOptions retry{};

  // Whether the hub recognizes retries, so that each event is appended exactly once and in order
  // however often it is sent. If false, an event may be appended twice, and after later events,
  // when the connection breaks.
  bool idempotent = true;

  // The name of this producer at the hub, at most 256 bytes. Empty: a random name. A publisher
  // fences all publishers that used its name before, whatever their clocks: their events fail with
  // ABORTED. The name belongs to the publisher whose first event was accepted last.
  std::string producer_id{};

  // Called with the result of every batch, on a thread of the connection, before the callbacks of
  // its events. Must be quick, must not block, and must not call the publisher, except Publish with
  // WhenFull::kFail. Cheaper than a callback for each event.
  std::function<void(const BatchResult&)> on_batch_done{};
};

// Publishes to one topic. Thread-safe.
//
// Events are gathered into batches, pipelined over one stream, and retried until their deadline.
// Events that one thread publishes with the same partition key, or to the same explicit partition,
// are appended in the order of the calls, whatever fails in between. (Events that reach a partition
// by key and events that name it explicitly are not ordered relative to each other.)
//
// Required attributes and sizes are checked before an event is taken. An event that only the hub
// can reject (e.g. because it is larger than its topic allows) fails alone; the events around it
// are published.
//
// Memory: `max_buffer_bytes`, plus the captures of callbacks. Threads: none; results are delivered
// on threads of the connection, and a callback that blocks delays all later results.
//
// Example:
//
//     ASSIGN_OR_RETURN(auto publisher, Publisher::Create(Connect("localhost:7070"),
//                                                        {.topic = "orders"}));
//     RETURN_IF_ERROR(publisher->Publish(event));
//     RETURN_IF_ERROR(publisher->Flush());
class Publisher {
 public:
  // Called exactly once, with the event's place or an error; see BatchResult for the errors.
  // INTERNAL may also mean that the event is appended, but that a defective hub did not say where.
  using Callback = absl::AnyInvocable<void(absl::StatusOr<PublishedEvent>) &&>;

  // INVALID_ARGUMENT, naming the option, if one is out of range. Does not use the network.
  static absl::StatusOr<std::unique_ptr<Publisher>> Create(std::shared_ptr<Connection> connection,
                                                           PublisherOptions options);

  // Like Close(absl::ZeroDuration()): does not wait for the hub. Events that are not acknowledged
  // fail with CANCELLED, which only their callbacks hear; call Flush or Close first to publish
  // everything and to learn the result. Returns when no callback runs. Must not be called from a
  // callback.
  ~Publisher();

  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Takes an event to publish. Its partition follows from its `partition_key`; the hub chooses one
  // if it has no key. Later failures are reported to `on_batch_done` and by the next Flush.
  //
  // An error means that the event was not taken and will not be appended: INVALID_ARGUMENT (names
  // the field), RESOURCE_EXHAUSTED (the buffer is full), CANCELLED (the publisher is closed),
  // ABORTED (a newer publisher has this producer's name). `event` is copied.
  absl::Status Publish(const v1::Event& event);

  // The same; `done` receives the result, and is not called if an error is returned. It runs on a
  // thread of the connection, under the same restrictions as `on_batch_done`. Captures of up to 16
  // bytes cost no allocation.
  absl::Status Publish(const v1::Event& event, Callback done);

  // The same, with an explicit partition; `done` may be null.
  absl::Status PublishTo(uint32_t partition, const v1::Event& event, Callback done = nullptr);

  // The same; the future also receives the error if the event was not taken.
  std::future<absl::StatusOr<PublishedEvent>> PublishAsync(const v1::Event& event);

  // Sends waiting events without lingering, and returns when all events taken before the call have
  // their results and their callbacks have returned. Returns OK, or the first error of any thread's
  // event since this thread last flushed, or first published. Threads do not hide errors from each
  // other. (Of more than 64 errors: the first of the last 64.) UNKNOWN: a callback threw an
  // exception, which is caught. DEADLINE_EXCEEDED: it took longer than `timeout`. Must not be
  // called from a callback.
  absl::Status Flush(absl::Duration timeout = absl::InfiniteDuration());

  // Takes no more events, flushes those that were taken, and returns the result of Flush. Events
  // without a result after `timeout` fail with CANCELLED. Returns when no callback runs. Must not
  // be called from a callback.
  absl::Status Close(absl::Duration timeout);

  // Why the last attempt failed, while it is being retried and nothing was acknowledged since: e.g.
  // UNAVAILABLE (no hub), RESOURCE_EXHAUSTED (a full topic). Otherwise OK.
  absl::Status last_failure() const;

  // For Create, and for tests, which inject a clock.
  explicit Publisher(std::shared_ptr<PublisherCore> core);

 private:
  const std::shared_ptr<PublisherCore> core_;
};

}  // namespace eventhub::client

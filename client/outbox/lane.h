// The pending requests of one topic: which is sent next, with which sequence, and the effect of
// replies.
//
// This class implements exactly-once and in-order publishing from a directory. It uses no threads,
// clock, disk or network, so that it can be tested alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/outbox/format.h"
#include "client/outbox/stored.h"
#include "client/src/publish/batch.h"
#include "eventhub/bytes.h"
#include "eventhub/connection.h"
#include "eventhub/outbox.h"

namespace eventhub::client::outbox {

// Callers that wait for events to be accepted.
struct Ticket {
  uint64_t id = 0;
  size_t events = 0;
  size_t bytes = 0;
  std::vector<Outbox::Callback> done;
};

// One request: events that are sent together, under one sequence.
struct Request {
  uint64_t number = 0;
  uint64_t first_event = 0;
  uint64_t span = 0;  // See PartHeader.
  uint64_t events = 0;
  size_t bytes = 0;
  uint32_t parts = 0;
  absl::Time accepted;   // When its first event was taken.
  absl::Duration taken;  // The same by the monotonic clock.
  absl::Duration sent_at;
  // Its events, part by part; empty: they must be read from disk.
  std::vector<Bytes> bodies;
  size_t cached = 0;       // The size of `bodies`, if the request is on disk as well.
  bool sealed = false;     // Its contents are final.
  bool in_memory = false;  // It goes straight to the hub: it is complete without the disk.
  bool stored = false;     // It is on disk, except for parts that are being written.
  uint32_t writing = 0;    // Parts that are being written.
  bool in_doubt = false;   // An earlier attempt to send it may have succeeded.
  bool damaged = false;    // Some of its events cannot be read.
  Ticket ticket;           // Of its events, if they are accepted only with the hub's reply.

  // Whether everything needed to send it again would survive a crash.
  bool durable() const { return stored && writing == 0; }
};

// What to do after a reply.
enum class AfterReply {
  kConfirmed,  // The hub has the oldest request, which is removed.
  kGoOn,
  kBackOff,   // Pause: the hub cannot take requests now.
  kStop,      // Pause for long: the hub refuses the topic until somebody acts.
  kSetAside,  // The hub refuses one event of the oldest request; see set_aside().
  kBroken,    // Drop the stream: the reply is invalid, or in-flight requests must not count.
};

// Requests in the order in which their events were taken. The first `kept` were refused
// temporarily, those behind them await a reply on the current stream, the others wait to be sent.
// While requests are kept, nothing is sent: the hub refuses everything behind a refused request,
// since its sequence is missing. So the lane waits for all replies, then sends the kept requests
// again.
//
// A request's sequence is its number minus the base of the epoch. Only the process that began an
// epoch continues its sequences: requests left by another process are sent with the sequences that
// they have, and then a new epoch begins. Thread-compatible.
class Lane {
 public:
  struct Options {
    size_t max_batch_bytes = 256 * 1024;
    size_t max_batch_events = kMaxBatchEvents;
    size_t max_requests = 64;
    size_t max_bytes = 8 << 20;
  };

  Lane(const StoredTopic& stored, const Options& options);

  // Appends a request that takes parts until it is sealed.
  Request& Add(absl::Time accepted, absl::Duration taken);
  // Appends `events` events of `bytes` bytes to `request`, the last; returns the header of the new
  // part.
  PartHeader AddPart(Request& request, absl::Time accepted, uint32_t events, size_t bytes);
  // Returns the last request if it has room for `events` more, of `bytes` bytes; otherwise seals it
  // and returns null.
  Request* Tail(size_t events, size_t bytes);
  // Seals the last request, unless the window is full: then it may still grow.
  void SealTail();
  // Whether the only request left to send is the last one, and it is not sealed.
  bool TailIsNext() const;

  // The request to send next; null if there is none, or it must wait.
  Request* NextToSend();
  // Called when it is sent.
  void MarkSent(absl::Duration now);
  uint64_t SequenceOf(const Request& request) const { return request.number - base_; }

  // Handles the reply to the oldest request that awaits one. A confirmed request is moved to
  // `*confirmed`.
  AfterReply OnReply(const PublishReply& reply, std::unique_ptr<Request>* confirmed);

  // The stream ended because a request was too large for it. It is unknown which one, unless only
  // one was in flight: then, if it has a single event, that event is refused. Called before
  // OnStreamLost. From here on, until one is confirmed, requests are sent one at a time.
  AfterReply OnTooLarge(const absl::Status& status);

  // The stream ended: requests without a reply are sent again. `in_doubt`: the hub may have
  // received them.
  void OnStreamLost(bool in_doubt);

  // Whether the next request must begin a new epoch, and none awaits a reply.
  bool WantsEpoch();
  void BeginEpoch();
  // Begins a new epoch even if another publisher has the name.
  void TakeOver();
  bool fenced() const { return fenced_; }

  // Removes the first request, which will never be sent again, and no attempt of which awaits a
  // reply. If no attempt can have succeeded, the next request gets its sequence.
  Request RemoveFirst();
  // Removes all requests; no write of a request may be in progress.
  std::deque<std::unique_ptr<Request>> RemoveAll();

  // The event of the first request that the hub refused: its index, and the error. Set by
  // kSetAside; nothing is sent until it is cleared.
  struct Refused {
    uint32_t event;
    absl::Status error;
  };
  const std::optional<Refused>& set_aside() const { return set_aside_; }
  void ClearSetAside() { set_aside_.reset(); }

  // The state to write, as far as requests are on disk or being written. Nothing is sent until a
  // changed epoch or base is on disk; see OnRecordWritten.
  TopicRecord Record() const;
  bool record_must_sync() const { return !identity_durable_; }
  void OnRecordWritten(const TopicRecord& record);

  std::deque<std::unique_ptr<Request>>& requests() { return requests_; }
  const std::deque<std::unique_ptr<Request>>& requests() const { return requests_; }
  size_t awaiting() const { return awaiting_; }
  bool all_sent() const { return kept_ == 0 && awaiting_ == requests_.size(); }
  // The number of the first pending request, or of the next one.
  uint64_t head() const { return requests_.empty() ? next_number_ : requests_.front()->number; }
  // The number of the next request to be added.
  uint64_t next_number() const { return next_number_; }
  uint64_t epoch() const { return epoch_; }
  // When the oldest request that awaits its reply was sent; infinite if none does.
  absl::Duration OldestSentAt() const;

 private:
  AfterReply Refuse(const absl::Status& status);
  // Keeps the oldest request that awaits a reply, to send it again.
  void Keep();
  AfterReply WantEpoch();

  const Options options_;
  const std::string name_;
  std::deque<std::unique_ptr<Request>> requests_;
  uint64_t epoch_;
  uint64_t base_;
  uint64_t next_number_;
  uint64_t next_event_;
  // Requests from here on must not continue the epoch.
  uint64_t epoch_end_;
  bool identity_durable_ = true;  // Epoch and base are on disk.
  bool new_epoch_ = false;
  bool starting_ = false;    // Nothing was accepted in this epoch.
  bool fenced_ = false;      // A newer epoch exists.
  uint64_t held_epoch_ = 0;  // The highest that the hub told.
  size_t kept_ = 0;
  size_t awaiting_ = 0;
  size_t awaiting_bytes_ = 0;
  bool gap_expected_ = false;  // A request was refused since none last awaited a reply.
  bool one_by_one_ = false;
  std::optional<Refused> set_aside_;
};

}  // namespace eventhub::client::outbox

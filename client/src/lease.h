// A partition at a subscriber: what was delivered of it under one lease, and what the hub is to be
// told of that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/src/delivery.h"
#include "client/src/offset_set.h"
#include "client/src/settlements.h"
#include "eventhub/subscriber.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// What a consumer learns of the subscription's limit on attempts. The hub delivers an event of a
// STREAM alone when it is the last time; so an attempt at which an event was not alone is not the
// last one.
struct AttemptsSeen {
  uint32_t not_last = 0;  // The highest such attempt.
};

// Guarded by the subscriber's mutex.
//
// QUEUE: each event is settled by name. STREAM: acks go up to the first event without an outcome,
// and a retry takes the partition back: everything from that event on is void and comes again. What
// the hub had sent before it heard of that is recognised and refused by Accept. Replays come beside
// the live flow and are settled by name.
class Lease {
 public:
  // `next`: STREAM, the offset that will be delivered first. `attempts` outlives this object.
  Lease(uint32_t partition, uint64_t epoch, bool queue, std::optional<int64_t> next,
        AttemptsSeen& attempts)
      : partition_(partition),
        epoch_(epoch),
        queue_(queue),
        attempts_(attempts),
        live_(next.has_value()) {
    if (next) acked_to_ = ack_to_ = received_to_ = *next;
  }

  uint32_t partition() const { return partition_; }
  uint64_t epoch() const { return epoch_; }
  bool queue() const { return queue_; }

  // Takes up what was delivered. False if it is void already.
  bool Accept(const std::shared_ptr<Delivery>& delivery);

  // Events [first, first + count) of a delivery of this lease have an outcome, the same for all.
  // What of them is void, or past the lease, is ignored.
  void Finish(Delivery& delivery, size_t first, size_t count, const Outcome& outcome);

  // The lease is over: everything is void. Returns how many outcomes the hub was not told.
  uint64_t End();
  bool over() const { return over_; }

  // What the hub is not told yet: events, and nearly their bytes.
  uint64_t pending_events() const { return pending_acked_ + pending_named_ + pending_nacked_; }
  uint64_t pending_bytes() const { return pending_bytes_; }

  // Adds acks and nacks to a request, and what they are to `sent`, as long as `budget`, in encoded
  // bytes, is positive. Some may be left for the next request, as pending_events tells.
  void AddPending(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget);

  // Whether it wants to be told when the request is settled.
  bool awaits(uint64_t correlation_id) const { return stale_ && stale_until_ == correlation_id; }
  void OnSettled(uint64_t correlation_id);

  // Adds an extension for what was delivered a while ago and has no outcome; see KeepAlive. Returns
  // whether there is anything left to be looked after.
  struct KeepAlive {
    absl::Duration now;
    absl::Duration ack_deadline;
    absl::Duration max_extension;  // After the delivery.
  };
  bool Extend(const KeepAlive& keep, v1::ConsumeRequest& request);

  // Events without an outcome, or, on a STREAM, behind one without.
  uint64_t unfinished() const;
  // Whether nothing is left that it would have to remember.
  bool idle() const { return open_.empty() && pending_events() == 0; }

  // Whether the subscriber has it in its list of those with something pending.
  bool listed = false;

 private:
  struct Nack {
    OffsetRange range;
    Outcome outcome;
    uint64_t events;
  };

  // Whether a delivery of a STREAM is a replay; the others are the live flow.
  bool IsBeside(const EventBatch& batch) const;
  void LearnFrom(const EventBatch& batch);
  // Whether what the hub sends behind an event that is to be retried may be meant to be handled.
  bool MayBeLastAttempt(const Delivery& delivery, int64_t offset) const;
  void FinishByName(const Delivery& delivery, size_t first, size_t count, const Outcome& outcome);
  void TakeBack(Delivery& delivery, size_t index, const Outcome& outcome);
  void AddNack(OffsetRange range, uint64_t events, const Outcome& outcome);
  // Moves ack_to_ as far as there are outcomes.
  void Advance();

  void AddNacks(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget);
  void AddStreamAck(int64_t limit, v1::ConsumeRequest& request, std::vector<SentOutcome>& sent,
                    int64_t& budget);
  void AddNamedAcks(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget);

  const uint32_t partition_;
  const uint64_t epoch_;
  const bool queue_;
  AttemptsSeen& attempts_;
  bool over_ = false;
  // With events without an outcome, in the order in which they came. What is finished goes at once:
  // it holds the memory of a response.
  std::list<std::shared_ptr<Delivery>> open_{};

  // Pending.
  OffsetSet named_acks_{};
  std::vector<Nack> nacks_{};
  uint64_t pending_named_ = 0;   // In named_acks_.
  uint64_t pending_acked_ = 0;   // STREAM: up to ack_to_.
  uint64_t pending_nacked_ = 0;  // In nacks_.
  uint64_t pending_bytes_ = 0;

  // STREAM.
  bool live_;                  // The offsets below hold.
  int64_t acked_to_ = 0;       // The hub was told.
  int64_t ack_to_ = 0;         // It is to be told; at least acked_to_.
  int64_t received_to_ = 0;    // The offset after the last one delivered.
  OffsetSet settled_ahead_{};  // Parked or skipped beyond ack_to_: not to be counted as acked.
  // The partition was taken back to this offset, and has not come again from there yet.
  std::optional<int64_t> taken_back_{};
  // Until the hub has heard of that: what comes and lies behind taken_back_ was sent before.
  bool stale_ = false;
  uint64_t stale_until_ = 0;  // The request whose settlement ends it; 0: not sent yet.
};

}  // namespace eventhub::client

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
#include "client/src/subscribe/delivery.h"
#include "client/src/subscribe/offset_set.h"
#include "client/src/subscribe/settlements.h"
#include "eventhub/subscriber.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// Guarded by the subscriber's mutex.
//
// Each event is settled by name. On a STREAM a retry of a live event takes the partition back:
// what is live from there on, here or on its way, is void until the hub says that it has heard of
// the retry, and comes again. Outcomes that were there before it are told before it, and hold.
class Lease {
 public:
  // What a range is counted as in a request: nearly what it takes, encoded.
  static constexpr int64_t kRangeBytes = 24;

  Lease(uint32_t partition, uint64_t epoch, bool queue)
      : partition_(partition), epoch_(epoch), queue_(queue) {}

  uint32_t partition() const { return partition_; }
  uint64_t epoch() const { return epoch_; }
  bool queue() const { return queue_; }

  // Takes up what was delivered. False if all of it is void already.
  bool Accept(const std::shared_ptr<Delivery>& delivery);

  // Events [first, first + count) of a delivery of this lease have an outcome, the same for all.
  // What of them is void, or past the lease, is ignored.
  void Finish(Delivery& delivery, size_t first, size_t count, const Outcome& outcome);

  // The same events get no outcome: it is too late, and they come again.
  void Forget(Delivery& delivery, size_t first, size_t count);

  // The lease is over: everything is void. Returns how many outcomes the hub was not told.
  uint64_t End();
  bool over() const { return over_; }

  // What the hub is not told yet: events, and nearly their bytes.
  uint64_t pending_events() const { return pending_acked_ + pending_nacked_; }
  uint64_t pending_bytes() const { return pending_bytes_; }

  // Adds acks and nacks to a request, and what they are to `sent`, as long as `budget`, in encoded
  // bytes, is positive. Some may be left for the next request, as pending_events tells.
  void AddPending(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget);

  // STREAM: the hub has taken the partition back to `offset`. What comes from there on is good, but
  // for what another retry is about.
  void OnRewound(int64_t offset);
  // The subscription has a new ack deadline, and a partition of a STREAM is this consumer's until
  // `end`; leases of events are not changed by that.
  void OnAckDeadline(absl::Duration end);
  // The hub refused this of a request.
  void OnRefused(uint64_t correlation_id, OffsetRange range);

  // Adds extensions, each of 1,000 ranges at most, for what was delivered a while ago and has no
  // outcome; see KeepAlive. Returns whether there is anything left to be looked after.
  struct KeepAlive {
    absl::Duration now;
    absl::Duration ack_deadline;
    absl::Duration max_extension;  // After the delivery.
  };
  bool Extend(const KeepAlive& keep, v1::ConsumeRequest& request);

  // Events without an outcome.
  uint64_t unfinished() const;
  // Whether nothing is left that it would have to remember.
  bool idle() const { return open_.empty() && pending_events() == 0; }

  // Whether the subscriber has it in its list of those with something pending.
  bool listed = false;

 private:
  struct Nack {
    OffsetRange range;
    Outcome outcome;
  };

  // A retry that the hub was told, and has neither carried out nor refused as far as is known.
  struct Rewind {
    uint64_t correlation_id;
    int64_t offset;
  };

  // Whether a retry of these takes the partition back.
  bool IsLive(const Delivery& delivery) const { return !queue_ && !delivery.batch().replayed(); }
  // STREAM: live events from here on are void.
  int64_t void_from() const;
  // Makes what of a live delivery is at `offset` or behind void.
  void CutFrom(int64_t offset, Delivery& delivery);
  void AddOutcome(const Delivery& delivery, size_t first, size_t count, const Outcome& outcome);
  void TakeBack(int64_t offset, const Outcome& outcome);
  void AddNack(OffsetRange range, const Outcome& outcome);

  void AddAcks(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget);
  void AddNacks(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget);
  v1::Nack& AddNack(const Outcome& outcome, v1::ConsumeRequest& request, int64_t& budget);
  void AddRange(OffsetRange range, Outcome::Kind kind, v1::OffsetRange& proto,
                std::vector<SentOutcome>& sent, int64_t& budget);
  // All of the partition, if there are no ranges.
  void AddExtensions(const std::vector<OffsetRange>& ranges, v1::ConsumeRequest& request) const;

  const uint32_t partition_;
  const uint64_t epoch_;
  const bool queue_;
  bool over_ = false;
  // With events without an outcome, in the order in which they came. What is finished goes at once:
  // it holds the memory of a response.
  std::list<std::shared_ptr<Delivery>> open_{};

  // Pending.
  OffsetSet acks_{};
  std::vector<Nack> nacks_{};    // But for retry_.
  std::optional<Nack> retry_{};  // STREAM: of a live event. Told last.
  uint64_t pending_acked_ = 0;   // In acks_.
  uint64_t pending_nacked_ = 0;  // In nacks_ and retry_.
  uint64_t pending_bytes_ = 0;

  // STREAM.
  std::vector<Rewind> rewinds_{};
  // Live events that were dropped, and that the hub has not taken back as far as is known.
  OffsetSet void_{};
};

}  // namespace eventhub::client

// A lease of a subscriber: the events delivered from a partition under it, and the outcomes that
// were not sent to the hub yet.
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
// Every event is settled by its offset. On a STREAM a retry of a live event rewinds the partition:
// live events from there on, delivered or on their way, are void until the hub confirms the retry,
// and are delivered again. Outcomes that precede the retry are told before it, and stand.
class Lease {
 public:
  // The approximate encoded size of a range in a request.
  static constexpr int64_t kRangeBytes = 24;

  Lease(uint32_t partition, uint64_t epoch, bool queue)
      : partition_(partition), epoch_(epoch), queue_(queue) {}

  uint32_t partition() const { return partition_; }
  uint64_t epoch() const { return epoch_; }
  bool queue() const { return queue_; }

  // Takes a delivery. False if all of its events are void.
  bool Accept(const std::shared_ptr<Delivery>& delivery);

  // Events [first, first + count) of a delivery of this lease have this outcome. Events that are
  // void, and all events once the lease is over, are ignored.
  void Finish(Delivery& delivery, size_t first, size_t count, const Outcome& outcome);

  // The same events get no outcome: their lease expired, and they are delivered again.
  void Forget(Delivery& delivery, size_t first, size_t count);

  // The lease is over: everything is void. Returns how many outcomes the hub was never told.
  uint64_t End();
  bool over() const { return over_; }

  // Outcomes that the hub has not been told: events, and approximately their bytes.
  uint64_t pending_events() const { return pending_acked_ + pending_nacked_; }
  uint64_t pending_bytes() const { return pending_bytes_; }

  // Adds acks and nacks to a request, and lists them in `sent`, as long as `budget`, in encoded
  // bytes, is positive. The rest, see pending_events, is left for the next request.
  void AddPending(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget);

  // STREAM: the hub has rewound the partition to `offset`. Events delivered from there on are
  // valid, unless another retry precedes them.
  void OnRewound(int64_t offset);
  // The subscription has a new ack deadline. A partition of a STREAM now belongs to this consumer
  // until `end`; leases of individual events are unchanged.
  void OnAckDeadline(absl::Duration end);
  // The hub refused the outcomes of these events in a request.
  void OnRefused(uint64_t correlation_id, OffsetRange range);

  // Adds extensions, of at most 1,000 ranges each, for events without an outcome whose lease needs
  // one; see KeepAlive. Returns whether any event may need an extension later.
  struct KeepAlive {
    absl::Duration now;
    absl::Duration ack_deadline;
    absl::Duration max_extension;  // After the delivery.
  };
  bool Extend(const KeepAlive& keep, v1::ConsumeRequest& request);

  // Events without an outcome.
  uint64_t unfinished() const;
  // Whether the lease has no state left to keep.
  bool idle() const { return open_.empty() && pending_events() == 0; }

  // Whether the LeaseTable lists this lease as pending.
  bool listed = false;
  // STREAM: see EventBatch.
  int64_t first_new_offset = 0;

 private:
  struct Nack {
    OffsetRange range;
    Outcome outcome;
  };

  // A retry that the hub was told, and has neither confirmed nor refused yet.
  struct Rewind {
    uint64_t correlation_id;
    int64_t offset;
  };

  // Whether a retry of these events rewinds the partition.
  bool IsLive(const Delivery& delivery) const { return !queue_ && !delivery.batch().replayed(); }
  // STREAM: live events from here on are void.
  int64_t void_from() const;
  // Voids the events of a live delivery from `offset` on.
  void CutFrom(int64_t offset, Delivery& delivery);
  void AddOutcome(const Delivery& delivery, size_t first, size_t count, const Outcome& outcome);
  void TakeBack(int64_t offset, const Outcome& outcome);
  void AddNack(OffsetRange range, const Outcome& outcome);

  void AddAcks(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget);
  void AddNacks(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget);
  v1::Nack& AddNack(const Outcome& outcome, v1::ConsumeRequest& request, int64_t& budget);
  void AddRange(OffsetRange range, Outcome::Kind kind, v1::OffsetRange& proto,
                std::vector<SentOutcome>& sent, int64_t& budget);
  // Extends the whole partition if there are no ranges.
  void AddExtensions(const std::vector<OffsetRange>& ranges, v1::ConsumeRequest& request) const;

  const uint32_t partition_;
  const uint64_t epoch_;
  const bool queue_;
  bool over_ = false;
  // Deliveries with events without an outcome, in the order of delivery. Finished ones are removed
  // at once, because each holds the memory of a response.
  std::list<std::shared_ptr<Delivery>> open_{};

  // Pending.
  OffsetSet acks_{};
  std::vector<Nack> nacks_{};    // Except retry_.
  std::optional<Nack> retry_{};  // STREAM: of a live event. Told last.
  uint64_t pending_acked_ = 0;   // In acks_.
  uint64_t pending_nacked_ = 0;  // In nacks_ and retry_.
  uint64_t pending_bytes_ = 0;

  // STREAM.
  std::vector<Rewind> rewinds_{};
  // Live events that were dropped, and that the hub has not rewound yet.
  OffsetSet void_{};
};

}  // namespace eventhub::client

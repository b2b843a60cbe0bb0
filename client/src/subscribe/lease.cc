#include "client/src/subscribe/lease.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "client/src/base/proto_time.h"
#include "client/src/base/reason.h"
#include "client/src/subscribe/fault_proto.h"

namespace eventhub::client {
namespace {

// The approximate encoded size of a nack without its reason.
constexpr int64_t kNackBytes = 64;

// Keeps requests from exceeding their budget by much.
constexpr size_t kMaxExtensionRanges = 1000;

// The longest delay that the hub accepts.
constexpr absl::Duration kMaxDelay = absl::Hours(7 * 24);

v1::Nack::Action ActionOf(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::kPark:
      return v1::Nack::ACTION_PARK;
    case Outcome::Kind::kSkip:
      return v1::Nack::ACTION_SKIP;
    default:
      return v1::Nack::ACTION_RETRY;
  }
}

bool Same(const Outcome& a, const Outcome& b) {
  return a.kind == b.kind && a.delay == b.delay && a.reason == b.reason && a.faults == b.faults;
}

uint64_t Count(OffsetRange range) { return static_cast<uint64_t>(range.end - range.start); }

void Set(OffsetRange range, v1::OffsetRange& proto) {
  proto.set_start(range.start);
  proto.set_end(range.end);
}

}  // namespace

int64_t Lease::void_from() const {
  int64_t from = retry_ ? retry_->range.start : std::numeric_limits<int64_t>::max();
  for (const Rewind& rewind : rewinds_) from = std::min(from, rewind.offset);
  return from;
}

bool Lease::Accept(const std::shared_ptr<Delivery>& delivery) {
  if (over_) return false;
  if (IsLive(*delivery)) {
    CutFrom(void_from(), *delivery);
    if (delivery->end() == 0) return false;
  }
  delivery->place = open_.insert(open_.end(), delivery);
  return true;
}

void Lease::CutFrom(int64_t offset, Delivery& delivery) {
  if (delivery.OffsetOf(delivery.end() - 1) < offset) return;
  delivery.ForEachUnfinished([&](OffsetRange range) {
    range.start = std::max(range.start, offset);
    if (range.start < range.end) void_.Add(range);
  });
  delivery.CutTo(delivery.IndexOf(offset));
}

void Lease::Finish(Delivery& delivery, size_t first, size_t count, const Outcome& outcome) {
  if (over_ || first >= delivery.end()) return;
  const bool retry = outcome.kind == Outcome::Kind::kRetry;
  if (retry && IsLive(delivery)) {
    pending_bytes_ += delivery.batch().bytes() / delivery.batch().size();
    TakeBack(delivery.OffsetOf(first), outcome);
    return;
  }
  count = std::min(count, delivery.end() - first);
  // The hub already knows the events that a transaction settled.
  if (outcome.kind != Outcome::Kind::kSettled) AddOutcome(delivery, first, count, outcome);
  Forget(delivery, first, count);
}

void Lease::Forget(Delivery& delivery, size_t first, size_t count) {
  if (over_ || first >= delivery.end()) return;
  delivery.Finish(first, std::min(count, delivery.end() - first));
  if (delivery.finished()) open_.erase(delivery.place);
}

void Lease::AddOutcome(const Delivery& delivery, size_t first, size_t count,
                       const Outcome& outcome) {
  const bool retry = outcome.kind == Outcome::Kind::kRetry;
  pending_bytes_ += delivery.batch().bytes() * count / delivery.batch().size();
  delivery.ForEachRange(first, first + count, [&](OffsetRange range) {
    // An event may have been redelivered under the same lease before the hub was told of its ack.
    // The ack remains valid, and is reported once.
    if (outcome.kind == Outcome::Kind::kAck) {
      pending_acked_ += acks_.Add(range);
    } else if (queue_ || !retry) {
      acks_.ForEachMissing(range, [&](OffsetRange missing) { AddNack(missing, outcome); });
    } else {
      // On a STREAM a retry applies only to the first offset that it names.
      for (int64_t offset = range.start; offset < range.end; ++offset) {
        AddNack({offset, offset + 1}, outcome);
      }
    }
  });
}

void Lease::TakeBack(int64_t offset, const Outcome& outcome) {
  std::erase_if(open_, [&](const auto& delivery) {
    if (!IsLive(*delivery)) return false;
    CutFrom(offset, *delivery);
    return delivery->finished();
  });
  void_.Remove(offset, offset + 1);  // The retry itself tells the hub of this event.
  if (!retry_) ++pending_nacked_;    // Otherwise this replaces a retry of a later event.
  retry_ = {.range = {offset, offset + 1}, .outcome = outcome};
}

void Lease::OnRewound(int64_t offset) {
  const auto it = std::ranges::find(rewinds_, offset, &Rewind::offset);
  if (it == rewinds_.end()) return;
  rewinds_.erase(it);
  void_.Remove(offset, std::numeric_limits<int64_t>::max());
}

void Lease::OnAckDeadline(absl::Duration end) {
  if (queue_) return;
  for (const auto& delivery : open_) delivery->set_lease_end(end);
}

void Lease::OnRefused(uint64_t correlation_id, OffsetRange range) {
  const size_t refused = std::erase_if(rewinds_, [&](const Rewind& rewind) {
    return rewind.correlation_id == correlation_id && range.start <= rewind.offset &&
           rewind.offset < range.end;
  });
  if (refused == 0 || void_.empty()) return;
  // The lease is not over, so the event was trimmed. The later events that were dropped are in
  // flight here, and must be redelivered.
  const int64_t next = void_.first().start;
  if (next < void_from())
    TakeBack(next, Outcome::Retry("an event before it is gone", absl::ZeroDuration()));
}

void Lease::AddNack(OffsetRange range, const Outcome& outcome) {
  pending_nacked_ += Count(range);
  const bool mergeable = queue_ || outcome.kind != Outcome::Kind::kRetry;
  if (mergeable && !nacks_.empty() && nacks_.back().range.end == range.start &&
      Same(nacks_.back().outcome, outcome)) {
    nacks_.back().range.end = range.end;
    return;
  }
  nacks_.push_back({.range = range, .outcome = outcome});
}

uint64_t Lease::End() {
  over_ = true;
  for (const auto& delivery : open_) delivery->CutTo(0);
  open_.clear();
  const uint64_t untold = pending_events();
  pending_acked_ = pending_nacked_ = pending_bytes_ = 0;
  acks_ = OffsetSet();
  nacks_.clear();
  retry_.reset();
  rewinds_.clear();
  void_ = OffsetSet();
  return untold;
}

void Lease::AddPending(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent,
                       int64_t& budget) {
  if (!acks_.empty()) AddAcks(request, sent, budget);
  AddNacks(request, sent, budget);
  // Last: after the retry, the hub refuses outcomes of later events.
  if (retry_ && acks_.empty() && nacks_.empty() && budget > 0) {
    v1::Nack& proto = AddNack(retry_->outcome, request, budget);
    AddRange(retry_->range, Outcome::Kind::kRetry, *proto.add_ranges(), sent, budget);
    rewinds_.push_back({request.correlation_id(), retry_->range.start});
    retry_.reset();
  }
  if (pending_events() == 0) pending_bytes_ = 0;
}

void Lease::AddRange(OffsetRange range, Outcome::Kind kind, v1::OffsetRange& proto,
                     std::vector<SentOutcome>& sent, int64_t& budget) {
  Set(range, proto);
  budget -= kRangeBytes;
  sent.push_back(
      {.at = {.partition = partition_, .range = range}, .events = Count(range), .kind = kind});
  (kind == Outcome::Kind::kAck ? pending_acked_ : pending_nacked_) -= Count(range);
}

v1::Nack& Lease::AddNack(const Outcome& outcome, v1::ConsumeRequest& request, int64_t& budget) {
  v1::Nack& nack = *request.add_nacks();
  nack.set_partition(partition_);
  nack.set_lease_epoch(epoch_);
  nack.set_action(ActionOf(outcome.kind));
  if (outcome.delay) {
    ToProto(std::clamp(*outcome.delay, absl::ZeroDuration(), kMaxDelay),
            *nack.mutable_retry_after());
  }
  nack.set_reason(CleanReason(outcome.reason));
  if (outcome.faults != nullptr) AddFaults(*outcome.faults, nack);
  budget -= kNackBytes + static_cast<int64_t>(nack.ByteSizeLong());
  return nack;
}

void Lease::AddNacks(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget) {
  size_t taken = 0;
  v1::Nack* proto = nullptr;
  for (; taken < nacks_.size() && budget > 0; ++taken) {
    const Nack& nack = nacks_[taken];
    const bool again = queue_ && taken > 0 && Same(nacks_[taken - 1].outcome, nack.outcome);
    if (!again) proto = &AddNack(nack.outcome, request, budget);
    AddRange(nack.range, nack.outcome.kind, *proto->add_ranges(), sent, budget);
  }
  nacks_.erase(nacks_.begin(), nacks_.begin() + static_cast<std::ptrdiff_t>(taken));
}

void Lease::AddAcks(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget) {
  if (budget <= 0) return;
  v1::Ack& ack = *request.add_acks();
  ack.set_partition(partition_);
  ack.set_lease_epoch(epoch_);
  ack.set_exact(!queue_);
  budget -= kRangeBytes;
  do {
    AddRange(acks_.TakeFirst(), Outcome::Kind::kAck, *ack.add_ranges(), sent, budget);
  } while (!acks_.empty() && budget > 0);
}

bool Lease::Extend(const KeepAlive& keep, v1::ConsumeRequest& request) {
  std::vector<OffsetRange> ranges;
  bool any = false;
  bool all = true;
  for (const auto& delivery : open_) {
    const bool due = delivery->lease_end() - keep.now <= keep.ack_deadline * 0.7;
    const bool over = queue_ && delivery->lease_end() <= keep.now;
    const bool given_up = keep.now - delivery->received_at() > keep.max_extension;
    if (due && !over && !given_up) {
      any = true;
      delivery->set_lease_end(keep.now + keep.ack_deadline);
      delivery->ForEachUnfinished([&](OffsetRange range) { ranges.push_back(range); });
    } else {
      all = false;
    }
    if (!queue_) break;  // The oldest unfinished event decides for the whole partition.
  }
  if (all || !queue_) ranges.clear();
  if (any) AddExtensions(ranges, request);
  return !open_.empty();
}

void Lease::AddExtensions(const std::vector<OffsetRange>& ranges,
                          v1::ConsumeRequest& request) const {
  size_t at = 0;
  do {
    v1::LeaseExtension& extension = *request.add_extensions();
    extension.set_partition(partition_);
    extension.set_lease_epoch(epoch_);
    const size_t end = std::min(at + kMaxExtensionRanges, ranges.size());
    for (; at < end; ++at) Set(ranges[at], *extension.add_ranges());
  } while (at < ranges.size());
}

uint64_t Lease::unfinished() const {
  uint64_t events = 0;
  for (const auto& delivery : open_) events += delivery->unfinished();
  return events;
}

}  // namespace eventhub::client

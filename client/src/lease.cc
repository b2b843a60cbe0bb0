#include "client/src/lease.h"

#include <algorithm>
#include <utility>

#include "client/src/proto_time.h"
#include "client/src/reason.h"

namespace eventhub::client {
namespace {

// Nearly what they take, encoded.
constexpr int64_t kRangeBytes = 24;
constexpr int64_t kNackBytes = 64;

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
  return a.kind == b.kind && a.delay == b.delay && a.reason == b.reason;
}

void Set(OffsetRange range, v1::OffsetRange& proto) {
  proto.set_start(range.start);
  proto.set_end(range.end);
}

}  // namespace

bool Lease::IsBeside(const EventBatch& batch) const {
  if (batch.first_offset() < ack_to_) return true;
  return !taken_back_ && batch.first_offset() < received_to_;
}

void Lease::LearnFrom(const EventBatch& batch) {
  uint32_t not_last = batch.size() > 1 ? batch.delivery_attempt() : 0;
  if (!open_.empty() && !open_.back()->beside()) {
    not_last = std::max(not_last, open_.back()->batch().delivery_attempt());
  }
  attempts_.not_last = std::max(attempts_.not_last, not_last);
}

bool Lease::Accept(const std::shared_ptr<Delivery>& delivery) {
  const EventBatch& batch = delivery->batch();
  if (over_) return false;
  if (!queue_) {
    if (!live_) {
      live_ = true;
      acked_to_ = ack_to_ = received_to_ = batch.first_offset();
    }
    if (IsBeside(batch)) {
      delivery->set_beside();
    } else {
      if (stale_ && batch.first_offset() > *taken_back_) return false;
      LearnFrom(batch);
      taken_back_.reset();
      stale_ = false;
      received_to_ = batch.last_offset() + 1;
    }
  }
  delivery->place = open_.insert(open_.end(), delivery);
  return true;
}

void Lease::Finish(Delivery& delivery, size_t first, size_t count, const Outcome& outcome) {
  if (over_ || first >= delivery.end()) return;
  count = std::min(count, delivery.end() - first);
  pending_bytes_ += delivery.batch().bytes() * count / delivery.batch().size();
  if (queue_ || delivery.beside()) {
    FinishByName(delivery, first, count, outcome);
    delivery.Finish(first, count);
    if (delivery.finished()) open_.erase(delivery.place);
    return;
  }
  if (outcome.kind == Outcome::Kind::kRetry) {
    TakeBack(delivery, first, outcome);
  } else {
    if (outcome.kind != Outcome::Kind::kAck) {
      delivery.ForEachRange(first, first + count, [&](OffsetRange range) {
        AddNack(range, static_cast<uint64_t>(range.end - range.start), outcome);
        settled_ahead_.Add(range);
      });
    }
    delivery.Finish(first, count);
  }
  Advance();
}

void Lease::FinishByName(const Delivery& delivery, size_t first, size_t count,
                         const Outcome& outcome) {
  delivery.ForEachRange(first, first + count, [&](OffsetRange range) {
    const auto events = static_cast<uint64_t>(range.end - range.start);
    if (outcome.kind == Outcome::Kind::kAck) {
      named_acks_.Add(range);
      pending_named_ += events;
    } else if (queue_ || outcome.kind != Outcome::Kind::kRetry) {
      AddNack(range, events, outcome);
    } else {
      // On a STREAM a retry is about the first offset that it names.
      for (int64_t offset = range.start; offset < range.end; ++offset) {
        AddNack({offset, offset + 1}, 1, outcome);
      }
    }
  });
}

bool Lease::MayBeLastAttempt(const Delivery& delivery, int64_t offset) const {
  return delivery.batch().size() == 1 && received_to_ == offset + 1 &&
         delivery.batch().delivery_attempt() > attempts_.not_last &&
         std::none_of(open_.begin(), open_.end(), [&](const auto& other) {
           return other.get() != &delivery && !other->beside();
         });
}

void Lease::TakeBack(Delivery& delivery, size_t index, const Outcome& outcome) {
  const int64_t offset = delivery.OffsetOf(index);
  const bool may_be_last = MayBeLastAttempt(delivery, offset);
  delivery.CutTo(index);
  std::erase_if(open_, [&](const auto& other) {
    const bool behind = !other->beside() && other->OffsetOf(0) > offset;
    if (behind) other->CutTo(0);
    return behind;
  });
  // After its last attempt the hub parks an event, and goes on behind it; any other comes again,
  // and what comes before it was sent too early.
  taken_back_ = std::min(taken_back_.value_or(offset), offset);
  stale_ = !may_be_last;
  stale_until_ = 0;
  settled_ahead_.Remove(offset, received_to_);
  AddNack({offset, offset + 1}, 1, outcome);
}

void Lease::AddNack(OffsetRange range, uint64_t events, const Outcome& outcome) {
  pending_nacked_ += events;
  const bool mergeable = queue_ || outcome.kind != Outcome::Kind::kRetry;
  if (mergeable && !nacks_.empty() && nacks_.back().range.end == range.start &&
      Same(nacks_.back().outcome, outcome)) {
    nacks_.back().range.end = range.end;
    nacks_.back().events += events;
    return;
  }
  nacks_.push_back({.range = range, .outcome = outcome, .events = events});
}

void Lease::Advance() {
  for (auto it = open_.begin(); it != open_.end();) {
    const Delivery& delivery = **it;
    if (delivery.beside()) {
      ++it;
      continue;
    }
    const size_t finished = delivery.finished_to();
    if (finished > 0 && delivery.OffsetOf(finished - 1) >= ack_to_) {
      size_t from = finished;
      while (from > 0 && delivery.OffsetOf(from - 1) >= ack_to_) --from;
      const int64_t to = delivery.OffsetOf(finished - 1) + 1;
      pending_acked_ += finished - from - settled_ahead_.Remove(ack_to_, to);
      ack_to_ = to;
    }
    if (!delivery.finished()) return;
    it = open_.erase(it);
  }
}

uint64_t Lease::End() {
  over_ = true;
  for (const auto& delivery : open_) delivery->CutTo(0);
  open_.clear();
  const uint64_t untold = pending_events();
  pending_named_ = pending_acked_ = pending_nacked_ = pending_bytes_ = 0;
  named_acks_ = OffsetSet();
  nacks_.clear();
  return untold;
}

void Lease::AddPending(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent,
                       int64_t& budget) {
  // An ack that goes up to an offset would also ack what is parked or skipped before it, if the hub
  // looked at it first.
  int64_t limit = ack_to_;
  for (const Nack& nack : nacks_) {
    if (!queue_ && nack.range.start >= acked_to_) limit = std::min(limit, nack.range.start);
  }
  AddNacks(request, sent, budget);
  if (!queue_ && limit > acked_to_) AddStreamAck(limit, request, sent, budget);
  if (!named_acks_.empty()) AddNamedAcks(request, sent, budget);
  if (stale_ && stale_until_ == 0 && nacks_.empty()) stale_until_ = request.correlation_id();
  if (pending_events() == 0) pending_bytes_ = 0;
}

void Lease::AddNacks(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget) {
  size_t taken = 0;
  v1::Nack* proto = nullptr;
  for (; taken < nacks_.size() && budget > 0; ++taken) {
    const Nack& nack = nacks_[taken];
    const Outcome& outcome = nack.outcome;
    const bool again = queue_ && taken > 0 && Same(nacks_[taken - 1].outcome, outcome);
    if (!again) {
      proto = request.add_nacks();
      proto->set_partition(partition_);
      proto->set_lease_epoch(epoch_);
      proto->set_action(ActionOf(outcome.kind));
      if (outcome.delay) ToProto(*outcome.delay, *proto->mutable_retry_after());
      proto->set_reason(CleanReason(outcome.reason));
      budget -= kNackBytes + static_cast<int64_t>(proto->reason().size());
    }
    Set(nack.range, *proto->add_ranges());
    budget -= kRangeBytes;
    sent.push_back({.at = {.partition = partition_, .range = nack.range},
                    .events = nack.events,
                    .nack = true});
    pending_nacked_ -= nack.events;
  }
  nacks_.erase(nacks_.begin(), nacks_.begin() + static_cast<std::ptrdiff_t>(taken));
}

void Lease::AddStreamAck(int64_t limit, v1::ConsumeRequest& request, std::vector<SentOutcome>& sent,
                         int64_t& budget) {
  const OffsetRange range{acked_to_, limit};
  v1::Ack& ack = *request.add_acks();
  ack.set_partition(partition_);
  ack.set_lease_epoch(epoch_);
  Set(range, *ack.add_ranges());
  budget -= 2 * kRangeBytes;
  const uint64_t events = limit == ack_to_
                              ? pending_acked_
                              : std::min(pending_acked_, static_cast<uint64_t>(limit - acked_to_));
  pending_acked_ -= events;
  acked_to_ = limit;
  sent.push_back({.at = {.partition = partition_, .range = range}, .events = events});
}

void Lease::AddNamedAcks(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent,
                         int64_t& budget) {
  v1::Ack& ack = *request.add_acks();
  ack.set_partition(partition_);
  ack.set_lease_epoch(epoch_);
  budget -= kRangeBytes;
  while (!named_acks_.empty() && budget > 0) {
    const OffsetRange range = named_acks_.TakeFirst();
    Set(range, *ack.add_ranges());
    budget -= kRangeBytes;
    const auto events = static_cast<uint64_t>(range.end - range.start);
    pending_named_ -= events;
    sent.push_back({.at = {.partition = partition_, .range = range}, .events = events});
  }
  if (ack.ranges().empty()) request.mutable_acks()->RemoveLast();
}

void Lease::OnSettled(uint64_t correlation_id) {
  if (stale_ && stale_until_ == correlation_id) stale_ = false;
}

bool Lease::Extend(const KeepAlive& keep, v1::ConsumeRequest& request) {
  v1::LeaseExtension extension;
  extension.set_partition(partition_);
  extension.set_lease_epoch(epoch_);
  bool any = false;
  bool all = true;
  for (const auto& delivery : open_) {
    const bool due = delivery->lease_end() - keep.now <= keep.ack_deadline * 0.7;
    const bool over = queue_ && delivery->lease_end() <= keep.now;
    const bool given_up = keep.now - delivery->received_at() > keep.max_extension;
    if (due && !over && !given_up) {
      any = true;
      delivery->set_lease_end(keep.now + keep.ack_deadline);
      delivery->ForEachUnfinished([&](OffsetRange range) { Set(range, *extension.add_ranges()); });
    } else {
      all = false;
    }
    if (!queue_) break;  // The partition as a whole goes by the event that holds it up.
  }
  if (all || !queue_) extension.clear_ranges();
  if (any) *request.add_extensions() = std::move(extension);
  return !open_.empty();
}

uint64_t Lease::unfinished() const {
  uint64_t events = 0;
  for (const auto& delivery : open_) {
    events += queue_ ? delivery->unfinished() : delivery->end() - delivery->finished_to();
  }
  return events;
}

}  // namespace eventhub::client

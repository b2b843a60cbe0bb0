#include "client/outbox/lane.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "client/src/base/failure.h"
#include "eventhub/error.h"

namespace eventhub::client::outbox {
namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

}  // namespace

Lane::Lane(const StoredTopic& stored, const Options& options)
    : options_(options),
      name_(stored.record.name),
      epoch_(stored.record.epoch),
      base_(stored.record.base),
      next_number_(std::max(stored.record.head, stored.record.sealed)),
      next_event_(stored.record.next_event),
      epoch_end_(0) {
  for (const StoredRequest& found : stored.requests) {
    auto request = std::make_unique<Request>();
    request->number = found.number;
    request->first_event = found.first_event;
    request->span = found.span;
    request->events = found.events;
    request->bytes = found.bytes;
    request->parts = found.parts;
    request->accepted = found.accepted;
    request->stored = true;
    request->sealed = found.number < stored.record.sealed;
    request->in_doubt = request->sealed;
    if (!requests_.empty()) requests_.back()->sealed = true;
    next_number_ = std::max(next_number_, found.number + 1);
    requests_.push_back(std::move(request));
  }
  // A request that was not sealed was never sent.
  epoch_end_ = next_number_;
  for (const auto& request : requests_) {
    if (!request->in_doubt) epoch_end_ = std::min(epoch_end_, request->number);
  }
}

Request& Lane::Add(absl::Time accepted, absl::Duration taken) {
  auto request = std::make_unique<Request>();
  request->number = next_number_++;
  request->first_event = next_event_;
  request->accepted = accepted;
  request->taken = taken;
  requests_.push_back(std::move(request));
  return *requests_.back();
}

PartHeader Lane::AddPart(Request& request, absl::Time accepted, uint32_t events, size_t bytes) {
  const PartHeader header{.accepted = accepted,
                          .first_event = next_event_,
                          .events = events,
                          .span = events,
                          .bytes = static_cast<uint32_t>(bytes)};
  next_event_ += events;
  request.span = next_event_ - request.first_event;
  request.events += events;
  request.bytes += bytes;
  ++request.parts;
  return header;
}

Request* Lane::Tail(size_t events, size_t bytes) {
  if (requests_.empty() || requests_.back()->sealed) return nullptr;
  Request& tail = *requests_.back();
  if (tail.bytes + bytes <= options_.max_batch_bytes &&
      tail.events + events <= options_.max_batch_events) {
    return &tail;
  }
  tail.sealed = true;
  return nullptr;
}

void Lane::SealTail() {
  if (!requests_.empty() && requests_.size() <= options_.max_requests) {
    requests_.back()->sealed = true;
  }
}

bool Lane::TailIsNext() const {
  return !requests_.empty() && !requests_.back()->sealed &&
         requests_.size() <= options_.max_requests && kept_ + awaiting_ + 1 == requests_.size();
}

Request* Lane::NextToSend() {
  if (set_aside_ || fenced_ || !identity_durable_) return nullptr;
  if (kept_ > 0 && awaiting_ > 0) return nullptr;
  if (WantsEpoch()) return nullptr;
  const size_t window = one_by_one_ ? 1 : options_.max_requests;
  if (awaiting_ == requests_.size() || awaiting_ >= window) return nullptr;
  Request& request = *requests_[awaiting_];
  if (!request.sealed || !(request.in_memory || request.durable())) return nullptr;
  if (request.number >= epoch_end_ || request.damaged) return nullptr;
  if (awaiting_ > 0 && awaiting_bytes_ + request.bytes > options_.max_bytes) return nullptr;
  return &request;
}

void Lane::MarkSent(absl::Duration now) {
  Request& request = *requests_[awaiting_];
  request.sent_at = now;
  ++awaiting_;
  awaiting_bytes_ += request.bytes;
}

AfterReply Lane::OnReply(const PublishReply& reply, std::unique_ptr<Request>* confirmed) {
  if (awaiting_ == 0 || requests_[kept_]->number != reply.correlation_id) {
    return AfterReply::kBroken;
  }
  if (!reply.status.ok()) {
    if (GetErrorReason(reply.status) != ErrorReason::kSequenceTooOld) return Refuse(reply.status);
    // Accepted before, like a duplicate, but the hub has forgotten where it is.
  }
  const bool repeated = reply.duplicate || !reply.status.ok();
  if (kept_ > 0 || (repeated && !requests_.front()->in_doubt)) {
    // It was never sent before: its sequence was used by a copy of the directory.
    new_epoch_ = true;
    return AfterReply::kBroken;
  }
  starting_ = false;
  one_by_one_ = false;
  --awaiting_;
  awaiting_bytes_ -= requests_.front()->bytes;
  *confirmed = std::move(requests_.front());
  requests_.pop_front();
  return AfterReply::kConfirmed;
}

AfterReply Lane::Refuse(const absl::Status& status) {
  Request& request = *requests_[kept_];
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  switch (GetErrorReason(status)) {
    case ErrorReason::kSequenceGap:
      // Without a refused request before it, the hub lost requests that it had accepted, or the
      // directory did.
      request.in_doubt = false;
      if (!gap_expected_) return WantEpoch();
      Keep();
      return AfterReply::kGoOn;
    case ErrorReason::kUnknownProducer:
      return WantEpoch();
    case ErrorReason::kStaleEpoch:
      if (info->producer_epoch) held_epoch_ = std::max(held_epoch_, *info->producer_epoch);
      // A new epoch takes the name over. What an older epoch left behind may be in the hub already.
      if (starting_ && !request.in_doubt) return WantEpoch();
      fenced_ = true;
      Keep();
      return AfterReply::kStop;
    case ErrorReason::kInvalidField:
      if (kept_ == 0 && info->event_index && *info->event_index < request.events) {
        set_aside_ = {*info->event_index, status};
        Keep();
        return AfterReply::kSetAside;
      }
      break;
    default:
      break;
  }
  if (OutcomeIsUnknown(status)) request.in_doubt = true;
  Keep();
  return MayPass(status) ? AfterReply::kBackOff : AfterReply::kStop;
}

void Lane::Keep() {
  awaiting_bytes_ -= requests_[kept_]->bytes;
  --awaiting_;
  ++kept_;
  gap_expected_ = true;
}

AfterReply Lane::WantEpoch() {
  new_epoch_ = true;
  Keep();
  return AfterReply::kGoOn;
}

AfterReply Lane::OnTooLarge(const absl::Status& status) {
  const bool known = kept_ == 0 && awaiting_ == 1;
  one_by_one_ = true;
  if (!known) return AfterReply::kGoOn;
  if (requests_.front()->events > 1) return AfterReply::kStop;
  set_aside_ = {0, status};
  return AfterReply::kSetAside;
}

void Lane::OnStreamLost(bool in_doubt) {
  for (size_t i = kept_; i < kept_ + awaiting_; ++i) requests_[i]->in_doubt |= in_doubt;
  kept_ = 0;
  awaiting_ = 0;
  awaiting_bytes_ = 0;
  gap_expected_ = false;
}

bool Lane::WantsEpoch() {
  if (awaiting_ > 0) return false;
  kept_ = 0;
  gap_expected_ = false;
  if (fenced_) return false;
  return new_epoch_ || (!requests_.empty() && requests_.front()->number >= epoch_end_);
}

void Lane::BeginEpoch() {
  epoch_ = std::max(epoch_, held_epoch_) + 1;
  base_ = head();
  epoch_end_ = kNever;
  new_epoch_ = false;
  starting_ = true;
  identity_durable_ = false;
}

void Lane::TakeOver() {
  if (!fenced_) return;
  fenced_ = false;
  new_epoch_ = true;
}

Request Lane::RemoveFirst() {
  Request first = std::move(*requests_.front());
  requests_.pop_front();
  if (kept_ > 0) --kept_;
  if (!first.in_doubt) {
    ++base_;
    identity_durable_ = false;
  }
  return first;
}

std::deque<std::unique_ptr<Request>> Lane::RemoveAll() {
  OnStreamLost(/*in_doubt=*/true);
  set_aside_.reset();
  new_epoch_ = true;
  return std::exchange(requests_, {});
}

TopicRecord Lane::Record() const {
  TopicRecord record{.name = name_, .epoch = epoch_, .base = base_, .head = head()};
  record.head_event = requests_.empty() ? next_event_ : requests_.front()->first_event;
  record.sealed = record.head;
  record.next_event = record.head_event;
  for (auto last = requests_.rbegin(); last != requests_.rend(); ++last) {
    const Request& request = **last;
    if (!request.stored && request.writing == 0) continue;  // It is in memory alone.
    record.sealed = request.sealed ? request.number + 1 : request.number;
    // What waits for a new epoch was never sent. It must not count as sent: an earlier process may
    // have sent other requests under these numbers, directly, in the present epoch.
    record.sealed = std::min(record.sealed, epoch_end_);
    record.next_event = request.first_event + request.span;
    break;
  }
  return record;
}

void Lane::OnRecordWritten(const TopicRecord& record) {
  if (record.epoch == epoch_ && record.base == base_) identity_durable_ = true;
}

absl::Duration Lane::OldestSentAt() const {
  return awaiting_ == 0 ? absl::InfiniteDuration() : requests_[kept_]->sent_at;
}

}  // namespace eventhub::client::outbox

#include "client/src/publish/request_queue.h"

#include <algorithm>
#include <utility>

#include "absl/base/macros.h"
#include "client/src/base/failure.h"
#include "eventhub/error.h"

namespace eventhub::client {

Batch* RequestQueue::Send(absl::Duration now) {
  if (kept_ > 0 && awaiting_ > 0) return nullptr;
  if (awaiting_ == 0) {  // All replies arrived: kept batches are now sent again.
    kept_ = 0;
    gap_expected_ = false;
    if (new_epoch_) return nullptr;
  }
  if (awaiting_ == batches_.size() || awaiting_ >= options_.max_requests) return nullptr;
  ABSL_ASSERT(kept_ == 0 && awaiting_ < batches_.size());
  Batch& batch = *batches_[awaiting_];
  if (awaiting_ > 0 && awaiting_bytes_ + batch.bytes() > options_.max_bytes) return nullptr;
  if (options_.idempotent && !batch.sequence) batch.sequence = next_sequence_++;
  batch.correlation_id = next_correlation_id_++;
  batch.sent_at = now;
  ++awaiting_;
  awaiting_bytes_ += batch.bytes();
  return &batch;
}

bool RequestQueue::TakeNewEpoch(uint64_t& epoch) {
  if (!new_epoch_ || awaiting_ > 0) return false;
  new_epoch_ = false;
  if (held_epoch_ >= epoch) starting_ = false;
  epoch = std::max(epoch, held_epoch_) + 1;
  kept_ = 0;
  gap_expected_ = false;
  next_sequence_ = 0;
  DropReported();
  for (const std::unique_ptr<Batch>& batch : batches_) batch->sequence.reset();
  return true;
}

AfterReply RequestQueue::OnReply(PublishReply reply, std::vector<Finished>& finished) {
  if (awaiting_ == 0 || batches_[kept_]->correlation_id != reply.correlation_id) {
    return AfterReply::kBroken;
  }
  if (!reply.status.ok()) return Refuse(std::move(reply), finished);
  if (reply.duplicate && !batches_[kept_]->in_doubt) {
    // This batch was never sent before, so its sequence was used by another one: one that was
    // accepted, and then refused for good on a later attempt, because the settings of its topic
    // changed in between.
    new_epoch_ = true;
    Keep();
    return AfterReply::kGoOn;
  }
  starting_ = false;
  std::unique_ptr<Batch> batch = Remove(batches_.begin() + kept_, /*sequence_used=*/true);
  Report(absl::OkStatus(), std::move(batch), std::move(reply), finished);
  return AfterReply::kGoOn;
}

bool RequestQueue::TakeOver(const absl::Status& status) {
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  // A batch that may have been accepted was accepted before the producer was fenced.
  if (!starting_ || batches_[kept_]->in_doubt || !info->producer_epoch) return false;
  held_epoch_ = std::max(held_epoch_, *info->producer_epoch);
  new_epoch_ = true;
  Keep();
  return true;
}

AfterReply RequestQueue::Refuse(PublishReply reply, std::vector<Finished>& finished) {
  switch (GetErrorReason(reply.status)) {
    case ErrorReason::kSequenceGap:
      // Without a refused request before it, the hub lost requests that it had accepted.
      if (!gap_expected_) new_epoch_ = true;
      batches_[kept_]->in_doubt = false;
      Keep();
      return AfterReply::kGoOn;
    case ErrorReason::kUnknownProducer:
      new_epoch_ = true;
      Keep();
      return AfterReply::kGoOn;
    case ErrorReason::kStaleEpoch:
      return TakeOver(reply.status) ? AfterReply::kGoOn : AfterReply::kFenced;
    case ErrorReason::kSequenceTooOld: {
      std::unique_ptr<Batch> batch = Remove(batches_.begin() + kept_, /*sequence_used=*/true);
      const absl::Status status = reply.status;
      Report(status, std::move(batch), std::move(reply), finished);
      return AfterReply::kGoOn;
    }
    case ErrorReason::kInvalidField:
      if (RefuseEvent(reply.status, finished)) {
        Keep();
        return AfterReply::kGoOn;
      }
      break;
    default:
      break;
  }
  if (MayPass(reply.status)) {
    if (OutcomeIsUnknown(reply.status)) batches_[kept_]->in_doubt = true;
    Keep();
    return AfterReply::kBackOff;
  }
  gap_expected_ = true;
  Fail(batches_.begin() + kept_, OutcomeOf(reply.status, batches_[kept_]->in_doubt), finished);
  return AfterReply::kGoOn;
}

bool RequestQueue::RefuseEvent(const absl::Status& status, std::vector<Finished>& finished) {
  Batch& batch = *batches_[kept_];
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  if (!info->event_index || *info->event_index >= batch.events() || batch.events() == 1) {
    return false;
  }
  const size_t before = batch.bytes();
  Finished one{.status = OutcomeOf(status, batch.in_doubt), .batch_id = batch.id, .events = 1};
  if (Publisher::Callback done = batch.Remove(*info->event_index); done) {
    one.results.push_back({*info->event_index, std::move(done)});
  }
  awaiting_bytes_ -= before - batch.bytes();
  bytes_ -= before - batch.bytes();
  if (!batch.reported) finished.push_back(std::move(one));
  return true;
}

void RequestQueue::Keep() {
  awaiting_bytes_ -= batches_[kept_]->bytes();
  --awaiting_;
  ++kept_;
  gap_expected_ = true;
}

std::unique_ptr<Batch> RequestQueue::Remove(Iterator at, bool sequence_used) {
  const size_t index = at - batches_.begin();
  std::unique_ptr<Batch> batch = std::move(*at);
  if (batch->sequence && !sequence_used) {
    for (Iterator later = at + 1; later != batches_.end(); ++later) {
      if ((*later)->sequence) --*(*later)->sequence;
    }
    --next_sequence_;
  }
  batches_.erase(at);
  bytes_ -= batch->bytes();
  if (index < kept_) {
    --kept_;
  } else if (index < kept_ + awaiting_) {
    --awaiting_;
    awaiting_bytes_ -= batch->bytes();
  }
  return batch;
}

void RequestQueue::Report(const absl::Status& status, std::unique_ptr<Batch> batch,
                          PublishReply reply, std::vector<Finished>& finished) {
  if (batch->reported) return;
  Finished result{
      .status = status, .batch_id = batch->id, .whole_batch = true, .events = batch->events()};
  result.results = std::move(batch->results);
  result.batch = std::move(batch);
  result.reply = std::move(reply);
  finished.push_back(std::move(result));
}

void RequestQueue::Fail(Iterator at, const absl::Status& status, std::vector<Finished>& finished) {
  const bool in_doubt = (*at)->in_doubt;
  Report(status, Remove(at, /*sequence_used=*/in_doubt), {}, finished);
}

void RequestQueue::OnStreamLost(bool in_doubt) {
  for (size_t i = kept_; i < kept_ + awaiting_; ++i) batches_[i]->in_doubt |= in_doubt;
  kept_ = 0;
  awaiting_ = 0;
  awaiting_bytes_ = 0;
  gap_expected_ = false;
  if (!options_.idempotent) DropReported();  // Without sequences there is nothing to keep.
}

void RequestQueue::DropReported() {
  std::erase_if(batches_, [this](const std::unique_ptr<Batch>& batch) {
    if (batch->reported) bytes_ -= batch->bytes();
    return batch->reported;
  });
}

void RequestQueue::Expire(absl::Duration now, const absl::Status& status,
                          std::vector<Finished>& finished) {
  for (size_t i = 0; i < batches_.size();) {
    Batch& batch = *batches_[i];
    if (batch.reported || batch.deadline > now) {
      ++i;
      continue;
    }
    const bool awaits_reply = i >= kept_ && i < kept_ + awaiting_;
    if (awaits_reply || (batch.in_doubt && options_.idempotent)) {
      batch.reported = true;
      Finished result{.status = WithUnknownOutcome(status),
                      .batch_id = batch.id,
                      .whole_batch = true,
                      .events = batch.events()};
      result.results = std::move(batch.results);
      finished.push_back(std::move(result));
      ++i;
    } else {
      Fail(batches_.begin() + i, OutcomeOfGivenUp(status, batch.in_doubt), finished);
    }
  }
}

void RequestQueue::FailLargest(const absl::Status& status, std::vector<Finished>& finished) {
  if (awaiting_ == 0) return;
  const auto sent = batches_.begin() + kept_;
  const auto largest = std::max_element(
      sent, sent + awaiting_, [](const std::unique_ptr<Batch>& a, const std::unique_ptr<Batch>& b) {
        return a->bytes() < b->bytes();
      });
  Fail(largest, OutcomeOfGivenUp(status, (*largest)->in_doubt), finished);
}

void RequestQueue::FailAll(const absl::Status& status, std::vector<Finished>& finished) {
  if (!batches_.empty()) new_epoch_ = true;  // Sequences that may be used cannot be continued.
  while (!batches_.empty()) {
    std::unique_ptr<Batch> batch = std::move(batches_.front());
    batches_.pop_front();
    bytes_ -= batch->bytes();
    const absl::Status outcome = OutcomeOfGivenUp(status, batch->in_doubt);
    Report(outcome, std::move(batch), {}, finished);
  }
}

absl::Duration RequestQueue::NextDeadline() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const std::unique_ptr<Batch>& batch : batches_) {
    if (!batch->reported) next = std::min(next, batch->deadline);
  }
  return next;
}

absl::Duration RequestQueue::OldestSentAt() const {
  return awaiting_ == 0 ? absl::InfiniteDuration() : batches_[kept_]->sent_at;
}

}  // namespace eventhub::client

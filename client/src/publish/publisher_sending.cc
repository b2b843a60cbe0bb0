// The half of the publisher that sends: the stream, replies, backoff, timers.

#include <algorithm>
#include <utility>

#include "client/src/base/failure.h"
#include "client/src/publish/publisher_core.h"
#include "eventhub/error.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {
namespace {

absl::Duration RetryDelay(const absl::Status& status) {
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  return info && info->retry_delay ? *info->retry_delay : absl::ZeroDuration();
}

}  // namespace

// Of one stream; what comes from a stream that was given up is told apart by its number.
class PublisherCore::StreamHandler final : public PublishStream::Handler {
 public:
  StreamHandler(std::weak_ptr<PublisherCore> core, uint64_t number)
      : core_(std::move(core)), number_(number) {}

  void OnWritten() override {
    if (const auto core = core_.lock()) core->OnWritten(number_);
  }
  void OnReply(PublishReply reply) override {
    if (const auto core = core_.lock()) core->OnReply(number_, std::move(reply));
  }
  void OnClosed(absl::Status status) override {
    if (const auto core = core_.lock()) core->OnClosed(number_, status);
  }

 private:
  const std::weak_ptr<PublisherCore> core_;
  const uint64_t number_;
};

void PublisherCore::Pump() {
  std::shared_ptr<PublishStream> stream;
  std::string header;
  Bytes events;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = Now();
    if (writing_ || queue_.empty() || now < not_before_ || closed_) return;
    if (stream_ != nullptr) {
      if (queue_.TakeNewEpoch(epoch_)) {
        SealIfIdle();  // What was kept for its sequence alone is gone, and left space.
        if (waiting_for_space_ > 0) space_.NotifyAll();
      }
      Batch* const batch = queue_.Send(now);
      if (batch == nullptr) return;
      Arm(now + options_.reply_timeout);
      header = EncodeHeader(*batch);
      events = batch->body();
      stream = stream_;
    }
    writing_ = true;  // Keeps others out until OnWritten, or until the stream is open.
  }
  if (stream != nullptr) {
    stream->Write(std::move(header), std::move(events));
  } else {
    OpenStream();
  }
}

void PublisherCore::OpenStream() {
  uint64_t number;
  {
    MutexLock lock(mutex_);
    number = ++stream_number_;
  }
  std::shared_ptr<PublishStream> stream = connection_->publish_streams().OpenPublishStream(
      std::make_shared<StreamHandler>(weak_from_this(), number));
  {
    MutexLock lock(mutex_);
    // Closed in the meantime, or the publisher was: the last reference goes, and cancels it.
    if (stream_number_ != number) return;
    stream_ = std::move(stream);
    writing_ = false;
  }
  Pump();
}

std::string PublisherCore::EncodeHeader(const Batch& batch) const {
  v1::PublishStreamRequest request;
  request.set_topic(options_.topic);
  if (batch.partition) request.set_partition(*batch.partition);
  request.set_durability(static_cast<v1::Durability>(options_.durability));
  if (options_.idempotent) {
    request.set_producer_id(producer_id_);
    request.set_producer_epoch(epoch_);
    request.set_sequence(*batch.sequence);
  }
  request.set_correlation_id(batch.correlation_id);
  return request.SerializeAsString();
}

void PublisherCore::OnWritten(uint64_t stream) {
  {
    MutexLock lock(mutex_);
    if (stream != stream_number_) return;
    writing_ = false;
  }
  Pump();
}

void PublisherCore::OnReply(uint64_t stream, PublishReply reply) {
  std::vector<Finished> finished;
  std::shared_ptr<PublishStream> lost;
  {
    MutexLock lock(mutex_);
    if (stream != stream_number_) return;
    const absl::Status status = reply.status;
    switch (queue_.OnReply(std::move(reply), finished)) {
      case AfterReply::kGoOn:
        if (status.ok()) {
          backoff_.Reset();
          last_failure_ = absl::OkStatus();
        }
        break;
      case AfterReply::kBackOff:
        BackOff(status);
        break;
      case AfterReply::kFenced:
        // What was sent behind it meets the same.
        lost = LoseStream(/*in_doubt=*/false);
        Fence(status, finished);
        break;
      case AfterReply::kBroken:
        lost = LoseStream(/*in_doubt=*/true);
        BackOff(absl::InternalError("the hub sent a reply to no request"));
        break;
    }
    SealIfIdle();
    Finish(finished);
  }
  if (lost != nullptr) lost->Cancel();
  Pump();
  Report(std::move(finished));
}

void PublisherCore::OnClosed(uint64_t stream, const absl::Status& status) {
  std::vector<Finished> finished;
  std::shared_ptr<PublishStream> lost;
  {
    MutexLock lock(mutex_);
    if (stream != stream_number_) return;
    // Which request it was, gRPC does not say.
    const bool too_large = GetErrorReason(status) == ErrorReason::kRequestTooLarge;
    if (too_large) queue_.FailLargest(status, finished);
    lost = LoseStream(/*in_doubt=*/!SaysNothingDone(status));
    if (too_large) {
      // The others are sent again at once.
    } else if (status.ok() || MayPass(status)) {
      if (!queue_.empty()) BackOff(status);
    } else {
      queue_.FailAll(status, finished);
    }
    SealIfIdle();
    Finish(finished);
  }
  Pump();
  Report(std::move(finished));
}

std::shared_ptr<PublishStream> PublisherCore::LoseStream(bool in_doubt) {
  ++stream_number_;
  writing_ = false;
  queue_.OnStreamLost(in_doubt);
  return std::exchange(stream_, nullptr);
}

void PublisherCore::Fence(const absl::Status& status, std::vector<Finished>& finished) {
  refusing_ = status;
  SealAll();
  queue_.FailAll(status, finished);
}

void PublisherCore::BackOff(const absl::Status& status) {
  last_failure_ = status;
  not_before_ = Now() + std::max(backoff_.Next(), RetryDelay(status));
  Arm(not_before_);
}

void PublisherCore::Arm(absl::Duration when) {
  if (when >= armed_for_) return;
  armed_for_ = when;
  connection_->RunAfter(std::max(when - Now(), absl::ZeroDuration()), [weak = weak_from_this()] {
    if (const auto core = weak.lock()) core->OnTimer();
  });
}

void PublisherCore::OnTimer() {
  std::vector<Finished> finished;
  std::shared_ptr<PublishStream> silent;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = Now();
    if (now < armed_for_) return;  // Of a time that was superseded by an earlier one.
    armed_for_ = absl::InfiniteDuration();
    SealDue(now);
    queue_.Expire(now, DeadlineError(), finished);
    if (queue_.OldestSentAt() + options_.reply_timeout <= now) {
      silent = LoseStream(/*in_doubt=*/true);
      BackOff(absl::UnavailableError("the hub does not reply"));
    }
    SealIfIdle();
    Arm(std::min(queue_.NextDeadline(), queue_.OldestSentAt() + options_.reply_timeout));
    if (!queue_.empty() && now < not_before_) Arm(not_before_);
    if (!open_.empty()) Arm(SealTime(*open_.front()));
    if (gathering_) Arm(gather_until_);
    Finish(finished);
  }
  space_.NotifyAll();  // They look at the time themselves.
  resolved_.NotifyAll();
  if (silent != nullptr) silent->Cancel();
  Pump();
  Report(std::move(finished));
}

}  // namespace eventhub::client

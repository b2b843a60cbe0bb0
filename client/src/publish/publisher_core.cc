#include "client/src/publish/publisher_core.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/src/base/call_back.h"
#include "client/src/base/failure.h"
#include "client/src/base/numbered_handler.h"
#include "client/src/publish/event_check.h"
#include "eventhub/error.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

std::string ProducerId(const PublisherOptions& options) {
  if (!options.idempotent || !options.producer_id.empty()) return options.producer_id;
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", absl::Uniform<uint64_t>(random),
                         absl::Uniform<uint64_t>(random));
}

}  // namespace

class PublisherCore::StreamHandler final : public NumberedHandler<PublisherCore, PublishStream> {
 public:
  using NumberedHandler::NumberedHandler;

  void OnWritten() override { Tell(&PublisherCore::OnWritten); }
  void OnReply(PublishReply reply) override { Tell(&PublisherCore::OnReply, std::move(reply)); }
  void OnClosed(absl::Status status) override { Tell(&PublisherCore::OnClosed, status); }
};

PublisherCore::PublisherCore(std::shared_ptr<Connection> connection, PublisherOptions options,
                             const Clock& clock)
    : connection_(std::move(connection)),
      options_(std::move(options)),
      clock_(clock),
      producer_id_(ProducerId(options_)),
      queue_({.max_requests = options_.max_in_flight_requests,
              .max_bytes = options_.max_in_flight_bytes,
              .idempotent = options_.idempotent}),
      open_(options_, clock_, queue_),
      epoch_(EpochAt(clock.Now())),
      slot_(options_.retry, clock.Monotonic()) {}

uint64_t PublisherCore::EpochAt(absl::Time now) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMicros(now), 1));
}

absl::Status PublisherCore::Add(std::optional<uint32_t> partition, const v1::Event& event,
                                Publisher::Callback done) {
  const absl::Status taken = Take(partition, event, std::move(done));
  return taken.ok() ? taken : WithNothingDone(taken);
}

absl::Status PublisherCore::Take(std::optional<uint32_t> partition, const v1::Event& event,
                                 Publisher::Callback done) {
  RETURN_IF_ERROR(CheckEvent(event));
  const size_t size = event.ByteSizeLong();
  const size_t bytes = Batch::FieldSize(size);
  bool pump = false;
  {
    MutexLock lock(mutex_);
    if (!HasSpace(bytes)) RETURN_IF_ERROR(AwaitSpace(bytes));
    if (!refusing_.ok()) return refusing_;
    failures_.Enter();
    if (const auto begun = open_.Append(partition, event, size, std::move(done))) {
      unresolved_.insert(unresolved_.end(), begun->id);
      Arm(begun->sealed);
    }
    pump = !queue_.empty() && !slot_.busy();
  }
  if (pump) Pump();
  return absl::OkStatus();
}

bool PublisherCore::HasSpace(size_t bytes) const {
  const size_t held = open_.bytes() + queue_.bytes();
  return held == 0 || held + bytes <= options_.max_buffer_bytes;
}

absl::Status PublisherCore::AwaitSpace(size_t bytes) {
  // Lingering events must be sent, or there may never be space.
  open_.SealAll();
  mutex_.Unlock();
  Pump();
  mutex_.Lock();
  const absl::Duration give_up = Now() + options_.deadline;
  ++waiting_for_space_;
  while (options_.when_full == WhenFull::kBlock && refusing_.ok() && !HasSpace(bytes) &&
         Now() < give_up) {
    Arm(give_up);
    space_.Wait(mutex_);
  }
  --waiting_for_space_;
  if (HasSpace(bytes) || !refusing_.ok()) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the buffer of the publisher for topic ", options_.topic,
      " is full: ", open_.bytes() + queue_.bytes(), " bytes are not acknowledged yet"));
}

void PublisherCore::SealIfIdle() {
  open_.SealIfIdle();
  Arm(open_.next_due());
}

void PublisherCore::Pump() {
  std::shared_ptr<PublishStream> stream;
  uint64_t number = 0;
  std::string header;
  Bytes events;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = Now();
    if (slot_.busy() || queue_.empty() || now < slot_.not_before() || closed_) return;
    if (!slot_.is_open()) {
      number = slot_.BeginOpen();
    } else {
      if (queue_.TakeNewEpoch(epoch_)) {
        SealIfIdle();  // Batches kept only for their sequences were dropped, which freed space.
        if (waiting_for_space_ > 0) space_.NotifyAll();
      }
      Batch* const batch = queue_.Send(now);
      if (batch == nullptr) return;
      Arm(now + options_.reply_timeout);
      header = EncodeHeader(*batch);
      events = batch->body();
      stream = slot_.BeginWrite();
    }
  }
  if (stream != nullptr) {
    stream->Write(std::move(header), std::move(events));
  } else {
    OpenStream(number);
  }
}

void PublisherCore::OpenStream(uint64_t number) {
  std::shared_ptr<PublishStream> stream = connection_->publish_streams().OpenPublishStream(
      std::make_shared<StreamHandler>(weak_from_this(), number));
  {
    MutexLock lock(mutex_);
    if (!slot_.Opened(number, stream)) return;
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
    if (!slot_.Written(stream)) return;
  }
  Pump();
}

void PublisherCore::OnReply(uint64_t stream, PublishReply reply) {
  std::vector<Finished> finished;
  std::shared_ptr<PublishStream> lost;
  {
    MutexLock lock(mutex_);
    if (!slot_.Is(stream)) return;
    const absl::Status status = reply.status;
    switch (queue_.OnReply(std::move(reply), finished)) {
      case AfterReply::kGoOn:
        if (status.ok()) {
          slot_.NoteSuccess();
        }
        break;
      case AfterReply::kBackOff:
        BackOff(status);
        break;
      case AfterReply::kFenced:
        // Requests sent after it will be refused alike.
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
    if (!slot_.Is(stream)) return;
    // gRPC does not tell which request it was.
    const bool too_large = GetErrorReason(status) == ErrorReason::kRequestTooLarge;
    if (too_large) queue_.FailLargest(status, finished);
    lost = LoseStream(/*in_doubt=*/!SaysNothingDone(status));
    if (too_large) {
      // The other requests are sent again at once.
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
  queue_.OnStreamLost(in_doubt);
  return slot_.Lose();
}

void PublisherCore::Fence(const absl::Status& status, std::vector<Finished>& finished) {
  refusing_ = status;
  open_.SealAll();
  queue_.FailAll(status, finished);
}

void PublisherCore::BackOff(const absl::Status& status) {
  slot_.BackOff(status, Now());
  Arm(slot_.not_before());
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
    if (now < armed_for_) return;  // An earlier time superseded this one.
    armed_for_ = absl::InfiniteDuration();
    open_.SealDue(now);
    queue_.Expire(now, DeadlineError(), finished);
    if (queue_.OldestSentAt() + options_.reply_timeout <= now) {
      silent = LoseStream(/*in_doubt=*/true);
      BackOff(absl::UnavailableError("the hub does not reply"));
    }
    SealIfIdle();
    Arm(std::min(queue_.NextDeadline(), queue_.OldestSentAt() + options_.reply_timeout));
    if (!queue_.empty() && now < slot_.not_before()) Arm(slot_.not_before());
    Arm(open_.next_due());
    Finish(finished);
  }
  space_.NotifyAll();  // Waiters look at the time themselves.
  resolved_.NotifyAll();
  if (silent != nullptr) silent->Cancel();
  Pump();
  Report(std::move(finished));
}

absl::Status PublisherCore::DeadlineError() const {
  std::string message = absl::StrCat("the event for topic ", options_.topic,
                                     " could not be published within its deadline");
  if (!slot_.last_failure().ok()) {
    absl::StrAppend(&message, "; the last attempt that failed: ", slot_.last_failure().message());
  }
  return absl::DeadlineExceededError(message);
}

absl::Status PublisherCore::last_failure() const {
  MutexLock lock(mutex_);
  return slot_.last_failure();
}

void PublisherCore::Finish(std::vector<Finished>& finished) {
  reporting_ += finished.size();
  for (const Finished& result : finished) {
    if (!result.status.ok()) failures_.Add(result.status);
  }
  if (waiting_for_space_ > 0) space_.NotifyAll();
}

void PublisherCore::Report(std::vector<Finished> finished) {
  if (finished.empty()) return;
  for (Finished& result : finished) {
    const absl::Status called = CallBack(result, options_.on_batch_done);
    MutexLock lock(mutex_);
    if (!called.ok()) failures_.Add(called);
    if (result.whole_batch) unresolved_.erase(result.batch_id);
    --reporting_;
  }
  resolved_.NotifyAll();
}

absl::Status PublisherCore::Flush(absl::Duration timeout) {
  {
    MutexLock lock(mutex_);
    open_.SealAll();
  }
  Pump();
  return AwaitResults(timeout);
}

absl::Status PublisherCore::AwaitResults(absl::Duration timeout) {
  MutexLock lock(mutex_);
  const uint64_t next = open_.next_id();
  const absl::Duration give_up = Now() + timeout;
  while (!unresolved_.empty() && *unresolved_.begin() < next) {
    if (Now() >= give_up) {
      return absl::DeadlineExceededError(
          absl::StrCat("not all events for topic ", options_.topic, " are acknowledged yet"));
    }
    Arm(give_up);
    resolved_.Wait(mutex_);
  }
  return failures_.Take();
}

absl::Status PublisherCore::Close(absl::Duration timeout) {
  {
    MutexLock lock(mutex_);
    if (refusing_.ok()) refusing_ = absl::CancelledError("the publisher is closed");
    open_.SealAll();
  }
  space_.NotifyAll();
  if (timeout > absl::ZeroDuration()) Pump();
  const absl::Status status = AwaitResults(timeout);
  std::vector<Finished> finished;
  std::shared_ptr<PublishStream> stream;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    stream = LoseStream(/*in_doubt=*/true);
    queue_.FailAll(absl::CancelledError("the publisher is closed"), finished);
    Finish(finished);
  }
  if (stream != nullptr) stream->Cancel();
  Report(std::move(finished));
  MutexLock lock(mutex_);
  while (reporting_ > 0) resolved_.Wait(mutex_);
  return status;
}

}  // namespace eventhub::client

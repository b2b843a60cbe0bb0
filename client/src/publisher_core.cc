#include "client/src/publisher_core.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/src/event_check.h"
#include "eventhub/error.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

// Without linger a request goes out as soon as none is in flight. A producer that published so many
// events while the last one was is a fast one: small requests would cost it more than the moment
// that it takes to fill a larger one.
constexpr size_t kFastProducerEvents = 64;
constexpr size_t kWorthwhileBytes = 64 * 1024;
constexpr absl::Duration kGatherTime = absl::Microseconds(500);

std::string ProducerId(const PublisherOptions& options) {
  if (!options.idempotent || !options.producer_id.empty()) return options.producer_id;
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", absl::Uniform<uint64_t>(random),
                         absl::Uniform<uint64_t>(random));
}

// Epochs are times, so that a producer fences its former lives without having stored anything.
uint64_t EpochAt(absl::Time now) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMicros(now), 1));
}

// Whether a new stream may do better.
bool IsTransient(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

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

PublisherCore::PublisherCore(std::shared_ptr<Connection> connection, PublisherOptions options,
                             const Clock& clock)
    : connection_(std::move(connection)),
      options_(std::move(options)),
      clock_(clock),
      producer_id_(ProducerId(options_)),
      reporter_(
          std::make_shared<ResultReporter>(connection_, options_.topic, options_.on_batch_done)),
      queue_({.max_requests = options_.max_in_flight_requests,
              .max_bytes = options_.max_in_flight_bytes,
              .idempotent = options_.idempotent}),
      epoch_(EpochAt(clock.Now())),
      backoff_(options_.retry),
      not_before_(clock.Monotonic()) {}

absl::Status PublisherCore::Add(std::optional<uint32_t> partition, const v1::Event& event,
                                Publisher::Callback done) {
  RETURN_IF_ERROR(CheckEvent(event));
  const size_t size = event.ByteSizeLong();
  const size_t bytes = Batch::FieldSize(size);
  bool pump = false;
  {
    MutexLock lock(mutex_);
    if (!HasSpace(bytes)) RETURN_IF_ERROR(AwaitSpace(bytes));
    if (!refusing_.ok()) return refusing_;
    const OpenBatches::iterator open = BatchFor(partition, bytes);
    Batch& batch = **open;
    batch.Append(event, size, std::move(done));
    open_bytes_ += bytes;
    ++open_events_;
    if (batch.bytes() >= options_.max_batch_bytes || batch.events() >= options_.max_batch_events) {
      Seal(open);
    } else if (options_.linger <= absl::ZeroDuration() && queue_.empty() &&
               (!gathering_ || open_bytes_ >= kWorthwhileBytes)) {
      SealAll();
    }
    pump = !queue_.empty() && !writing_;
  }
  if (pump) Pump();
  return absl::OkStatus();
}

bool PublisherCore::HasSpace(size_t bytes) const {
  const size_t held = open_bytes_ + queue_.bytes();
  return held == 0 || held + bytes <= options_.max_buffer_bytes;
}

absl::Status PublisherCore::AwaitSpace(size_t bytes) {
  // What lingers must go, or there may never be space.
  SealAll();
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
  return absl::ResourceExhaustedError(
      absl::StrCat("the buffer of the publisher for topic ", options_.topic,
                   " is full: ", open_bytes_ + queue_.bytes(), " bytes are not acknowledged yet"));
}

PublisherCore::OpenBatches::iterator PublisherCore::BatchFor(std::optional<uint32_t> partition,
                                                             size_t bytes) {
  std::optional<OpenBatches::iterator> found;
  if (!partition) {
    found = mixed_;
  } else if (const auto it = by_partition_.find(*partition); it != by_partition_.end()) {
    found = it->second;
  }
  if (found && (**found)->bytes() + bytes > options_.max_batch_bytes) {
    Seal(*found);
    found.reset();
  }
  if (found) return *found;

  const uint64_t id = next_batch_id_++;
  auto batch = std::make_unique<Batch>(id, partition, last_batch_bytes_);
  batch->opened_at = Now();
  batch->deadline = batch->opened_at + options_.deadline;
  Arm(std::min(batch->deadline, options_.linger > absl::ZeroDuration()
                                    ? batch->opened_at + options_.linger
                                    : absl::InfiniteDuration()));
  unresolved_.insert(unresolved_.end(), id);
  const auto open = open_.insert(open_.end(), std::move(batch));
  if (partition) {
    by_partition_.emplace(*partition, open);
  } else {
    mixed_ = open;
  }
  return open;
}

void PublisherCore::Seal(OpenBatches::iterator open) {
  std::unique_ptr<Batch> batch = std::move(*open);
  open_.erase(open);
  if (batch->partition) {
    by_partition_.erase(*batch->partition);
  } else {
    mixed_.reset();
  }
  open_bytes_ -= batch->bytes();
  open_events_ -= batch->events();
  // The next batch is likely to be as large, with a little to spare.
  last_batch_bytes_ = std::min(batch->bytes() + batch->bytes() / 8, options_.max_batch_bytes);
  queue_.Push(std::move(batch));
}

void PublisherCore::SealAll() {
  gathering_ = false;
  while (!open_.empty()) Seal(open_.begin());
}

void PublisherCore::SealIfIdle() {
  if (open_events_ < kFastProducerEvents || open_bytes_ >= kWorthwhileBytes) {
    SealAll();
    return;
  }
  gathering_ = true;
  gather_until_ = Now() + kGatherTime;
  Arm(gather_until_);
}

void PublisherCore::SealLingered(absl::Duration now) {
  while (!open_.empty() &&
         (open_.front()->opened_at + options_.linger <= now || open_.front()->deadline <= now)) {
    Seal(open_.begin());
  }
}

void PublisherCore::Pump() {
  std::shared_ptr<PublishStream> stream;
  std::string header;
  Bytes events;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = Now();
    if (writing_ || queue_.empty() || now < not_before_ || !refusing_.ok()) return;
    if (stream_ != nullptr) {
      if (queue_.TakeNewEpoch()) epoch_ = std::max(epoch_ + 1, EpochAt(clock_.Now()));
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
  std::shared_ptr<PublishStream> stream =
      connection_->OpenPublishStream(std::make_shared<StreamHandler>(weak_from_this(), number));
  {
    MutexLock lock(mutex_);
    if (stream_number_ != number) return;  // It was closed, or the publisher was, in the meantime.
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
        Fence(status, finished);
        lost = LoseStream();
        break;
      case AfterReply::kBroken:
        lost = LoseStream();
        BackOff(absl::InternalError("the hub sent a reply to no request"));
        break;
    }
    if (options_.linger <= absl::ZeroDuration() && queue_.empty()) SealIfIdle();
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
    lost = LoseStream();
    if (IsTransient(status.code())) {
      if (!queue_.empty()) BackOff(status);
    } else {
      queue_.FailAll(status, finished);
    }
    Finish(finished);
  }
  Pump();
  Report(std::move(finished));
}

std::shared_ptr<PublishStream> PublisherCore::LoseStream() {
  ++stream_number_;
  writing_ = false;
  queue_.OnStreamLost();
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
    if (gathering_ && gather_until_ <= now) SealAll();
    SealLingered(now);
    queue_.Expire(now, DeadlineError(), finished);
    if (queue_.OldestSentAt() + options_.reply_timeout <= now) {
      silent = LoseStream();
      BackOff(absl::UnavailableError("the hub does not reply"));
    }
    Arm(std::min(queue_.NextDeadline(), queue_.OldestSentAt() + options_.reply_timeout));
    if (!queue_.empty() && now < not_before_) Arm(not_before_);
    if (!open_.empty()) {
      Arm(open_.front()->deadline);
      if (options_.linger > absl::ZeroDuration()) Arm(open_.front()->opened_at + options_.linger);
      if (gathering_) Arm(gather_until_);
    }
    Finish(finished);
  }
  space_.NotifyAll();  // They look at the time themselves.
  resolved_.NotifyAll();
  if (silent != nullptr) silent->Cancel();
  Pump();
  Report(std::move(finished));
}

absl::Status PublisherCore::DeadlineError() const {
  std::string message = absl::StrCat("the event for topic ", options_.topic,
                                     " could not be published within its deadline");
  if (!last_failure_.ok()) {
    absl::StrAppend(&message, "; the last attempt that failed: ", last_failure_.message());
  }
  return absl::DeadlineExceededError(message);
}

void PublisherCore::Finish(std::vector<Finished>& finished) {
  reporting_ += finished.size();
  for (const Finished& result : finished) {
    if (!result.status.ok() && first_error_.ok()) first_error_ = result.status;
  }
  if (waiting_for_space_ > 0) space_.NotifyAll();
}

void PublisherCore::Report(std::vector<Finished> finished) {
  for (Finished& result : finished) {
    reporter_->Report(std::move(result), [core = shared_from_this()](const Finished& reported) {
      core->Resolved(reported);
    });
  }
}

void PublisherCore::Resolved(const Finished& finished) {
  {
    MutexLock lock(mutex_);
    if (finished.whole_batch) unresolved_.erase(finished.batch_id);
    --reporting_;
  }
  resolved_.NotifyAll();
}

absl::Status PublisherCore::Flush(absl::Duration timeout) {
  uint64_t next;
  {
    MutexLock lock(mutex_);
    SealAll();
    next = next_batch_id_;
  }
  Pump();
  MutexLock lock(mutex_);
  const absl::Duration give_up = Now() + timeout;
  while (!unresolved_.empty() && *unresolved_.begin() < next) {
    if (Now() >= give_up) {
      return absl::DeadlineExceededError(
          absl::StrCat("not all events for topic ", options_.topic, " are acknowledged yet"));
    }
    Arm(give_up);
    resolved_.Wait(mutex_);
  }
  return std::exchange(first_error_, absl::OkStatus());
}

void PublisherCore::Close() {
  std::vector<Finished> finished;
  std::shared_ptr<PublishStream> stream;
  {
    MutexLock lock(mutex_);
    refusing_ = absl::CancelledError("the publisher is being destroyed");
    SealAll();
    stream = LoseStream();
    queue_.FailAll(refusing_, finished);
    Finish(finished);
  }
  space_.NotifyAll();
  if (stream != nullptr) stream->Cancel();
  Report(std::move(finished));
  reporter_->Stop();
  MutexLock lock(mutex_);
  while (reporting_ > 0) resolved_.Wait(mutex_);
}

}  // namespace eventhub::client

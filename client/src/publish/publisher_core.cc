#include "client/src/publish/publisher_core.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/src/base/call_back.h"
#include "client/src/base/failure.h"
#include "client/src/publish/event_check.h"
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

}  // namespace

PublisherCore::PublisherCore(std::shared_ptr<Connection> connection, PublisherOptions options,
                             const Clock& clock)
    : connection_(std::move(connection)),
      options_(std::move(options)),
      clock_(clock),
      producer_id_(ProducerId(options_)),
      queue_({.max_requests = options_.max_in_flight_requests,
              .max_bytes = options_.max_in_flight_bytes,
              .idempotent = options_.idempotent}),
      epoch_(EpochAt(clock.Now())),
      backoff_(options_.retry),
      not_before_(clock.Monotonic()) {}

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
  Arm(SealTime(*batch));
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

absl::Duration PublisherCore::SealTime(const Batch& batch) const {
  if (options_.linger <= absl::ZeroDuration()) return batch.deadline;
  return std::min(batch.deadline, batch.opened_at + options_.linger);
}

void PublisherCore::SealDue(absl::Duration now) {
  if (gathering_ && gather_until_ <= now) SealAll();
  while (!open_.empty() && SealTime(*open_.front()) <= now) Seal(open_.begin());
}

void PublisherCore::SealIfIdle() {
  if (options_.linger > absl::ZeroDuration() || !queue_.empty()) return;
  if (open_events_ < kFastProducerEvents || open_bytes_ >= kWorthwhileBytes) {
    SealAll();
  } else if (!gathering_) {
    gathering_ = true;
    gather_until_ = Now() + kGatherTime;
    Arm(gather_until_);
  }
}

absl::Status PublisherCore::DeadlineError() const {
  std::string message = absl::StrCat("the event for topic ", options_.topic,
                                     " could not be published within its deadline");
  if (!last_failure_.ok()) {
    absl::StrAppend(&message, "; the last attempt that failed: ", last_failure_.message());
  }
  return absl::DeadlineExceededError(message);
}

absl::Status PublisherCore::last_failure() const {
  MutexLock lock(mutex_);
  return last_failure_;
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
    SealAll();
  }
  Pump();
  return AwaitResults(timeout);
}

absl::Status PublisherCore::AwaitResults(absl::Duration timeout) {
  MutexLock lock(mutex_);
  const uint64_t next = next_batch_id_;
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
    SealAll();
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

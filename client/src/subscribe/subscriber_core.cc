#include "client/src/subscribe/subscriber_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eventhub::client {

SubscriberCore::SubscriberCore(std::shared_ptr<Connection> connection, SubscriberOptions options,
                               const Clock& clock)
    : connection_(std::move(connection)),
      options_(std::move(options)),
      clock_(clock),
      backoff_(options_.retry),
      credit_(options_.credit) {}

void SubscriberCore::Start(size_t threads) {
  Open();
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] {
      Pace pace;
      while (RunHandler(/*wait=*/true, pace)) {
      }
    });
  }
}

bool SubscriberCore::RunHandler(bool wait, Pace& pace) {
  std::optional<WorkQueue::Chunk> chunk;
  bool stop_at_retry = false;
  {
    MutexLock lock(mutex_);
    const size_t size = ChunkSize(options_, pace);
    while (closed_ || !(chunk = queue_.Take(size, Now()))) {
      if (closed_ || !wait) return false;
      ++idle_;
      work_.Wait(mutex_);
      --idle_;
    }
    ++running_;
    stop_at_retry = !queue_kind_;
    if (idle_ > 0 && queue_.ready()) work_.NotifyOne();
  }
  const Handled handled = Handle(options_, *chunk, stop_at_retry, clock_, pace);
  {
    MutexLock lock(mutex_);
    Settle(*chunk, handled);
    --running_;
    if (ended_) change_.NotifyAll();
  }
  Pump();
  return true;
}

void SubscriberCore::Settle(const WorkQueue::Chunk& chunk, const Handled& handled) {
  Delivery& delivery = *chunk.delivery;
  Lease& lease = delivery.lease();
  counters_.handled += handled.next - chunk.first;
  const uint64_t events = lease.pending_events();
  const uint64_t bytes = lease.pending_bytes();
  for (const Handled::Run& run : handled.runs) {
    lease.Finish(delivery, run.first, run.count, run.outcome);
  }
  pending_events_ += lease.pending_events() - events;
  pending_bytes_ += lease.pending_bytes() - bytes;
  if (lease.pending_events() > 0) List(lease);
  if (handled.next < chunk.first + chunk.count) queue_.PutBack(chunk, handled.at, handled.next);
  queue_.Done(chunk);
}

void SubscriberCore::List(Lease& lease) {
  if (lease.listed) return;
  const auto it = leases_.find({lease.partition(), lease.epoch()});
  if (it == leases_.end() || it->second.get() != &lease) return;
  lease.listed = true;
  listed_.push_back(it->second);
}

Lease* SubscriberCore::FindLease(LeaseId id) {
  const auto it = leases_.find(id);
  return it == leases_.end() ? nullptr : it->second.get();
}

void SubscriberCore::SetCredit(const Credit& credit) {
  {
    MutexLock lock(mutex_);
    credit_ = credit;
    say_credit_ = true;
  }
  Pump();
}

void SubscriberCore::SetPaused(bool paused) {
  {
    MutexLock lock(mutex_);
    if (paused_ == paused) return;
    paused_ = paused;
    say_credit_ = true;
  }
  Pump();
}

void SubscriberCore::RequestStop() {
  {
    MutexLock lock(mutex_);
    if (stopping_ || ended_) return;
    stopping_ = true;
    if (stream_ == nullptr && !opening_) {
      // May be called from a hook, which another must not interrupt.
      auto calls = std::make_shared<Calls>();
      End(absl::OkStatus(), *calls);
      connection_->RunAfter(absl::ZeroDuration(), [weak = weak_from_this(), calls] {
        if (const auto core = weak.lock()) core->Call(std::move(*calls));
      });
    } else {
      say_leave_ = true;
    }
  }
  Pump();
}

absl::Status SubscriberCore::Wait(absl::Duration timeout) {
  MutexLock lock(mutex_);
  const absl::Duration give_up = Now() + timeout;
  while (!ended()) {
    if (Now() >= give_up) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the consumer of subscription ", options_.subscription, " has not ended in time"));
    }
    Arm(give_up);
    change_.Wait(mutex_);
  }
  return final_;
}

absl::Status SubscriberCore::Stop(absl::Duration timeout) {
  RequestStop();
  absl::Status status = Wait(timeout);
  if (absl::IsDeadlineExceeded(status)) CutOff();
  return status;
}

void SubscriberCore::CutOff() {
  std::shared_ptr<ConsumeStream> stream;
  {
    MutexLock lock(mutex_);
    cut_off_ = true;
    if (ended_) return;
    Calls untold;  // Who cuts it off knows.
    stream = LoseStream(untold);
    End(absl::CancelledError(absl::StrCat("the consumer of subscription ", options_.subscription,
                                          " was cut off before everything was settled")),
        untold);
  }
  if (stream != nullptr) stream->Cancel();
}

void SubscriberCore::Close() {
  CutOff();
  {
    MutexLock lock(mutex_);
    closed_ = true;
  }
  work_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  MutexLock lock(hooks_mutex_);
  hooks_over_ = true;
}

SubscriberCounters SubscriberCore::counters() const {
  MutexLock lock(mutex_);
  SubscriberCounters counters = counters_;
  counters.dropped += queue_.dropped();
  counters.unsettled = pending_events_ + settlements_.events();
  for (const auto& [id, lease] : leases_) counters.unsettled += lease->unfinished();
  return counters;
}

}  // namespace eventhub::client

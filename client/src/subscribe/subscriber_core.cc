#include "client/src/subscribe/subscriber_core.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/macros.h"
#include "absl/strings/str_cat.h"
#include "client/src/base/failure.h"
#include "client/src/base/numbered_handler.h"
#include "client/src/base/proto_time.h"
#include "client/src/base/stop_signals.h"
#include "client/src/read/position_proto.h"

namespace eventhub::client {
namespace {

// The outcomes of asynchronous handlers are collected for this long. The time is checked every
// kLookAtTurn events.
constexpr absl::Duration kLongTurn = absl::Milliseconds(1);
constexpr size_t kLookAtTurn = 8;

}  // namespace

class SubscriberCore::StreamHandler final : public NumberedHandler<SubscriberCore, ConsumeStream> {
 public:
  using NumberedHandler::NumberedHandler;

  void OnWritten() override { Tell(&SubscriberCore::OnWritten); }
  void OnFrame(Bytes frame) override { Tell(&SubscriberCore::OnFrame, std::move(frame)); }
  void OnClosed(absl::Status status) override { Tell(&SubscriberCore::OnClosed, status); }
};

SubscriberCore::SubscriberCore(std::shared_ptr<Connection> connection, SubscriberOptions options,
                               const Clock& clock)
    : connection_(std::move(connection)),
      options_(std::move(options)),
      clock_(clock),
      reconnect_(options_.retry, options_.reconnect_deadline,
                 absl::StrCat("consume subscription ", options_.subscription)),
      leases_(options_.max_lease_extension),
      requests_(options_, leases_) {}

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
    const size_t size = ChunkSizeNow(pace);
    while (closed_ || !(chunk = queue_.Take(size, Now()))) {
      if (closed_ || !wait) return false;
      ++idle_;
      work_.Wait(mutex_);
      --idle_;
    }
    if (options_.on_event_async) queue_.Separate(*chunk);
    running_ += options_.on_event_async ? chunk->count : 1;
    stop_at_retry = !leases_.queue();
    if (idle_ > 0 && queue_.ready()) work_.NotifyOne();
  }
  if (options_.on_event_async) {
    HandOut(*chunk, pace);
    return true;
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

size_t SubscriberCore::ChunkSizeNow(const Pace& pace) const {
  // An event that is settled later must not hold up others of the chunk.
  if (options_.on_event_async && queue_.in_order()) return 1;
  return ChunkSize(options_, pace);
}

void SubscriberCore::HandOut(const WorkQueue::Chunk& chunk, Pace& pace) {
  // A single event, as of a handler that is slow, does not wait for its handler to return.
  std::optional<Turn> turn;
  if (chunk.count > 1) turn.emplace();
  const absl::Duration start = Now();
  absl::Duration turn_start = start;
  const auto events = std::make_shared<HandedOut>(weak_from_this(), chunk);
  EventBatch::Iterator at = chunk.at;
  for (size_t i = 0; i < chunk.count; ++i, ++at) {
    if (i > 0 && i % kLookAtTurn == 0) {
      if (const absl::Duration now = Now(); now - turn_start > kLongTurn) {
        turn.emplace();  // Ends the one before first.
        turn_start = now;
      }
    }
    HandleAsync(options_, *at, Settler({.events = events, .index = chunk.first + i}));
  }
  pace.Learn(Now() - start, /*whole=*/true);
}

void SubscriberCore::SettleHandedOut(absl::Span<SettledEvents> settled) {
  {
    MutexLock lock(mutex_);
    for (SettledEvents& one : settled) {
      const WorkQueue::Chunk& chunk = one.events->chunk();
      const Handled::Run run{
          .first = one.first, .count = one.count, .outcome = std::move(one.outcome)};
      counters_.handled += one.count;
      leases_.Finish(*chunk.delivery, {&run, 1});
      queue_.Done(chunk, one.count);
      running_ -= one.count;
    }
    if (ended_) change_.NotifyAll();
    if (idle_ > 0 && queue_.ready()) work_.NotifyOne();
  }
  Pump();
}

void SubscriberCore::Settle(const WorkQueue::Chunk& chunk, const Handled& handled) {
  ABSL_ASSERT(handled.next >= chunk.first && handled.next <= chunk.first + chunk.count);
  counters_.handled += handled.next - chunk.first;
  leases_.Finish(*chunk.delivery, handled.runs);
  if (handled.next < chunk.first + chunk.count) queue_.PutBack(chunk, handled.at, handled.next);
  queue_.Done(chunk);
}

void SubscriberCore::Open() {
  uint64_t number;
  {
    MutexLock lock(mutex_);
    if (ended_) return;
    ABSL_ASSERT(stream_ == nullptr && !opening_);
    number = ++stream_number_;
    opening_ = true;
    requests_.Open(subscription_id_);
  }
  std::shared_ptr<ConsumeStream> stream = connection_->consume_streams().OpenConsumeStream(
      std::make_shared<StreamHandler>(weak_from_this(), number));
  {
    MutexLock lock(mutex_);
    // The stream closed meanwhile, or the subscriber did: dropping the reference cancels it.
    if (stream_number_ != number) return;
    stream_ = std::move(stream);
    opening_ = false;
  }
  Pump();
}

void SubscriberCore::Pump() {
  std::shared_ptr<ConsumeStream> stream;
  std::string request;
  {
    MutexLock lock(mutex_);
    if (stream_ == nullptr || writing_ || !requests_.Due()) return;
    request = requests_.Next(counters_);
    if (request.empty()) return;
    writing_ = true;
    stream = stream_;
  }
  stream->Write(std::move(request));
}

void SubscriberCore::OnWritten(uint64_t stream) {
  {
    MutexLock lock(mutex_);
    if (stream != stream_number_) return;
    writing_ = false;
  }
  Pump();
}

void SubscriberCore::OnFrame(uint64_t stream, const Bytes& bytes) {
  absl::StatusOr<ConsumeFrame> frame = ParseConsumeFrame(bytes);
  std::shared_ptr<ConsumeStream> lost;
  HookCalls calls;
  {
    MutexLock lock(mutex_);
    if (stream != stream_number_) return;
    if (frame.ok()) {
      TakeFrame(*std::move(frame), calls);
      if (idle_ > 0 && queue_.ready()) work_.NotifyOne();
    } else {
      lost = LoseStream(calls);
      End(frame.status(), calls);
    }
  }
  if (lost != nullptr) lost->Cancel();
  Pump();
  Call(std::move(calls));
}

void SubscriberCore::TakeFrame(ConsumeFrame frame, HookCalls& calls) {
  if (frame.opened) TakeOpened(*frame.opened, calls);
  if (frame.ack_deadline) TakeAckDeadline(*frame.ack_deadline);
  TakeLeases(frame, calls);
  for (const v1::TrimmedRange& trimmed : frame.trimmed) {
    const PartitionRange range = FromProto(trimmed);
    counters_.trimmed += static_cast<uint64_t>(range.range.end - range.range.start);
    calls.Note(options_.hooks.on_trimmed, range);
  }
  // Before the batches: the hub chose these after it settled and rewound.
  for (const v1::Settlement& settlement : frame.settlements) {
    requests_.OnSettled(settlement, counters_);
  }
  for (const v1::PartitionOffset& rewound : frame.rewound) {
    leases_.OnRewound(rewound.partition(), rewound.offset());
  }
  for (EventBatch& batch : frame.batches) TakeBatch(std::move(batch));
  Arm(leases_.extend_at());
  if (frame.caught_up) calls.Note(options_.hooks.on_caught_up);
  if (frame.fell_behind) calls.Note(options_.hooks.on_fell_behind);
}

void SubscriberCore::TakeOpened(const v1::ConsumeOpened& opened, HookCalls& calls) {
  leases_.SetQueue(opened.queue());
  session_ = opened.session();
  subscription_id_ = opened.subscription_id();
  TakeAckDeadline(opened.ack_deadline());
  Order order = options_.order;
  if (order == Order::kDefault) order = opened.queue() ? Order::kNone : Order::kPerPartition;
  queue_.SetOrder(order);
  reconnect_.OnConnected();
  ++counters_.connections;
  calls.Note(options_.hooks.on_connected, opened.consumer());
}

void SubscriberCore::TakeAckDeadline(const google::protobuf::Duration& deadline) {
  const absl::Duration told = FromProto(deadline);
  leases_.SetAckDeadline(told > absl::ZeroDuration() ? told : absl::InfiniteDuration(), Now());
}

void SubscriberCore::TakeLeases(const ConsumeFrame& frame, HookCalls& calls) {
  for (const v1::PartitionLease& revoked : frame.revoked) {
    counters_.lease_lost += leases_.Revoke(revoked.partition(), revoked.lease_epoch());
    calls.Note(options_.hooks.on_revoked, revoked.partition());
  }
  for (const v1::PartitionLease& assigned : frame.assigned) {
    leases_.Assign(assigned.partition(), assigned.lease_epoch(), assigned.first_new_offset());
    AssignedPartition next;
    next.partition = assigned.partition();
    next.offset = assigned.next_offset();
    next.first_new_offset = assigned.first_new_offset();
    calls.Note(options_.hooks.on_assigned, next);
  }
  for (const v1::PartitionLease& draining : frame.draining) {
    calls.Note(options_.hooks.on_draining, draining.partition());
  }
}

void SubscriberCore::TakeBatch(EventBatch batch) {
  batch.session_ = session_;
  const size_t events = batch.size();
  counters_.delivered += events;
  if (batch.redelivered()) counters_.redelivered += events;
  if (std::shared_ptr<Delivery> delivery = leases_.Accept(std::move(batch), Now())) {
    queue_.Add(std::move(delivery));
  } else {
    counters_.dropped += events;
  }
}

std::shared_ptr<ConsumeStream> SubscriberCore::LoseStream(HookCalls& calls) {
  ++stream_number_;
  opening_ = writing_ = false;
  if (!leases_.queue()) {
    leases_.ForEachPartition(
        [&](uint32_t partition) { calls.Note(options_.hooks.on_revoked, partition); });
  }
  counters_.in_doubt += requests_.OnStreamLost() + leases_.Clear();
  queue_.Clear();
  return std::exchange(stream_, nullptr);
}

void SubscriberCore::OnClosed(uint64_t stream, const absl::Status& status) {
  std::shared_ptr<ConsumeStream> lost;
  HookCalls calls;
  {
    MutexLock lock(mutex_);
    if (stream != stream_number_) return;
    const uint64_t in_doubt = counters_.in_doubt;
    bool unfinished = leases_.unfinished() > 0;
    lost = LoseStream(calls);
    unfinished |= counters_.in_doubt > in_doubt;
    if (stopping_) {
      End(status.ok() || (MayPass(status) && !unfinished) ? absl::OkStatus() : status, calls);
    } else if (status.ok() || MayPass(status)) {
      calls.Note(options_.hooks.on_disconnected, status);
      ReconnectAfter(status, calls);
    } else {
      End(status, calls);
    }
  }
  Call(std::move(calls));
}

void SubscriberCore::ReconnectAfter(const absl::Status& status, HookCalls& calls) {
  const absl::Duration now = Now();
  const absl::StatusOr<absl::Duration> delay = reconnect_.OnFailed(status, now);
  if (!delay.ok()) {
    End(delay.status(), calls);
    return;
  }
  retry_at_ = now + *delay;
  Arm(retry_at_);
}

void SubscriberCore::Arm(absl::Duration when) {
  if (when >= armed_for_) return;
  armed_for_ = when;
  connection_->RunAfter(std::max(when - Now(), absl::ZeroDuration()), [weak = weak_from_this()] {
    if (const auto core = weak.lock()) core->OnTimer();
  });
}

void SubscriberCore::OnTimer() {
  bool open = false;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = Now();
    if (now < armed_for_) return;  // An earlier time superseded this one.
    armed_for_ = absl::InfiniteDuration();
    if (now >= leases_.extend_at()) leases_.Extend(now);
    open = now >= retry_at_;
    if (open) retry_at_ = absl::InfiniteDuration();
    Arm(std::min(retry_at_, leases_.extend_at()));
  }
  change_.NotifyAll();  // Waiters look at the time themselves.
  if (open) Open();
  Pump();
}

void SubscriberCore::SetCredit(const Credit& credit) {
  {
    MutexLock lock(mutex_);
    requests_.SetCredit(credit);
  }
  Pump();
}

void SubscriberCore::SetPaused(bool paused) {
  {
    MutexLock lock(mutex_);
    if (requests_.paused() == paused) return;
    requests_.SetPaused(paused);
  }
  Pump();
}

void SubscriberCore::RequestStop() {
  {
    MutexLock lock(mutex_);
    if (stopping_ || ended_) return;
    stopping_ = true;
    if (stream_ == nullptr && !opening_) {
      // A hook may be the caller, and another hook must not run inside it: the timer runs it.
      auto calls = std::make_shared<HookCalls>();
      End(absl::OkStatus(), *calls);
      connection_->RunAfter(absl::ZeroDuration(), [weak = weak_from_this(), calls] {
        if (const auto core = weak.lock()) core->Call(std::move(*calls));
      });
    } else {
      requests_.Leave();
    }
  }
  Pump();
}

absl::Status SubscriberCore::Wait(absl::Duration timeout) {
  Turn::SettleCollected();
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

absl::Status SubscriberCore::WaitForSignal(absl::Duration stop_timeout) {
  const StopSignals signals([this, stop_timeout](int count) {
    if (count > 1) {
      CutOff();
      return;
    }
    RequestStop();
    connection_->RunAfter(stop_timeout, [weak = weak_from_this()] {
      if (const auto core = weak.lock()) core->CutOff();
    });
  });
  return Wait(absl::InfiniteDuration());
}

void SubscriberCore::End(const absl::Status& status, HookCalls& calls) {
  if (ended_) return;
  calls.Note(options_.hooks.on_ended, status);
  ended_ = true;
  final_ = status;
  retry_at_ = absl::InfiniteDuration();
  change_.NotifyAll();
}

void SubscriberCore::CutOff() {
  std::shared_ptr<ConsumeStream> stream;
  {
    MutexLock lock(mutex_);
    cut_off_ = true;
    change_.NotifyAll();
    if (ended_) return;
    HookCalls dropped;  // The program cuts the subscriber off, and so knows.
    stream = LoseStream(dropped);
    End(absl::CancelledError(absl::StrCat("the consumer of subscription ", options_.subscription,
                                          " was cancelled before everything was settled")),
        dropped);
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
  hooks_.Stop();
}

void SubscriberCore::Call(HookCalls calls) {
  const uint64_t thrown = hooks_.Run(std::move(calls));
  if (thrown == 0) return;
  MutexLock lock(mutex_);
  counters_.hooks_thrown += thrown;
}

SubscriberCounters SubscriberCore::counters() const {
  MutexLock lock(mutex_);
  SubscriberCounters counters = counters_;
  counters.dropped += queue_.dropped();
  counters.unsettled = leases_.pending_events() + requests_.unsettled() + leases_.unfinished();
  return counters;
}

}  // namespace eventhub::client

// The half of the subscriber that receives: leases, events, settlements, the end of streams.

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/base/failure.h"
#include "client/src/base/guarded.h"
#include "client/src/base/proto_time.h"
#include "client/src/read/position_proto.h"
#include "client/src/subscribe/subscriber_core.h"
#include "eventhub/error.h"

namespace eventhub::client {

template <typename Hook, typename... Args>
void SubscriberCore::Note(const Hook& hook, Calls& calls, Args... args) {
  if (hook) calls.emplace_back([&hook, args...] { hook(args...); });
}

void SubscriberCore::Call(Calls calls) {
  if (calls.empty()) return;
  MutexLock lock(hooks_mutex_);
  if (hooks_over_) return;
  uint64_t thrown = 0;
  for (auto& call : calls) thrown += Guarded("a hook", std::move(call)).ok() ? 0 : 1;
  if (thrown == 0) return;
  MutexLock state_lock(mutex_);
  counters_.hooks_thrown += thrown;
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
  Calls calls;
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

void SubscriberCore::TakeFrame(ConsumeFrame frame, Calls& calls) {
  if (frame.opened) TakeOpened(*frame.opened, calls);
  if (frame.ack_deadline) TakeAckDeadline(*frame.ack_deadline);
  TakeLeases(frame, calls);
  for (const v1::TrimmedRange& trimmed : frame.trimmed) {
    const PartitionRange range = FromProto(trimmed);
    counters_.trimmed += static_cast<uint64_t>(range.range.end - range.range.start);
    Note(options_.hooks.on_trimmed, calls, range);
  }
  // First: the batches were chosen after the hub did what it says here.
  for (const v1::Settlement& settlement : frame.settlements) TakeSettlement(settlement);
  for (const v1::PartitionOffset& rewound : frame.rewound) TakeRewound(rewound);
  for (EventBatch& batch : frame.batches) TakeBatch(std::move(batch));
  if (frame.caught_up) Note(options_.hooks.on_caught_up, calls);
  if (frame.fell_behind) Note(options_.hooks.on_fell_behind, calls);
}

void SubscriberCore::TakeOpened(const v1::ConsumeOpened& opened, Calls& calls) {
  queue_kind_ = opened.queue();
  session_ = opened.session();
  subscription_id_ = opened.subscription_id();
  TakeAckDeadline(opened.ack_deadline());
  Order order = options_.order;
  if (order == Order::kDefault) order = queue_kind_ ? Order::kNone : Order::kPerPartition;
  queue_.SetOrder(order);
  failing_since_.reset();
  backoff_.Reset();
  ++counters_.connections;
  Note(options_.hooks.on_connected, calls, opened.consumer());
}

void SubscriberCore::TakeAckDeadline(const google::protobuf::Duration& told) {
  const absl::Duration deadline = FromProto(told);
  ack_deadline_ = deadline > absl::ZeroDuration() ? deadline : absl::InfiniteDuration();
  const absl::Duration end = Now() + ack_deadline_;
  for (const auto& [id, lease] : leases_) lease->OnAckDeadline(end);
  if (extend_at_ == absl::InfiniteDuration() && leases_.empty()) return;
  extend_at_ = Now() + ack_deadline_ / kExtensionsPerDeadline;
  Arm(extend_at_);
}

void SubscriberCore::TakeLeases(const ConsumeFrame& frame, Calls& calls) {
  for (const v1::PartitionLease& revoked : frame.revoked) {
    auto it = leases_.lower_bound({revoked.partition(), 0});
    while (it != leases_.end() &&
           it->first <= LeaseId{revoked.partition(), revoked.lease_epoch()}) {
      EndLease(*it->second);
      it = leases_.erase(it);
    }
    Note(options_.hooks.on_revoked, calls, revoked.partition());
  }
  for (const v1::PartitionLease& assigned : frame.assigned) {
    const LeaseId id{assigned.partition(), assigned.lease_epoch()};
    std::shared_ptr<Lease>& lease = leases_[id];
    // Known already: it does not move after all, and what is out of it stays here.
    if (lease == nullptr) lease = std::make_shared<Lease>(id.first, id.second, queue_kind_);
    Note(options_.hooks.on_assigned, calls,
         PartitionOffset{.partition = assigned.partition(), .offset = assigned.next_offset()});
  }
  for (const v1::PartitionLease& draining : frame.draining) {
    Note(options_.hooks.on_draining, calls, draining.partition());
  }
}

void SubscriberCore::TakeBatch(EventBatch batch) {
  batch.session_ = session_;
  const absl::Duration now = Now();
  const size_t events = batch.size();
  counters_.delivered += events;
  if (batch.redelivered()) counters_.redelivered += events;
  std::shared_ptr<Lease>& lease = leases_[{batch.partition(), batch.lease_epoch()}];
  if (lease == nullptr) {
    lease = std::make_shared<Lease>(batch.partition(), batch.lease_epoch(), queue_kind_);
  }
  auto delivery = std::make_shared<Delivery>(std::move(batch), lease, now, now + ack_deadline_);
  if (!lease->Accept(delivery)) {
    counters_.dropped += events;
    return;
  }
  queue_.Add(std::move(delivery));
  if (ack_deadline_ != absl::InfiniteDuration() && extend_at_ == absl::InfiniteDuration()) {
    extend_at_ = now + ack_deadline_ / kExtensionsPerDeadline;
    Arm(extend_at_);
  }
}

void SubscriberCore::TakeSettlement(const v1::Settlement& settlement) {
  const Settlements::Result result = settlements_.Settle(settlement);
  counters_.acked += result.acked;
  counters_.nacked += result.nacked;
  counters_.parked += result.parked;
  counters_.skipped += result.skipped;
  counters_.lease_lost += result.lease_lost;
  counters_.failed += result.failed;
  for (const v1::RefusedRange& refused : settlement.refused()) {
    const OffsetRange range{refused.range().start(), refused.range().end()};
    ForEachLease(refused.partition(), [&](Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      const uint64_t events = lease.pending_events();
      lease.OnRefused(settlement.correlation_id(), range);
      pending_events_ += lease.pending_events() - events;
      if (lease.pending_events() > 0) List(lease);
    });
  }
}

void SubscriberCore::TakeRewound(const v1::PartitionOffset& rewound) {
  ForEachLease(rewound.partition(), [&](Lease& lease) { lease.OnRewound(rewound.offset()); });
}

void SubscriberCore::ForEachLease(uint32_t partition, absl::FunctionRef<void(Lease&)> visit) {
  const auto end = leases_.upper_bound({partition, std::numeric_limits<uint64_t>::max()});
  for (auto it = leases_.lower_bound({partition, 0}); it != end; ++it) visit(*it->second);
}

void SubscriberCore::EndLease(Lease& lease) {
  pending_events_ -= lease.pending_events();
  pending_bytes_ -= lease.pending_bytes();
  counters_.lease_lost += lease.End();
  std::erase_if(listed_, [&lease](const auto& listed) { return listed.get() == &lease; });
}

std::shared_ptr<ConsumeStream> SubscriberCore::LoseStream(Calls& calls) {
  ++stream_number_;
  opening_ = writing_ = false;
  counters_.in_doubt += settlements_.Lose();
  for (const auto& [id, lease] : leases_) {
    counters_.in_doubt += lease->End();
    if (!queue_kind_) Note(options_.hooks.on_revoked, calls, id.first);
  }
  leases_.clear();
  listed_.clear();
  queue_.Clear();
  extensions_.Clear();
  pending_events_ = pending_bytes_ = 0;
  extend_at_ = absl::InfiniteDuration();
  return std::exchange(stream_, nullptr);
}

void SubscriberCore::OnClosed(uint64_t stream, const absl::Status& status) {
  std::shared_ptr<ConsumeStream> lost;
  Calls calls;
  {
    MutexLock lock(mutex_);
    if (stream != stream_number_) return;
    const uint64_t in_doubt = counters_.in_doubt;
    bool unfinished = false;
    for (const auto& [id, lease] : leases_) unfinished |= lease->unfinished() > 0;
    lost = LoseStream(calls);
    unfinished |= counters_.in_doubt > in_doubt;
    if (stopping_) {
      End(status.ok() || (MayPass(status) && !unfinished) ? absl::OkStatus() : status, calls);
    } else if (status.ok() || MayPass(status)) {
      Note(options_.hooks.on_disconnected, calls, status);
      Reconnect(status, calls);
    } else {
      End(status, calls);
    }
  }
  Call(std::move(calls));
}

void SubscriberCore::Reconnect(const absl::Status& status, Calls& calls) {
  const absl::Duration now = Now();
  if (!failing_since_) failing_since_ = now;
  if (now - *failing_since_ >= options_.reconnect_deadline) {
    End(absl::UnavailableError(absl::StrCat(
            "no connection to consume subscription ", options_.subscription, " for ",
            absl::FormatDuration(options_.reconnect_deadline), ": ", status.message())),
        calls);
    return;
  }
  absl::Duration delay = backoff_.Next();
  if (const auto info = GetErrorInfo(status); info && info->retry_delay) {
    delay = std::max(delay, *info->retry_delay);
  }
  retry_at_ = now + delay;
  Arm(retry_at_);
}

void SubscriberCore::End(const absl::Status& status, Calls& calls) {
  if (ended_) return;
  Note(options_.hooks.on_ended, calls, status);
  ended_ = true;
  final_ = status;
  retry_at_ = absl::InfiniteDuration();
  change_.NotifyAll();
}

}  // namespace eventhub::client

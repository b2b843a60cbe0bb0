#include "client/src/subscribe/lease_table.h"

#include <limits>
#include <utility>

#include "absl/base/macros.h"

namespace eventhub::client {
namespace {

// How often within an ack deadline leases are checked for extension.
constexpr int kChecksPerDeadline = 3;

}  // namespace

void LeaseTable::SetAckDeadline(absl::Duration deadline, absl::Duration now) {
  ack_deadline_ = deadline;
  for (const auto& [id, lease] : leases_) lease->OnAckDeadline(now + deadline);
  if (extend_at_ == absl::InfiniteDuration() && leases_.empty()) return;
  extend_at_ = now + deadline / kChecksPerDeadline;
}

std::shared_ptr<Lease>& LeaseTable::Get(LeaseId id) {
  std::shared_ptr<Lease>& lease = leases_[id];
  if (lease == nullptr) lease = std::make_shared<Lease>(id.first, id.second, queue_);
  return lease;
}

void LeaseTable::Assign(uint32_t partition, uint64_t epoch, int64_t first_new_offset) {
  Get({partition, epoch})->first_new_offset = first_new_offset;
}

uint64_t LeaseTable::Revoke(uint32_t partition, uint64_t epoch) {
  uint64_t lost = 0;
  auto it = leases_.lower_bound({partition, 0});
  while (it != leases_.end() && it->first <= LeaseId{partition, epoch}) {
    Lease& lease = *it->second;
    Change(lease, [&] { lost += lease.End(); });
    std::erase(pending_leases_, it->second);
    it = leases_.erase(it);
  }
  return lost;
}

uint64_t LeaseTable::Clear() {
  uint64_t lost = 0;
  for (const auto& [id, lease] : leases_) lost += lease->End();
  leases_.clear();
  pending_leases_.clear();
  pending_events_ = pending_bytes_ = 0;
  extensions_.Clear();
  extend_at_ = absl::InfiniteDuration();
  return lost;
}

std::shared_ptr<Delivery> LeaseTable::Accept(EventBatch batch, absl::Duration now) {
  const std::shared_ptr<Lease>& lease = Get({batch.partition(), batch.lease_epoch()});
  batch.first_new_offset_ = lease->first_new_offset;
  auto delivery = std::make_shared<Delivery>(std::move(batch), lease, now, now + ack_deadline_);
  if (!lease->Accept(delivery)) return nullptr;
  if (ack_deadline_ != absl::InfiniteDuration() && extend_at_ == absl::InfiniteDuration()) {
    extend_at_ = now + ack_deadline_ / kChecksPerDeadline;
  }
  return delivery;
}

void LeaseTable::Finish(Delivery& delivery, absl::Span<const Handled::Run> runs) {
  Lease& lease = delivery.lease();
  Change(lease, [&] {
    for (const Handled::Run& run : runs) {
      lease.Finish(delivery, run.first, run.count, run.outcome);
    }
  });
  if (lease.pending_events() > 0) List(lease);
}

void LeaseTable::OnRewound(uint32_t partition, int64_t offset) {
  ChangeEach(partition, [offset](Lease& lease) { lease.OnRewound(offset); });
}

void LeaseTable::OnRefused(uint32_t partition, uint64_t correlation_id, OffsetRange range) {
  ChangeEach(partition, [&](Lease& lease) { lease.OnRefused(correlation_id, range); });
}

void LeaseTable::ChangeEach(uint32_t partition, absl::FunctionRef<void(Lease&)> change) {
  const auto end = leases_.upper_bound({partition, std::numeric_limits<uint64_t>::max()});
  for (auto it = leases_.lower_bound({partition, 0}); it != end; ++it) {
    Lease& lease = *it->second;
    Change(lease, [&] { change(lease); });
    if (lease.pending_events() > 0) List(lease);
  }
}

void LeaseTable::Change(Lease& lease, absl::FunctionRef<void()> change) {
  const uint64_t events = lease.pending_events();
  const uint64_t bytes = lease.pending_bytes();
  ABSL_ASSERT(lease.over() || (events <= pending_events_ && bytes <= pending_bytes_));
  change();
  pending_events_ += lease.pending_events() - events;
  pending_bytes_ += lease.pending_bytes() - bytes;
}

void LeaseTable::List(Lease& lease) {
  if (lease.listed) return;
  // A lease that is over is no longer in the table, or another one has replaced it.
  const auto it = leases_.find({lease.partition(), lease.epoch()});
  if (it == leases_.end() || it->second.get() != &lease) return;
  lease.listed = true;
  pending_leases_.push_back(it->second);
}

void LeaseTable::Extend(absl::Duration now) {
  extend_at_ = absl::InfiniteDuration();
  if (ack_deadline_ == absl::InfiniteDuration()) return;
  const Lease::KeepAlive keep{
      .now = now, .ack_deadline = ack_deadline_, .max_extension = max_extension_};
  bool any = false;
  for (const auto& [id, lease] : leases_) any |= lease->Extend(keep, extensions_);
  if (any) extend_at_ = now + ack_deadline_ / kChecksPerDeadline;
}

size_t LeaseTable::AddExtensions(v1::ConsumeRequest& request, int64_t& budget) {
  auto& waiting = *extensions_.mutable_extensions();
  int taken = 0;
  for (; taken < waiting.size() && budget > 0; ++taken) {
    budget -= Lease::kRangeBytes * (1 + waiting[taken].ranges_size());
    request.add_extensions()->Swap(&waiting[taken]);
  }
  waiting.DeleteSubrange(0, taken);
  return static_cast<size_t>(taken);
}

void LeaseTable::AddOutcomes(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent,
                             int64_t& budget) {
  const std::vector<std::shared_ptr<Lease>> leases = std::exchange(pending_leases_, {});
  for (const std::shared_ptr<Lease>& lease : leases) {
    if (budget > 0) Change(*lease, [&] { lease->AddPending(request, sent, budget); });
    if (lease->pending_events() > 0) {
      pending_leases_.push_back(lease);
      continue;
    }
    lease->listed = false;
    if (queue_ && lease->idle()) leases_.erase({lease->partition(), lease->epoch()});
  }
  ABSL_ASSERT(!pending_leases_.empty() || pending_events_ == 0);
}

uint64_t LeaseTable::unfinished() const {
  uint64_t events = 0;
  for (const auto& [id, lease] : leases_) events += lease->unfinished();
  return events;
}

void LeaseTable::ForEachPartition(absl::FunctionRef<void(uint32_t)> visit) const {
  for (const auto& [id, lease] : leases_) visit(id.first);
}

}  // namespace eventhub::client

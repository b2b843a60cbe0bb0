// The leases of a subscriber: the events delivered under each, the outcomes that were not sent to
// the hub yet, and the leases that must be extended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/src/subscribe/delivery.h"
#include "client/src/subscribe/handling.h"
#include "client/src/subscribe/lease.h"
#include "client/src/subscribe/settlements.h"
#include "eventhub/event_batch.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// Guarded by the subscriber's mutex. Times are monotonic.
class LeaseTable {
 public:
  // Leases are extended for `max_extension` after their delivery.
  explicit LeaseTable(absl::Duration max_extension) : max_extension_(max_extension) {}

  // The kind of the subscription: QUEUE or STREAM. Applies to leases that begin afterwards.
  void SetQueue(bool queue) { queue_ = queue; }
  bool queue() const { return queue_; }

  // The subscription's ack deadline is `deadline` from `now` on; infinite: none.
  void SetAckDeadline(absl::Duration deadline, absl::Duration now);

  // STREAM: the consumer now has the partition. A known lease is kept: the partition does not move
  // after all.
  void Assign(uint32_t partition, uint64_t epoch, int64_t first_new_offset);

  // The leases of the partition up to `epoch` are over. Returns how many outcomes are lost with
  // them.
  uint64_t Revoke(uint32_t partition, uint64_t epoch);

  // All leases are over. Returns how many outcomes are lost with them.
  uint64_t Clear();

  // Takes a delivered batch. Null if all of its events are void.
  std::shared_ptr<Delivery> Accept(EventBatch batch, absl::Duration now);

  // Events of a delivery have outcomes.
  void Finish(Delivery& delivery, absl::Span<const Handled::Run> runs);

  // STREAM: the hub has taken the partition back to `offset`.
  void OnRewound(uint32_t partition, int64_t offset);

  // The hub refused outcomes that were told in request `correlation_id`.
  void OnRefused(uint32_t partition, uint64_t correlation_id, OffsetRange range);

  // Outcomes that the hub has not been told: events, and nearly their bytes.
  uint64_t pending_events() const { return pending_events_; }
  uint64_t pending_bytes() const { return pending_bytes_; }

  // Prepares the extensions that are due at `now`.
  void Extend(absl::Duration now);
  // When to call Extend next; infinite: never.
  absl::Duration extend_at() const { return extend_at_; }
  // Whether prepared extensions wait for a request.
  bool has_extensions() const { return extensions_.extensions_size() > 0; }

  // Move prepared extensions, or pending outcomes, to a request as long as `budget`, in encoded
  // bytes, is positive; the rest waits for the next request. AddExtensions returns how many it
  // moved; AddOutcomes also lists the outcomes in `sent`.
  size_t AddExtensions(v1::ConsumeRequest& request, int64_t& budget);
  void AddOutcomes(v1::ConsumeRequest& request, std::vector<SentOutcome>& sent, int64_t& budget);

  // Delivered events without an outcome.
  uint64_t unfinished() const;

  // Calls `visit` with the partition of each lease.
  void ForEachPartition(absl::FunctionRef<void(uint32_t)> visit) const;

 private:
  using LeaseId = std::pair<uint32_t, uint64_t>;  // Partition, epoch.

  std::shared_ptr<Lease>& Get(LeaseId id);
  // Calls `change` with each lease of the partition, and accounts for what it makes pending.
  void ChangeEach(uint32_t partition, absl::FunctionRef<void(Lease&)> change);
  // Calls `change`, and accounts for what it adds to, or takes from, what is pending.
  void Change(Lease& lease, absl::FunctionRef<void()> change);
  // Makes sure that a lease with something pending is in pending_leases_.
  void List(Lease& lease);

  const absl::Duration max_extension_;
  bool queue_ = false;
  absl::Duration ack_deadline_ = absl::InfiniteDuration();
  absl::Duration extend_at_ = absl::InfiniteDuration();
  std::map<LeaseId, std::shared_ptr<Lease>> leases_;
  std::vector<std::shared_ptr<Lease>> pending_leases_;  // Those with something pending.
  uint64_t pending_events_ = 0;                         // Over all leases.
  uint64_t pending_bytes_ = 0;
  v1::ConsumeRequest extensions_;  // Prepared; only its `extensions` are used.
};

}  // namespace eventhub::client

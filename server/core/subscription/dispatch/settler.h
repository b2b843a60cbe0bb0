// Carries out acks, nacks and extensions, each at its place among the commits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/aftermath.h"
#include "server/core/subscription/dispatch/consumer.h"
#include "server/core/subscription/dispatch/dispatch_context.h"
#include "server/core/subscription/dispatch/scheduler.h"
#include "server/core/subscription/dispatch/settle_queue.h"
#include "server/core/subscription/dispatch/settlement.h"
#include "storage/base/types.h"

namespace eventhub {

// Guarded by the subscription's mutex; called on the commit thread only. A request may take several
// commits, each of which examines a bounded number of pending ranges.
class Settler {
 public:
  // `subscription` and `topic` are names, for errors; they outlive this object.
  Settler(const DispatchContext& shared, Scheduler& scheduler, const std::string& subscription,
          const std::string& topic);

  Settler(const Settler&) = delete;
  Settler& operator=(const Settler&) = delete;

  // Carries out a request, continuing where the last call ended. Returns true if it is done; false
  // if `left` is used up.
  bool Settle(Settling& settling, size_t* left, Aftermath* after);
  // Carries out the acks of a transaction; none of them if any event is not leased to the consumer
  // of that session (ABORTED).
  absl::Status AckAll(const v1::TransactAcks& acks, Aftermath* after);

 private:
  // The cursor that a part of a request refers to; null, with the rest of the part refused, if the
  // consumer does not hold the partition and lease epoch that it names.
  template <typename Part>
  PartitionCursor* FindLeased(const Consumer& consumer, const Part& part, SettleWork& work);
  // These return whether the part is done.
  bool Ack(Consumer& consumer, const v1::Ack& ack, SettleWork& work, Aftermath* after);
  bool Nack(Consumer& consumer, const v1::Nack& nack, SettleWork& work, Aftermath* after);
  bool Extend(Consumer& consumer, const v1::LeaseExtension& extension, SettleWork& work,
              Aftermath* after);
  bool ExtendEvents(PartitionCursor& cursor, Consumer& consumer,
                    const v1::LeaseExtension& extension, int64_t due, SettleWork& work);
  // Whether an ack covers only the events that it names, not all before them.
  bool IsExact(const v1::Ack& ack) const { return shared_.rules.queue || ack.exact(); }
  // OK if all of `ack` would be accepted. Examines at most `*left` pending ranges, and subtracts
  // the number examined.
  absl::Status CheckAck(const Consumer& consumer, const v1::Ack& ack, size_t* left) const;
  // Counted when the commit is visible.
  void Count(const Consumer& consumer, const Effects& effects, int64_t commit);
  // The delay before the next attempt, in microseconds.
  int64_t Backoff(uint32_t attempts);
  absl::Status Refusal(const Consumer& consumer) const;
  // Refuses what of [from, to) is not in `part`, for which there are too many pending ranges.
  void RefuseOutside(const PartitionCursor::Part& part, const PartitionCursor& cursor, Offset from,
                     Offset to, SettleWork& work) const;

  const DispatchContext& shared_;
  Scheduler& scheduler_;
  const std::string& subscription_;
  const std::string& topic_;
  // For jitter; a better generator would be half the size of an idle subscription.
  std::minstd_rand random_;
};

}  // namespace eventhub

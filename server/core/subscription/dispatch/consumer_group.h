// The connected consumers of a subscription, and the order in which they are woken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/time/time.h"
#include "server/core/subscription/dispatch/consumer.h"
#include "storage/base/types.h"

namespace eventhub {

// Guarded by the subscription's mutex. A consumer is woken by its callback, which must not run
// under that mutex: the methods collect the consumers to wake in `wake`, and the caller wakes them
// afterwards.
class ConsumerGroup {
 public:
  using Members = absl::btree_map<ConsumerId, std::shared_ptr<Consumer>>;
  using WakeList = std::vector<std::shared_ptr<Consumer>>;

  std::shared_ptr<Consumer> Add(uint64_t session, ConsumerOptions options, absl::Time now);
  void Remove(ConsumerId id) { members_.erase(id); }

  const Members& members() const { return members_; }
  bool empty() const { return members_.empty(); }
  size_t size() const { return members_.size(); }

  // Returns null if it is no longer connected.
  Consumer* Find(ConsumerId id) const;
  Consumer* FindSession(uint64_t session) const;
  // Returns an empty name if it is no longer connected.
  std::string NameOf(ConsumerId id) const;

  // The consumers that partitions may be assigned to: stalled ones only if there are no others.
  std::vector<ConsumerId> Assignable() const;
  // Whether a consumer that is not stalled could take events.
  bool AnyHealthyWithCredit() const;

  // Waking. A consumer that is not waiting will look without being woken.
  void Wake(Consumer& consumer, WakeList* wake);
  void WakeAll(WakeList* wake);
  // Wakes the first consumer in the queue that has credit; a stalled one only if there is no other.
  void WakeNext(WakeList* wake);
  // Adds a consumer that waits for events to the queue of WakeNext.
  void Enqueue(Consumer& consumer);

  // Events of a consumer were settled or taken back: it has credit again, or may end.
  void Release(ConsumerId id, const Usage& usage, WakeList* wake);
  // A lease of a consumer expired. In a QUEUE the consumer gets one event at a time until it
  // responds.
  void MarkOverdue(ConsumerId id);
  // Notifies `only`, or all consumers, of events of a partition that retention removed.
  void NoteTrimmed(PartitionId partition, std::optional<ConsumerId> only,
                   const std::vector<std::pair<Offset, Offset>>& trimmed, WakeList* wake);

 private:
  Members members_;
  uint32_t last_id_ = 0;
  // Consumers that wait for events, in turn: few, so that taking the first one is cheap.
  std::vector<std::weak_ptr<Consumer>> queue_;
};

}  // namespace eventhub

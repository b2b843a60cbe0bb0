// SubscriptionService: passes messages to and from core's subscriptions.
#pragma once

#include "eventhub/v1/subscription.grpc.pb.h"
#include "server/core/subscription/subscriptions.h"
#include "server/rpc/calls.h"
#include "server/rpc/unary_service.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object. The methods run on a pool: nearly
// all of them read the store.
class SubscriptionService final : public UnaryService<v1::SubscriptionService> {
 public:
  SubscriptionService(Subscriptions& subscriptions, WorkPool& pool, const Calls& calls);

 private:
  void ServeSubscriptions(Subscriptions& subscriptions, WorkPool& pool);
  void ServeMoves(SubscriptionMoves& moves, WorkPool& pool);
  void ServeSnapshots(Snapshots& snapshots, WorkPool& pool);
  void ServeDeadLetters(DeadLetters& letters, WorkPool& pool);
};

}  // namespace eventhub

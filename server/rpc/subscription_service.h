// SubscriptionService: passes generated messages to and from core's subscriptions.
#pragma once

#include "eventhub/v1/subscription.grpc.pb.h"
#include "server/core/subscription/subscriptions.h"
#include "server/rpc/calls.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object. The methods run on a pool: nearly
// all of them read the store.
class SubscriptionService final : public v1::SubscriptionService::CallbackService {
 public:
  SubscriptionService(Subscriptions& subscriptions, WorkPool& pool, const Calls& calls)
      : subscriptions_(subscriptions), pool_(pool), calls_(calls) {}

  grpc::ServerUnaryReactor* CreateSubscription(grpc::CallbackServerContext* context,
                                               const v1::CreateSubscriptionRequest* request,
                                               v1::CreateSubscriptionResponse* response) override;
  grpc::ServerUnaryReactor* GetSubscription(grpc::CallbackServerContext* context,
                                            const v1::GetSubscriptionRequest* request,
                                            v1::GetSubscriptionResponse* response) override;
  grpc::ServerUnaryReactor* ListSubscriptions(grpc::CallbackServerContext* context,
                                              const v1::ListSubscriptionsRequest* request,
                                              v1::ListSubscriptionsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateSubscription(grpc::CallbackServerContext* context,
                                               const v1::UpdateSubscriptionRequest* request,
                                               v1::UpdateSubscriptionResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSubscription(grpc::CallbackServerContext* context,
                                               const v1::DeleteSubscriptionRequest* request,
                                               v1::DeleteSubscriptionResponse* response) override;
  grpc::ServerUnaryReactor* SeekSubscription(grpc::CallbackServerContext* context,
                                             const v1::SeekSubscriptionRequest* request,
                                             v1::SeekSubscriptionResponse* response) override;
  grpc::ServerUnaryReactor* ReplaySubscription(grpc::CallbackServerContext* context,
                                               const v1::ReplaySubscriptionRequest* request,
                                               v1::ReplaySubscriptionResponse* response) override;
  grpc::ServerUnaryReactor* CancelReplays(grpc::CallbackServerContext* context,
                                          const v1::CancelReplaysRequest* request,
                                          v1::CancelReplaysResponse* response) override;
  grpc::ServerUnaryReactor* CreateSnapshot(grpc::CallbackServerContext* context,
                                           const v1::CreateSnapshotRequest* request,
                                           v1::CreateSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* ListSnapshots(grpc::CallbackServerContext* context,
                                          const v1::ListSnapshotsRequest* request,
                                          v1::ListSnapshotsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSnapshot(grpc::CallbackServerContext* context,
                                           const v1::DeleteSnapshotRequest* request,
                                           v1::DeleteSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* ListDeadLetters(grpc::CallbackServerContext* context,
                                            const v1::ListDeadLettersRequest* request,
                                            v1::ListDeadLettersResponse* response) override;
  grpc::ServerUnaryReactor* CountDeadLetters(grpc::CallbackServerContext* context,
                                             const v1::CountDeadLettersRequest* request,
                                             v1::CountDeadLettersResponse* response) override;
  grpc::ServerUnaryReactor* RedriveDeadLetters(grpc::CallbackServerContext* context,
                                               const v1::RedriveDeadLettersRequest* request,
                                               v1::RedriveDeadLettersResponse* response) override;
  grpc::ServerUnaryReactor* DiscardDeadLetters(grpc::CallbackServerContext* context,
                                               const v1::DiscardDeadLettersRequest* request,
                                               v1::DiscardDeadLettersResponse* response) override;

 private:
  Subscriptions& subscriptions_;
  WorkPool& pool_;
  const Calls& calls_;
};

}  // namespace eventhub

#include "server/rpc/subscription_service.h"

namespace eventhub {

SubscriptionService::SubscriptionService(Subscriptions& subscriptions, WorkPool& pool,
                                         const Calls& calls)
    : UnaryService(calls) {
  ServeSubscriptions(subscriptions, pool);
  ServeMoves(subscriptions.moves(), pool);
  ServeSnapshots(subscriptions.snapshots(), pool);
  ServeDeadLetters(subscriptions.dead_letters(), pool);
}

void SubscriptionService::ServeSubscriptions(Subscriptions& subscriptions, WorkPool& pool) {
  ServeOn(pool, kSettingsRequest,
          [&subscriptions](const Caller& caller, const v1::CreateSubscriptionRequest& request,
                           Reply<v1::CreateSubscriptionResponse> reply) {
            subscriptions.Create(caller, request,
                                 reply.With(&v1::CreateSubscriptionResponse::mutable_subscription));
          });
  ServeOn(pool, kNameRequest,
          [&subscriptions](const Caller& caller, const v1::GetSubscriptionRequest& request) {
            return subscriptions.Get(caller, request);
          });
  ServeOn(pool, kNameRequest,
          [&subscriptions](const Caller& caller, const v1::ListSubscriptionsRequest& request) {
            return subscriptions.List(caller, request);
          });
  ServeOn(pool, kSettingsRequest,
          [&subscriptions](const Caller& caller, const v1::UpdateSubscriptionRequest& request,
                           Reply<v1::UpdateSubscriptionResponse> reply) {
            subscriptions.Update(caller, request,
                                 reply.With(&v1::UpdateSubscriptionResponse::mutable_subscription));
          });
  ServeOn(pool, kNameRequest,
          [&subscriptions](const Caller& caller, const v1::DeleteSubscriptionRequest& request,
                           Reply<v1::DeleteSubscriptionResponse> reply) {
            subscriptions.Delete(caller, request.name(), reply.Empty());
          });
}

void SubscriptionService::ServeMoves(SubscriptionMoves& moves, WorkPool& pool) {
  ServeOn(pool, kListRequest,
          [&moves, &pool](const Caller& caller, const v1::SeekSubscriptionRequest& request,
                          Reply<v1::SeekSubscriptionResponse> reply) {
            moves.Seek(caller, request, pool, reply);
          });
  ServeOn(pool, kListRequest,
          [&moves, &pool](const Caller& caller, const v1::ReplaySubscriptionRequest& request,
                          Reply<v1::ReplaySubscriptionResponse> reply) {
            moves.Replay(caller, request, pool, reply);
          });
  ServeOn(pool, kNameRequest,
          [&moves](const Caller& caller, const v1::CancelReplaysRequest& request,
                   Reply<v1::CancelReplaysResponse> reply) {
            moves.CancelReplays(caller, request.name(), reply);
          });
}

void SubscriptionService::ServeSnapshots(Snapshots& snapshots, WorkPool& pool) {
  ServeOn(pool, kNameRequest,
          [&snapshots](const Caller& caller, const v1::CreateSnapshotRequest& request,
                       Reply<v1::CreateSnapshotResponse> reply) {
            snapshots.Create(caller, request, reply);
          });
  ServeOn(pool, kNameRequest,
          [&snapshots](const Caller& caller, const v1::ListSnapshotsRequest& request) {
            return snapshots.List(caller, request.subscription());
          });
  ServeOn(pool, kNameRequest,
          [&snapshots](const Caller& caller, const v1::DeleteSnapshotRequest& request,
                       Reply<v1::DeleteSnapshotResponse> reply) {
            snapshots.Delete(caller, request, reply.Empty());
          });
}

void SubscriptionService::ServeDeadLetters(DeadLetters& letters, WorkPool& pool) {
  ServeOn(pool, kListRequest,
          [&letters](const Caller& caller, const v1::ListDeadLettersRequest& request) {
            return letters.List(caller, request);
          });
  ServeOn(pool, kListRequest,
          [&letters](const Caller& caller, const v1::CountDeadLettersRequest& request) {
            return letters.Count(caller, request);
          });
  ServeOn(pool, kListRequest,
          [&letters, &pool](const Caller& caller, const v1::RedriveDeadLettersRequest& request,
                            Reply<v1::RedriveDeadLettersResponse> reply) {
            letters.Redrive(caller, request, pool, reply);
          });
  ServeOn(pool, kListRequest,
          [&letters, &pool](const Caller& caller, const v1::DiscardDeadLettersRequest& request,
                            Reply<v1::DiscardDeadLettersResponse> reply) {
            letters.Discard(caller, request, pool, reply);
          });
}

}  // namespace eventhub

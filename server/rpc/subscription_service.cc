#include "server/rpc/subscription_service.h"

namespace eventhub {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

}  // namespace

ServerUnaryReactor* SubscriptionService::CreateSubscription(
    CallbackServerContext* context, const v1::CreateSubscriptionRequest* request,
    v1::CreateSubscriptionResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    subscriptions_.Create(
        caller, *request,
        FinishLater(reactor, response, &v1::CreateSubscriptionResponse::mutable_subscription));
  });
}

ServerUnaryReactor* SubscriptionService::GetSubscription(CallbackServerContext* context,
                                                         const v1::GetSubscriptionRequest* request,
                                                         v1::GetSubscriptionResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    FinishCall(reactor, subscriptions_.Get(caller, *request), response);
  });
}

ServerUnaryReactor* SubscriptionService::ListSubscriptions(
    CallbackServerContext* context, const v1::ListSubscriptionsRequest* request,
    v1::ListSubscriptionsResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    FinishCall(reactor, subscriptions_.List(caller, *request), response);
  });
}

ServerUnaryReactor* SubscriptionService::UpdateSubscription(
    CallbackServerContext* context, const v1::UpdateSubscriptionRequest* request,
    v1::UpdateSubscriptionResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    subscriptions_.Update(
        caller, *request,
        FinishLater(reactor, response, &v1::UpdateSubscriptionResponse::mutable_subscription));
  });
}

ServerUnaryReactor* SubscriptionService::DeleteSubscription(
    CallbackServerContext* context, const v1::DeleteSubscriptionRequest* request,
    v1::DeleteSubscriptionResponse*) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    subscriptions_.Delete(caller, request->name(), FinishLater(reactor));
  });
}

ServerUnaryReactor* SubscriptionService::SeekSubscription(
    CallbackServerContext* context, const v1::SeekSubscriptionRequest* request,
    v1::SeekSubscriptionResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    subscriptions_.moves().Seek(caller, *request, pool_, FinishLater(reactor, response));
  });
}

ServerUnaryReactor* SubscriptionService::ReplaySubscription(
    CallbackServerContext* context, const v1::ReplaySubscriptionRequest* request,
    v1::ReplaySubscriptionResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    subscriptions_.moves().Replay(caller, *request, pool_, FinishLater(reactor, response));
  });
}

ServerUnaryReactor* SubscriptionService::CancelReplays(CallbackServerContext* context,
                                                       const v1::CancelReplaysRequest* request,
                                                       v1::CancelReplaysResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    subscriptions_.moves().CancelReplays(caller, request->name(), FinishLater(reactor, response));
  });
}

ServerUnaryReactor* SubscriptionService::CreateSnapshot(CallbackServerContext* context,
                                                        const v1::CreateSnapshotRequest* request,
                                                        v1::CreateSnapshotResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    subscriptions_.snapshots().Create(caller, *request, FinishLater(reactor, response));
  });
}

ServerUnaryReactor* SubscriptionService::ListSnapshots(CallbackServerContext* context,
                                                       const v1::ListSnapshotsRequest* request,
                                                       v1::ListSnapshotsResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    FinishCall(reactor, subscriptions_.snapshots().List(caller, request->subscription()), response);
  });
}

ServerUnaryReactor* SubscriptionService::DeleteSnapshot(CallbackServerContext* context,
                                                        const v1::DeleteSnapshotRequest* request,
                                                        v1::DeleteSnapshotResponse*) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    subscriptions_.snapshots().Delete(caller, *request, FinishLater(reactor));
  });
}

ServerUnaryReactor* SubscriptionService::ListDeadLetters(CallbackServerContext* context,
                                                         const v1::ListDeadLettersRequest* request,
                                                         v1::ListDeadLettersResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    FinishCall(reactor, subscriptions_.dead_letters().List(caller, *request), response);
  });
}

ServerUnaryReactor* SubscriptionService::CountDeadLetters(
    CallbackServerContext* context, const v1::CountDeadLettersRequest* request,
    v1::CountDeadLettersResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    FinishCall(reactor, subscriptions_.dead_letters().Count(caller, *request), response);
  });
}

ServerUnaryReactor* SubscriptionService::RedriveDeadLetters(
    CallbackServerContext* context, const v1::RedriveDeadLettersRequest* request,
    v1::RedriveDeadLettersResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    subscriptions_.dead_letters().Redrive(caller, *request, pool_, FinishLater(reactor, response));
  });
}

ServerUnaryReactor* SubscriptionService::DiscardDeadLetters(
    CallbackServerContext* context, const v1::DiscardDeadLettersRequest* request,
    v1::DiscardDeadLettersResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    subscriptions_.dead_letters().Discard(caller, *request, pool_, FinishLater(reactor, response));
  });
}

}  // namespace eventhub

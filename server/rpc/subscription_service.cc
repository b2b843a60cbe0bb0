#include "server/rpc/subscription_service.h"

#include <utility>

#include "server/rpc/unary.h"

namespace eventhub {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// Runs a call on the pool. The request and the response live until the reactor finishes.
ServerUnaryReactor* Run(WorkPool& pool, CallbackServerContext* context,
                        absl::AnyInvocable<void(ServerUnaryReactor*) &&> call) {
  ServerUnaryReactor* const reactor = context->DefaultReactor();
  pool.Post([reactor, call = std::move(call)]() mutable { std::move(call)(reactor); });
  return reactor;
}

}  // namespace

LongCall SubscriptionService::CallOf(CallbackServerContext* context) {
  return {pool_, EndsEarly(context, registry_)};
}

ServerUnaryReactor* SubscriptionService::CreateSubscription(
    CallbackServerContext* context, const v1::CreateSubscriptionRequest* request,
    v1::CreateSubscriptionResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    subscriptions_.Create(
        *request,
        FinishLater(reactor, response, &v1::CreateSubscriptionResponse::mutable_subscription));
  });
}

ServerUnaryReactor* SubscriptionService::GetSubscription(CallbackServerContext* context,
                                                         const v1::GetSubscriptionRequest* request,
                                                         v1::GetSubscriptionResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    FinishCall(reactor, subscriptions_.Get(*request), response);
  });
}

ServerUnaryReactor* SubscriptionService::ListSubscriptions(
    CallbackServerContext* context, const v1::ListSubscriptionsRequest* request,
    v1::ListSubscriptionsResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    FinishCall(reactor, subscriptions_.List(*request), response);
  });
}

ServerUnaryReactor* SubscriptionService::UpdateSubscription(
    CallbackServerContext* context, const v1::UpdateSubscriptionRequest* request,
    v1::UpdateSubscriptionResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    subscriptions_.Update(
        *request,
        FinishLater(reactor, response, &v1::UpdateSubscriptionResponse::mutable_subscription));
  });
}

ServerUnaryReactor* SubscriptionService::DeleteSubscription(
    CallbackServerContext* context, const v1::DeleteSubscriptionRequest* request,
    v1::DeleteSubscriptionResponse*) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    subscriptions_.Delete(request->name(), FinishLater(reactor));
  });
}

ServerUnaryReactor* SubscriptionService::SeekSubscription(
    CallbackServerContext* context, const v1::SeekSubscriptionRequest* request,
    v1::SeekSubscriptionResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    subscriptions_.moves().Seek(*request, CallOf(context),
                                FinishLongCall(reactor, response, registry_));
  });
}

ServerUnaryReactor* SubscriptionService::ReplaySubscription(
    CallbackServerContext* context, const v1::ReplaySubscriptionRequest* request,
    v1::ReplaySubscriptionResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    subscriptions_.moves().Replay(*request, CallOf(context),
                                  FinishLongCall(reactor, response, registry_));
  });
}

ServerUnaryReactor* SubscriptionService::CancelReplays(CallbackServerContext* context,
                                                       const v1::CancelReplaysRequest* request,
                                                       v1::CancelReplaysResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    subscriptions_.moves().CancelReplays(request->name(), FinishLater(reactor, response));
  });
}

ServerUnaryReactor* SubscriptionService::CreateSnapshot(CallbackServerContext* context,
                                                        const v1::CreateSnapshotRequest* request,
                                                        v1::CreateSnapshotResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    subscriptions_.snapshots().Create(*request, FinishLater(reactor, response));
  });
}

ServerUnaryReactor* SubscriptionService::ListSnapshots(CallbackServerContext* context,
                                                       const v1::ListSnapshotsRequest* request,
                                                       v1::ListSnapshotsResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    FinishCall(reactor, subscriptions_.snapshots().List(request->subscription()), response);
  });
}

ServerUnaryReactor* SubscriptionService::DeleteSnapshot(CallbackServerContext* context,
                                                        const v1::DeleteSnapshotRequest* request,
                                                        v1::DeleteSnapshotResponse*) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    subscriptions_.snapshots().Delete(*request, FinishLater(reactor));
  });
}

ServerUnaryReactor* SubscriptionService::ListDeadLetters(CallbackServerContext* context,
                                                         const v1::ListDeadLettersRequest* request,
                                                         v1::ListDeadLettersResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    FinishCall(reactor, subscriptions_.dead_letters().List(*request), response);
  });
}

ServerUnaryReactor* SubscriptionService::RedriveDeadLetters(
    CallbackServerContext* context, const v1::RedriveDeadLettersRequest* request,
    v1::RedriveDeadLettersResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    subscriptions_.dead_letters().Redrive(*request, CallOf(context),
                                          FinishLongCall(reactor, response, registry_));
  });
}

ServerUnaryReactor* SubscriptionService::DiscardDeadLetters(
    CallbackServerContext* context, const v1::DiscardDeadLettersRequest* request,
    v1::DiscardDeadLettersResponse* response) {
  return Run(pool_, context, [=, this](ServerUnaryReactor* reactor) {
    subscriptions_.dead_letters().Discard(*request, CallOf(context),
                                          FinishLongCall(reactor, response, registry_));
  });
}

}  // namespace eventhub

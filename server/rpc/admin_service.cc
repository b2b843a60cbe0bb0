#include "server/rpc/admin_service.h"

#include <utility>

#include "server/core/base/timestamps.h"

namespace eventhub {

AdminService::AdminService(Broker& broker, const Calls& calls, const MemoryReport& memory,
                           std::string version, absl::Time start)
    : broker_(broker),
      calls_(calls),
      memory_(memory),
      version_(std::move(version)),
      start_(start) {}

grpc::ServerUnaryReactor* AdminService::CreateTopic(grpc::CallbackServerContext* context,
                                                    const v1::CreateTopicRequest* request,
                                                    v1::CreateTopicResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    broker_.topics().Create(
        caller, request->topic(),
        FinishLater(reactor, response, &v1::CreateTopicResponse::mutable_topic));
  });
}

grpc::ServerUnaryReactor* AdminService::GetTopic(grpc::CallbackServerContext* context,
                                                 const v1::GetTopicRequest* request,
                                                 v1::GetTopicResponse* response) {
  return calls_.Answer(context, response, [&](const Caller& caller) {
    return broker_.topics().Get(caller, request->name());
  });
}

grpc::ServerUnaryReactor* AdminService::ListTopics(grpc::CallbackServerContext* context,
                                                   const v1::ListTopicsRequest* request,
                                                   v1::ListTopicsResponse* response) {
  return calls_.Answer(context, response, [&](const Caller& caller) {
    return broker_.topics().List(caller, *request);
  });
}

grpc::ServerUnaryReactor* AdminService::UpdateTopic(grpc::CallbackServerContext* context,
                                                    const v1::UpdateTopicRequest* request,
                                                    v1::UpdateTopicResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    broker_.topics().Update(
        caller, *request, FinishLater(reactor, response, &v1::UpdateTopicResponse::mutable_topic));
  });
}

grpc::ServerUnaryReactor* AdminService::DeleteTopic(grpc::CallbackServerContext* context,
                                                    const v1::DeleteTopicRequest* request,
                                                    v1::DeleteTopicResponse*) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    broker_.topics().Delete(caller, *request, FinishLater(reactor));
  });
}

grpc::ServerUnaryReactor* AdminService::ListPartitions(grpc::CallbackServerContext* context,
                                                       const v1::ListPartitionsRequest* request,
                                                       v1::ListPartitionsResponse* response) {
  return calls_.Answer(context, response, [&](const Caller& caller) {
    return broker_.topics().ListPartitions(caller, *request);
  });
}

void AdminService::SetListeners(std::vector<v1::Listener> listeners) {
  MutexLock lock(mutex_);
  listeners_ = std::move(listeners);
}

grpc::ServerUnaryReactor* AdminService::GetStats(grpc::CallbackServerContext* context,
                                                 const v1::GetStatsRequest*,
                                                 v1::GetStatsResponse* response) {
  return calls_.Answer(context, response, [this](const Caller& caller) {
    v1::GetStatsResponse stats = broker_.GetStats(caller);
    stats.set_version(version_);
    *stats.mutable_start_time() = TimestampOf(start_);
    memory_.AddTo(&stats);
    MutexLock lock(mutex_);
    stats.mutable_listeners()->Assign(listeners_.begin(), listeners_.end());
    return stats;
  });
}

grpc::ServerUnaryReactor* AdminService::ConfirmClock(grpc::CallbackServerContext* context,
                                                     const v1::ConfirmClockRequest*,
                                                     v1::ConfirmClockResponse* response) {
  return calls_.Answer(context, response, [this](const Caller& caller) {
    v1::ConfirmClockResponse confirmed;
    *confirmed.mutable_time() = TimestampOf(broker_.ConfirmClock(caller));
    return confirmed;
  });
}

}  // namespace eventhub

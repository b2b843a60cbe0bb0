#include "server/rpc/admin_service.h"

#include <utility>

#include "server/core/base/timestamps.h"
#include "server/rpc/unary.h"

namespace eventhub {

AdminService::AdminService(Broker& broker, const StreamRegistry& registry,
                           const MemoryReport& memory, std::string version, absl::Time start)
    : broker_(broker),
      registry_(registry),
      memory_(memory),
      version_(std::move(version)),
      start_(start) {}

grpc::ServerUnaryReactor* AdminService::CreateTopic(grpc::CallbackServerContext* context,
                                                    const v1::CreateTopicRequest* request,
                                                    v1::CreateTopicResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  broker_.topics().Create(request->topic(),
                          FinishLater(reactor, response, &v1::CreateTopicResponse::mutable_topic));
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::GetTopic(grpc::CallbackServerContext* context,
                                                 const v1::GetTopicRequest* request,
                                                 v1::GetTopicResponse* response) {
  return FinishNow(context, broker_.topics().Get(request->name()), response);
}

grpc::ServerUnaryReactor* AdminService::ListTopics(grpc::CallbackServerContext* context,
                                                   const v1::ListTopicsRequest* request,
                                                   v1::ListTopicsResponse* response) {
  return FinishNow(context, broker_.topics().List(*request), response);
}

grpc::ServerUnaryReactor* AdminService::UpdateTopic(grpc::CallbackServerContext* context,
                                                    const v1::UpdateTopicRequest* request,
                                                    v1::UpdateTopicResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  broker_.topics().Update(*request,
                          FinishLater(reactor, response, &v1::UpdateTopicResponse::mutable_topic));
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::DeleteTopic(grpc::CallbackServerContext* context,
                                                    const v1::DeleteTopicRequest* request,
                                                    v1::DeleteTopicResponse*) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  broker_.topics().Delete(*request, FinishLongCall(reactor, registry_),
                          EndsEarly(context, registry_));
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::ListPartitions(grpc::CallbackServerContext* context,
                                                       const v1::ListPartitionsRequest* request,
                                                       v1::ListPartitionsResponse* response) {
  return FinishNow(context, broker_.topics().ListPartitions(*request), response);
}

void AdminService::SetListeners(std::vector<v1::Listener> listeners) {
  MutexLock lock(mutex_);
  listeners_ = std::move(listeners);
}

grpc::ServerUnaryReactor* AdminService::GetStats(grpc::CallbackServerContext* context,
                                                 const v1::GetStatsRequest*,
                                                 v1::GetStatsResponse* response) {
  v1::GetStatsResponse stats = broker_.GetStats();
  stats.set_version(version_);
  *stats.mutable_start_time() = TimestampOf(start_);
  memory_.AddTo(&stats);
  {
    MutexLock lock(mutex_);
    stats.mutable_listeners()->Assign(listeners_.begin(), listeners_.end());
  }
  return FinishNow(context, absl::StatusOr<v1::GetStatsResponse>(std::move(stats)), response);
}

grpc::ServerUnaryReactor* AdminService::ConfirmClock(grpc::CallbackServerContext* context,
                                                     const v1::ConfirmClockRequest*,
                                                     v1::ConfirmClockResponse* response) {
  v1::ConfirmClockResponse confirmed;
  *confirmed.mutable_time() = TimestampOf(broker_.ConfirmClock());
  return FinishNow(context, absl::StatusOr<v1::ConfirmClockResponse>(std::move(confirmed)),
                   response);
}

}  // namespace eventhub

#include "server/rpc/admin_service.h"

#include <utility>

#include "server/core/base/timestamps.h"

namespace eventhub {

AdminService::AdminService(Broker& broker, const Calls& calls, const MemoryReport& memory,
                           std::string version, absl::Time start)
    : UnaryService(calls),
      broker_(broker),
      memory_(memory),
      version_(std::move(version)),
      start_(start) {
  Topics& topics = broker.topics();
  Serve(kSettingsRequest, [&topics](const Caller& caller, const v1::CreateTopicRequest& request,
                                    Reply<v1::CreateTopicResponse> reply) {
    topics.Create(caller, request.topic(), reply.With(&v1::CreateTopicResponse::mutable_topic));
  });
  Serve(kNameRequest, [&topics](const Caller& caller, const v1::GetTopicRequest& request) {
    return topics.Get(caller, request.name());
  });
  Serve(kNameRequest, [&topics](const Caller& caller, const v1::ListTopicsRequest& request) {
    return topics.List(caller, request);
  });
  Serve(kSettingsRequest, [&topics](const Caller& caller, const v1::UpdateTopicRequest& request,
                                    Reply<v1::UpdateTopicResponse> reply) {
    topics.Update(caller, request, reply.With(&v1::UpdateTopicResponse::mutable_topic));
  });
  Serve(kNameRequest, [&topics](const Caller& caller, const v1::DeleteTopicRequest& request,
                                Reply<v1::DeleteTopicResponse> reply) {
    topics.Delete(caller, request, reply.Empty());
  });
  Serve(kNameRequest, [&topics](const Caller& caller, const v1::ListPartitionsRequest& request) {
    return topics.ListPartitions(caller, request);
  });
  Serve(kNameRequest,
        [this](const Caller& caller, const v1::GetStatsRequest&)
            -> absl::StatusOr<v1::GetStatsResponse> { return Stats(caller); });
  Serve(kNameRequest,
        [&broker](const Caller& caller,
                  const v1::ConfirmClockRequest&) -> absl::StatusOr<v1::ConfirmClockResponse> {
          v1::ConfirmClockResponse confirmed;
          *confirmed.mutable_time() = TimestampOf(broker.ConfirmClock(caller));
          return confirmed;
        });
}

void AdminService::SetListeners(std::vector<v1::Listener> listeners) {
  MutexLock lock(mutex_);
  listeners_ = std::move(listeners);
}

v1::GetStatsResponse AdminService::Stats(const Caller& caller) {
  v1::GetStatsResponse stats = broker_.GetStats(caller);
  stats.set_version(version_);
  *stats.mutable_start_time() = TimestampOf(start_);
  memory_.AddTo(&stats);
  MutexLock lock(mutex_);
  stats.mutable_listeners()->Assign(listeners_.begin(), listeners_.end());
  return stats;
}

}  // namespace eventhub

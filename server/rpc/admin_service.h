// AdminService: passes generated messages to and from the broker.
#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "eventhub/v1/admin.grpc.pb.h"
#include "server/core/broker.h"
#include "server/rpc/calls.h"
#include "server/rpc/memory_report.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object.
class AdminService final : public v1::AdminService::CallbackService {
 public:
  AdminService(Broker& broker, const Calls& calls, const MemoryReport& memory, std::string version,
               absl::Time start);

  // Sets the addresses that GetStats reports, once they are known.
  void SetListeners(std::vector<v1::Listener> listeners);

  grpc::ServerUnaryReactor* CreateTopic(grpc::CallbackServerContext* context,
                                        const v1::CreateTopicRequest* request,
                                        v1::CreateTopicResponse* response) override;
  grpc::ServerUnaryReactor* GetTopic(grpc::CallbackServerContext* context,
                                     const v1::GetTopicRequest* request,
                                     v1::GetTopicResponse* response) override;
  grpc::ServerUnaryReactor* ListTopics(grpc::CallbackServerContext* context,
                                       const v1::ListTopicsRequest* request,
                                       v1::ListTopicsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateTopic(grpc::CallbackServerContext* context,
                                        const v1::UpdateTopicRequest* request,
                                        v1::UpdateTopicResponse* response) override;
  grpc::ServerUnaryReactor* DeleteTopic(grpc::CallbackServerContext* context,
                                        const v1::DeleteTopicRequest* request,
                                        v1::DeleteTopicResponse* response) override;
  grpc::ServerUnaryReactor* ListPartitions(grpc::CallbackServerContext* context,
                                           const v1::ListPartitionsRequest* request,
                                           v1::ListPartitionsResponse* response) override;
  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context,
                                     const v1::GetStatsRequest* request,
                                     v1::GetStatsResponse* response) override;
  grpc::ServerUnaryReactor* ConfirmClock(grpc::CallbackServerContext* context,
                                         const v1::ConfirmClockRequest* request,
                                         v1::ConfirmClockResponse* response) override;

 private:
  Broker& broker_;
  const Calls& calls_;
  const MemoryReport memory_;
  const std::string version_;
  const absl::Time start_;

  Mutex mutex_;
  std::vector<v1::Listener> listeners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub

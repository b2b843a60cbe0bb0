// TopicCalls over gRPC.
#pragma once

#include <string>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/topic_calls.h"
#include "eventhub/v1/admin.grpc.pb.h"

namespace eventhub::client {

// The topics of a hub, through AdminService. Thread-safe.
class GrpcTopicCalls final : public TopicCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcTopicCalls(GrpcCaller& caller) : service_(caller) {}

  absl::StatusOr<Topic> CreateTopic(const Topic& topic, absl::Duration timeout) override;
  absl::StatusOr<TopicDescription> GetTopic(const std::string& name,
                                            absl::Duration timeout) override;
  absl::StatusOr<Page<Topic>> ListTopics(uint32_t page_size, const std::string& page_token,
                                         absl::Duration timeout) override;
  absl::StatusOr<Topic> UpdateTopic(const std::string& name, const TopicUpdate& update,
                                    absl::Duration timeout) override;
  absl::Status DeleteTopic(const std::string& name, const TopicDeletion& deletion,
                           absl::Duration timeout) override;
  absl::StatusOr<Page<PartitionInfo>> ListPartitions(const std::string& topic, uint32_t page_size,
                                                     const std::string& page_token,
                                                     absl::Duration timeout) override;

 private:
  using Stub = v1::AdminService::Stub;

  GrpcService<v1::AdminService> service_;
};

}  // namespace eventhub::client

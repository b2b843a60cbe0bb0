// SubscriptionCalls over gRPC.
#pragma once

#include <string>
#include <vector>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/subscription_calls.h"
#include "eventhub/v1/subscription.grpc.pb.h"

namespace eventhub::client {

// The subscriptions of a hub, through SubscriptionService. Thread-safe.
class GrpcSubscriptionCalls final : public SubscriptionCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcSubscriptionCalls(GrpcCaller& caller) : service_(caller) {}

  absl::StatusOr<Subscription> CreateSubscription(const Subscription& subscription,
                                                  const StartPosition& start,
                                                  absl::Duration timeout) override;
  absl::StatusOr<SubscriptionDescription> GetSubscription(const std::string& name,
                                                          uint32_t max_partitions,
                                                          absl::Duration timeout) override;
  absl::StatusOr<Page<SubscriptionSummary>> ListSubscriptions(const std::string& topic,
                                                              uint32_t page_size,
                                                              const std::string& page_token,
                                                              absl::Duration timeout) override;
  absl::StatusOr<Subscription> UpdateSubscription(const std::string& name,
                                                  const SubscriptionUpdate& update,
                                                  absl::Duration timeout) override;
  absl::Status DeleteSubscription(const std::string& name, absl::Duration timeout) override;
  absl::StatusOr<std::vector<PartitionMove>> SeekSubscription(const std::string& name,
                                                              const SeekTarget& target,
                                                              bool dry_run,
                                                              absl::Duration timeout) override;
  absl::StatusOr<ReplayResult> ReplaySubscription(const std::string& name, const ReplaySpec& spec,
                                                  bool dry_run, absl::Duration timeout) override;
  absl::StatusOr<uint64_t> CancelReplays(const std::string& name, absl::Duration timeout) override;
  absl::StatusOr<Snapshot> CreateSnapshot(const std::string& subscription, const std::string& name,
                                          absl::Duration timeout) override;
  absl::StatusOr<std::vector<Snapshot>> ListSnapshots(const std::string& subscription,
                                                      absl::Duration timeout) override;
  absl::Status DeleteSnapshot(const std::string& subscription, const std::string& name,
                              absl::Duration timeout) override;

 private:
  using Stub = v1::SubscriptionService::Stub;

  GrpcService<v1::SubscriptionService> service_;
};

}  // namespace eventhub::client

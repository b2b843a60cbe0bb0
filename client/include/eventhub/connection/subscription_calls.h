// Subscription calls: how SubscriptionClient reaches the subscriptions of a hub.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/position.h"
#include "eventhub/subscription.h"
#include "eventhub/topic.h"

namespace eventhub::client {

// The subscriptions of a hub; see SubscriptionClient for the contract of each call. Thread-safe;
// each call blocks until the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A call that a class
// does not override returns UNIMPLEMENTED.
class SubscriptionCalls {
 public:
  virtual ~SubscriptionCalls() = default;

  virtual absl::StatusOr<Subscription> CreateSubscription(const Subscription& subscription,
                                                          const StartPosition& start,
                                                          absl::Duration timeout);
  virtual absl::StatusOr<SubscriptionDescription> GetSubscription(const std::string& name,
                                                                  uint32_t max_partitions,
                                                                  absl::Duration timeout);
  virtual absl::StatusOr<Page<SubscriptionSummary>> ListSubscriptions(const std::string& topic,
                                                                      uint32_t page_size,
                                                                      const std::string& page_token,
                                                                      absl::Duration timeout);
  virtual absl::StatusOr<Subscription> UpdateSubscription(const std::string& name,
                                                          const SubscriptionUpdate& update,
                                                          absl::Duration timeout);
  virtual absl::Status DeleteSubscription(const std::string& name, absl::Duration timeout);
  virtual absl::StatusOr<std::vector<PartitionMove>> SeekSubscription(const std::string& name,
                                                                      const SeekTarget& target,
                                                                      bool dry_run,
                                                                      absl::Duration timeout);
  virtual absl::StatusOr<ReplayResult> ReplaySubscription(const std::string& name,
                                                          const ReplaySpec& spec, bool dry_run,
                                                          absl::Duration timeout);
  virtual absl::StatusOr<uint64_t> CancelReplays(const std::string& name, absl::Duration timeout);
  virtual absl::StatusOr<Snapshot> CreateSnapshot(const std::string& subscription,
                                                  const std::string& name, absl::Duration timeout);
  virtual absl::StatusOr<std::vector<Snapshot>> ListSnapshots(const std::string& subscription,
                                                              absl::Duration timeout);
  virtual absl::Status DeleteSnapshot(const std::string& subscription, const std::string& name,
                                      absl::Duration timeout);
};

}  // namespace eventhub::client

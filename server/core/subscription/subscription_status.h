// The status of a subscription: figures, and findings that explain why it is behind.
#pragma once

#include <string>
#include <vector>

#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/subscription.h"

namespace eventhub {

// Reads the index for sizes and ages. `partitions`, if not null, gets one entry for each.
v1::SubscriptionStats StatsOf(const SubscriptionContext& context,
                              const Subscription::Report& report,
                              std::vector<v1::SubscriptionPartition>* partitions);

// Why it does not progress, or not faster; the most important reason first. See
// GetSubscriptionResponse.
std::vector<std::string> Findings(const SubscriptionContext& context,
                                  const Subscription& subscription,
                                  const Subscription::Report& report,
                                  const v1::SubscriptionStats& stats,
                                  const std::vector<v1::SubscriptionPartition>& partitions,
                                  const std::vector<v1::ConsumerInfo>& consumers);

}  // namespace eventhub

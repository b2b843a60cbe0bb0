// Reports about the consumers of a subscription.
#pragma once

#include <vector>

#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/dispatch/dispatch_context.h"

namespace eventhub {

// Describes the connected consumers, ordered by name and address. Call under the subscription's
// mutex.
std::vector<v1::ConsumerInfo> DescribeConsumers(const DispatchContext& shared);

}  // namespace eventhub

// The values of the subscription interface, to and from the contract's messages.
#pragma once

#include <string>

#include "eventhub/subscription.h"
#include "eventhub/v1/subscription.pb.h"

namespace eventhub::client {

Subscription FromProto(const v1::Subscription& proto);
v1::Subscription ToProto(const Subscription& subscription);
// The changed fields and the mask that names them.
v1::UpdateSubscriptionRequest ToProto(const std::string& name, const SubscriptionUpdate& update);

SubscriptionStats FromProto(const v1::SubscriptionStats& proto);
SubscriptionDescription FromProto(const v1::GetSubscriptionResponse& proto);
SubscriptionSummary FromProto(const v1::SubscriptionSummary& proto);

v1::SeekSubscriptionRequest ToProto(const std::string& name, const SeekTarget& target);
PartitionMove FromProto(const v1::PartitionMove& proto);
v1::ReplaySubscriptionRequest ToProto(const std::string& name, const ReplaySpec& spec);
Snapshot FromProto(const v1::Snapshot& proto);
DeadLetter FromProto(v1::DeadLetter proto);
v1::DeadLetterSelector ToProto(const DeadLetterSelector& selector);
DeadLetterGroup FromProto(const v1::DeadLetterGroup& proto);
void ToProto(const RateLimit& limit, v1::RateLimit& proto);

}  // namespace eventhub::client

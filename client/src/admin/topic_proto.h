// The values of the admin interface, to and from the contract's messages.
#pragma once

#include "eventhub/topic.h"
#include "eventhub/v1/admin.pb.h"

namespace eventhub::client {

Topic FromProto(const v1::Topic& proto);
v1::Topic ToProto(const Topic& topic);
// The changed fields and the mask that names them.
v1::UpdateTopicRequest ToProto(const std::string& name, const TopicUpdate& update);
TopicStats FromProto(const v1::TopicStats& proto);
ArchiveStatus FromProto(const v1::ArchiveStatus& proto);
PartitionInfo FromProto(const v1::PartitionInfo& proto);
HubStats FromProto(const v1::GetStatsResponse& proto);

}  // namespace eventhub::client

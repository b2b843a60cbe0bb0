// Places in a log, to and from the contract's messages.
#pragma once

#include "eventhub/position.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

void ToProto(const StartPosition& start, v1::StartPosition& proto);
// Earliest, unless `proto` says otherwise.
StartPosition FromProto(const v1::StartPosition& proto);
void ToProto(const PartitionOffset& position, v1::PartitionOffset& proto);
PartitionOffset FromProto(const v1::PartitionOffset& proto);
PartitionRange FromProto(const v1::TrimmedRange& proto);

}  // namespace eventhub::client

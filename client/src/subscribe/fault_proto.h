// Details of faults, to and from the contract's messages.
#pragma once

#include <vector>

#include "eventhub/fault.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// Cuts and cleans what the contract does not allow.
void ToProto(const FaultDetail& fault, v1::FaultDetail& proto);
// Leaves out what the contract does not allow: the hub would refuse the nack.
void AddFaults(const std::vector<FaultDetail>& faults, v1::Nack& nack);
FaultDetail FromProto(const v1::FaultDetail& proto);

}  // namespace eventhub::client

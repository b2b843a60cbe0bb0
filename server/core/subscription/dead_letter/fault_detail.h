// What a consumer reports of a failure: its limits, and its form as attributes of a dead letter.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/subscription/cursor/effects.h"
#include "server/core/subscription/dispatch/request_memory.h"

namespace eventhub {

// INVALID_ARGUMENT if the details of a nack cannot be kept apart: see `Nack.faults`.
absl::Status CheckFaults(const v1::Nack& nack);

// The details of a valid nack, each cut to its limits; null if there are none. They count as memory
// of the consumer until the last reference ends.
FaultDetails FaultsOf(const v1::Nack& nack, RequestMemory& memory);

// The names of the attributes that hold details, without their prefix.
inline constexpr const char* kFaultAttributes[] = {
    "processor", "pipeline", "step",  "error", "message",      "causes",
    "host",      "trace",    "group", "fault", "stepattempts", "failtime"};

// Sets an attribute for each field of the detail that is set. `attribute` returns the one with a
// name from kFaultAttributes.
void AddFaultAttributes(const v1::FaultDetail& detail,
                        absl::FunctionRef<v1::AttributeValue&(absl::string_view)> attribute);

}  // namespace eventhub

// The id of a fault; see DeadLetter.fault_id.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace eventhub::wire {

// One event, in one pipeline of one subscription.
struct FaultPlace {
  absl::string_view subscription;
  absl::string_view pipeline;  // Empty: the consumer has no pipelines.
  absl::string_view event_source;
  absl::string_view event_id;
  uint32_t partition = 0;
  int64_t offset = 0;
};

// 32 hexadecimal digits, which depend on nothing but the place.
std::string FaultId(const FaultPlace& place);

}  // namespace eventhub::wire

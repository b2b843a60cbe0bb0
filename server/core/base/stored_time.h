// Checks times in stored records before they reach protobuf, which throws on invalid ones.
#pragma once

#include <cstdint>

#include "google/protobuf/util/time_util.h"

namespace eventhub {

// Whether a Timestamp can represent `micros` microseconds since the Unix epoch.
inline bool IsStoredTime(int64_t micros) {
  using google::protobuf::util::TimeUtil;
  return micros >= TimeUtil::kTimestampMinSeconds * 1'000'000 &&
         micros <= TimeUtil::kTimestampMaxSeconds * 1'000'000;
}

}  // namespace eventhub

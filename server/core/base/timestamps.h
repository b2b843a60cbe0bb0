// Conversion of times to the contract's type.
#pragma once

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace eventhub {

absl::Time ToTime(const google::protobuf::Timestamp& timestamp);

// Rounds down to microseconds, the resolution of the store.
google::protobuf::Timestamp TimestampOf(absl::Time time);

}  // namespace eventhub

// Times and durations between Abseil and protobuf. Both sides of a conversion are saturating: what
// lies beyond protobuf's range (years 1 to 9999, 10,000 years) becomes its limit.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "absl/time/time.h"

namespace eventhub::client {

absl::Time FromProto(const google::protobuf::Timestamp& proto);
absl::Duration FromProto(const google::protobuf::Duration& proto);
void ToProto(absl::Time time, google::protobuf::Timestamp& proto);
void ToProto(absl::Duration duration, google::protobuf::Duration& proto);

}  // namespace eventhub::client

#include "client/src/base/proto_time.h"

#include <algorithm>

namespace eventhub::client {
namespace {

constexpr int64_t kMinSeconds = -62'135'596'800;  // 0001-01-01
constexpr int64_t kMaxSeconds = 253'402'300'799;  // 9999-12-31
constexpr int64_t kMaxDurationSeconds = 315'576'000'000;

}  // namespace

absl::Time FromProto(const google::protobuf::Timestamp& proto) {
  return absl::FromUnixSeconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

absl::Duration FromProto(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

void ToProto(absl::Time time, google::protobuf::Timestamp& proto) {
  const absl::Time last = absl::FromUnixSeconds(kMaxSeconds) + absl::Nanoseconds(999'999'999);
  time = std::clamp(time, absl::FromUnixSeconds(kMinSeconds), last);
  const int64_t seconds = absl::ToUnixSeconds(time);  // Floors.
  proto.set_seconds(seconds);
  proto.set_nanos(
      static_cast<int32_t>((time - absl::FromUnixSeconds(seconds)) / absl::Nanoseconds(1)));
}

void ToProto(absl::Duration duration, google::protobuf::Duration& proto) {
  const absl::Duration limit = absl::Seconds(kMaxDurationSeconds);
  duration = std::clamp(duration, -limit, limit);
  const int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &duration);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(duration / absl::Nanoseconds(1)));
}

}  // namespace eventhub::client

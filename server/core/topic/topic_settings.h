// The rules for a topic's name and settings.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/admin.pb.h"
#include "google/protobuf/field_mask.pb.h"

namespace eventhub {

inline constexpr uint32_t kMaxPartitions = 100'000;
inline constexpr uint32_t kDefaultMaxEventBytes = 1u << 20;
inline constexpr uint32_t kMaxMaxEventBytes = 16u << 20;

// What this hub lets through, within the rules of the contract.
struct TopicLimits {
  // A topic must not promise what no request can bring.
  uint32_t max_event_bytes = kMaxMaxEventBytes;
};

// The limits of a hub that takes requests of so many bytes: a part of each is for what is beside
// the events.
TopicLimits TopicLimitsFor(size_t max_request_bytes);

// The settings that a topic is created with: `asked`, checked, defaults filled in. INVALID_ARGUMENT
// names the field.
absl::StatusOr<v1::Topic> NewTopicSettings(const v1::Topic& asked, const TopicLimits& limits,
                                           absl::Time now);

// `current` with the fields that the mask names taken from `asked`. INVALID_ARGUMENT names the
// field at fault. What was beyond the limits before, under another `--max_request`, may stay so.
absl::StatusOr<v1::Topic> ChangedTopicSettings(const v1::Topic& current, const v1::Topic& asked,
                                               const google::protobuf::FieldMask& mask,
                                               const TopicLimits& limits);

// The limit by age; absl::InfiniteDuration() if there is none.
absl::Duration MaxAgeOf(const v1::Topic& settings);

// Zero: the topic does not deduplicate.
absl::Duration DeduplicationWindowOf(const v1::Topic& settings);

}  // namespace eventhub

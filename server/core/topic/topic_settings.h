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

// The limits of this hub, within the rules of the contract.
struct TopicLimits {
  // A topic must not accept events that no request can carry.
  uint32_t max_event_bytes = kMaxMaxEventBytes;
  // The hub has a master key, so topics may be erasable.
  bool can_seal = false;
};

// The limits of a hub that accepts requests of up to `max_request_bytes`: part of each request is
// reserved for its other fields.
TopicLimits TopicLimitsFor(size_t max_request_bytes);

// Returns the settings of a new topic: `asked`, checked, with defaults filled in. INVALID_ARGUMENT
// names the field. FAILED_PRECONDITION: the topic is to be erasable, and the hub cannot seal.
absl::StatusOr<v1::Topic> NewTopicSettings(const v1::Topic& asked, const TopicLimits& limits,
                                           absl::Time now);

// Returns `current` with the fields of the mask taken from `asked`. INVALID_ARGUMENT names the
// field at fault. A value that already exceeded the limits, set under another `--max_request`, may
// stay.
absl::StatusOr<v1::Topic> ChangedTopicSettings(const v1::Topic& current, const v1::Topic& asked,
                                               const google::protobuf::FieldMask& mask,
                                               const TopicLimits& limits);

// The retention limit by age; absl::InfiniteDuration() if there is none.
absl::Duration MaxAgeOf(const v1::Topic& settings);

// Whether a hub with a lake archives the topic.
bool IsArchived(const v1::Topic& settings);

// Zero if the topic does not deduplicate.
absl::Duration DeduplicationWindowOf(const v1::Topic& settings);

}  // namespace eventhub

// Rules that fields of several messages share. INVALID_ARGUMENT names the field by the path that
// the caller passes, e.g. `subscription.ack_deadline`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

namespace eventhub {

inline constexpr size_t kMaxNameBytes = 200;
inline constexpr size_t kMaxDescriptionBytes = 1024;

// Checks the name of a topic, subscription or snapshot: 1 to 200 characters of `a-z A-Z 0-9 . _ -`;
// the first is a letter, a digit or `_`.
absl::Status CheckName(absl::string_view field, absl::string_view name);

// Checks the maximum response size of reads and consumers: 4,096 to 4,000,000 bytes, or 0 for the
// default.
absl::Status CheckResponseBytes(absl::string_view field, uint32_t bytes);

// Returns the page size for a list request that asks for `asked` entries; 0: the default.
size_t PageSize(uint32_t asked);

absl::Status CheckDescription(absl::string_view field, absl::string_view description);

// Checks that a duration is well formed, by the rules of its type, and within [min, max]; a `max`
// of absl::InfiniteDuration() stands for the 10,000 years of the type.
absl::Status CheckDuration(absl::string_view field, const google::protobuf::Duration& duration,
                           absl::Duration min, absl::Duration max);

// The value of a well-formed duration.
absl::Duration ToDuration(const google::protobuf::Duration& duration);

// Removes unknown fields from settings. DiscardUnknownFields alone leaves an empty set of them in
// every message, which would be most of the memory of an idle topic's or subscription's settings.
template <typename Settings>
void DropUnknownFields(Settings& settings) {
  settings.DiscardUnknownFields();
  Settings compact;
  if (compact.ParseFromString(settings.SerializeAsString())) settings = std::move(compact);
}

}  // namespace eventhub

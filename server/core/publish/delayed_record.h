// The stored form of a delayed event, in the column `delayed`; see storage/FORMAT.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/base/types.h"
#include "storage/key_codec.h"

namespace eventhub {

struct DelayedRecord {
  int64_t accept_micros = 0;             // Since the Unix epoch.
  std::optional<PartitionId> partition;  // Set if the request named one.
  absl::string_view event;               // With its tag and length, as in a region of events.

  std::string Encode() const;

  // Returns DATA_LOSS if `value` is not a record of a known version. `event` is a view into it, and
  // is not validated.
  static absl::StatusOr<DelayedRecord> Decode(absl::string_view value);
};

// The encoded number of a topic's delayed events.
std::string EncodeDelayedCount(uint64_t count);
absl::StatusOr<uint64_t> DecodeDelayedCount(absl::string_view value);

// The client-visible id of a delayed event, unique in its topic.
std::string DelayIdOf(const DelayedKey& key);
// Returns nullopt for anything that DelayIdOf does not produce.
std::optional<DelayedKey> ParseDelayId(TopicId topic, absl::string_view id);

}  // namespace eventhub

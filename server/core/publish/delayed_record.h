// How a delayed event lies in the store, in the column `delayed`; see storage/FORMAT.md.
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
  std::optional<PartitionId> partition;  // If the request named one.
  absl::string_view event;               // With its tag and length, as in an events region.

  std::string Encode() const;

  // DATA_LOSS if `value` is not a record of a version that this hub knows. `event` is a part of it,
  // and is not looked at.
  static absl::StatusOr<DelayedRecord> Decode(absl::string_view value);
};

// How many delayed events a topic has.
std::string EncodeDelayedCount(uint64_t count);
absl::StatusOr<uint64_t> DecodeDelayedCount(absl::string_view value);

// The name that clients know a delayed event by, unique in its topic.
std::string DelayIdOf(const DelayedKey& key);
// nullopt for what DelayIdOf does not make.
std::optional<DelayedKey> ParseDelayId(TopicId topic, absl::string_view id);

}  // namespace eventhub

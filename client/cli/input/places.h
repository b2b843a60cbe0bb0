// Parses positions in a topic: `earliest`, `15m`, `1200`, `0:1200`, `0:10-19`.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/position.h"

namespace eventhub::cli {

// All parsers return INVALID_ARGUMENT, with the expected form, for anything else.

// Whether `text` consists of one or more digits.
bool IsNumber(absl::string_view text);

absl::StatusOr<int64_t> ParseOffset(absl::string_view text);

// A partition number.
absl::StatusOr<uint32_t> ParsePartition(absl::string_view text);

// `earliest`, `latest`, an offset, or a moment (see ParseMoment).
absl::StatusOr<client::StartPosition> ParseStart(absl::string_view text, absl::Time now);

// `0:1200`: the offset 1200 of partition 0.
absl::StatusOr<client::PartitionOffset> ParsePartitionOffset(absl::string_view text);

// The same, separated by commas.
absl::StatusOr<std::vector<client::PartitionOffset>> ParsePartitionOffsets(absl::string_view text);

// `0:10-19`: the offsets 10 to 19 of partition 0, both included; `0:10` is one offset.
absl::StatusOr<client::PartitionRange> ParsePartitionRange(absl::string_view text);

}  // namespace eventhub::cli

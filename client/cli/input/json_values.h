// JSON values that several commands share; a missing value is null.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/input/json.h"
#include "eventhub/filter.h"
#include "eventhub/position.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::cli {

// Null if infinite.
Json SecondsJson(absl::Duration duration);
// Null if 0.
Json LimitJson(uint64_t limit);
Json TimeJson(const std::optional<absl::Time>& time);
// Null if empty.
Json NameJson(const std::string& name);
// The value of an extension attribute.
Json AttributeJson(const v1::AttributeValue& value);
Json FilterValueJson(const std::optional<client::Filter>& filter);
// A list of {partition, offset}.
Json OffsetsJson(const std::vector<client::PartitionOffset>& offsets);

}  // namespace eventhub::cli

// Translates the hub's errors about a topology to the terms of the files that it was read from.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/input/topology_yaml.h"

namespace eventhub::cli {

// Prefixes a fault, `KIND NAME: PROBLEM`, with `FILE:LINE:COLUMN: ` of the field that it is about,
// or of the object if the field is not known; without a prefix if no file has the object. Enum
// values such as `KIND_QUEUE` are written as in a file.
std::string LocateFault(const TopologyReader& reader, absl::string_view fault);

}  // namespace eventhub::cli

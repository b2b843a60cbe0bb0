// What the hub finds wrong with a topology, in the words of the files that it was read from.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/input/topology_yaml.h"

namespace eventhub::cli {

// A fault, `KIND NAME: PROBLEM`, with the place in a file before it, `FILE:LINE:COLUMN: `: that of
// the field that it is about, else that of the object; nothing for what is in no file. Values of
// fields that are words, such as `KIND_QUEUE`, are as the file would have them.
std::string LocateFault(const TopologyReader& reader, absl::string_view fault);

}  // namespace eventhub::cli

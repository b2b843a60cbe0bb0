// The event for `eventhub routes test`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/input/event_source.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::cli {

struct TestEventFlags {
  std::string file;  // A CloudEvent in JSON; `-` is standard input; empty: none.
  EventTemplate event;
  std::vector<std::string> attributes;  // NAME=VALUE
};

void AddTestEventFlags(CLI::App& command, TestEventFlags& flags);

// Makes up an id, a source and a type if neither the file nor the flags have them.
absl::StatusOr<v1::Event> MakeTestEvent(TestEventFlags flags);

}  // namespace eventhub::cli

// The event that `eventhub routes test` asks about.
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

// What is neither in the file nor in the flags is made up: an event has an id, a source and a type.
absl::StatusOr<v1::Event> MakeTestEvent(TestEventFlags flags);

}  // namespace eventhub::cli

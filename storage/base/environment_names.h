// The environment variables of eventhubd and eventhub, all of which begin with EVENTHUB_.
//
// Both programs may share one environment, so each accepts the settings of the other. A variable
// that neither knows is an error: a mistyped setting must not be ignored.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eventhub {

inline constexpr absl::string_view kEnvironmentPrefix = "EVENTHUB_";

// Returns whether `name`, with the prefix, is a setting of one of the two programs.
bool IsSettingVariable(absl::string_view name);

// Returns INVALID_ARGUMENT, with the nearest known name, if `environment` (NAME=value strings,
// ended by a null pointer, as `environ`) contains an unknown variable with the prefix. Known are:
//
//   - the settings of either program;
//   - the variables that `eventhub consume --exec` sets to describe an event to a command;
//   - the variables that Kubernetes sets for a Service called `eventhub` or `eventhub-…`:
//     EVENTHUB_SERVICE_HOST, EVENTHUB_PORT=tcp://…, EVENTHUB_PORT_7070_TCP_ADDR and the like;
//   - EVENTHUB_TEST_…, for tests of the programs.
absl::Status CheckEnvironment(const char* const* environment);

}  // namespace eventhub

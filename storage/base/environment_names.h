// The environment variables of eventhubd and eventhub, which all begin with EVENTHUB_.
//
// One environment serves both programs, so each accepts the settings of the other. What neither
// knows is an error: a mistyped setting must not be ignored.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eventhub {

inline constexpr absl::string_view kEnvironmentPrefix = "EVENTHUB_";

// Whether `name`, with the prefix, is a setting of one of the two programs.
bool IsSettingVariable(absl::string_view name);

// INVALID_ARGUMENT, with the name that may have been meant, if `environment` (NAME=value, ended by
// a null pointer, as `environ`) has a variable with the prefix that means nothing. These do:
//
//   - settings, of either program;
//   - what `eventhub consume --exec` tells a command of its event;
//   - what Kubernetes sets for a Service called `eventhub` or `eventhub-…`: EVENTHUB_SERVICE_HOST,
//     EVENTHUB_PORT=tcp://…, EVENTHUB_PORT_7070_TCP_ADDR and the like;
//   - EVENTHUB_TEST_…, for whoever tests them.
absl::Status CheckEnvironment(const char* const* environment);

}  // namespace eventhub

// The options that `routes create` and `routes update` have in common.
#pragma once

#include <CLI/CLI.hpp>

#include "eventhub/route.h"

namespace eventhub::cli {

// Adds an option for each setting that can be changed; sets those given in `update`, which
// outlives the command.
void AddRouteFlags(CLI::App& command, client::RouteUpdate& update);

// Whether anything is set.
bool IsEmpty(const client::RouteUpdate& update);

// Sets in `route` what `update` sets.
void ApplyUpdate(const client::RouteUpdate& update, client::Route* route);

}  // namespace eventhub::cli

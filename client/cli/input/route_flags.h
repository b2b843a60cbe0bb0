// The options that `routes create` and `routes update` share.
#pragma once

#include <CLI/CLI.hpp>

#include "eventhub/route.h"

namespace eventhub::cli {

// Adds an option for each setting that can be changed; sets those given in `update`, which
// outlives the command.
void AddRouteFlags(CLI::App& command, client::RouteUpdate& update);

// Whether anything is set.
bool IsEmpty(const client::RouteUpdate& update);

// Copies the fields that `update` sets to `route`.
void ApplyUpdate(const client::RouteUpdate& update, client::Route* route);

}  // namespace eventhub::cli

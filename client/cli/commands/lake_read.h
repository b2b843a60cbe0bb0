// The commands of `eventhub lake` that read events.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "client/cli/frame/command.h"
#include "client/cli/run/open_lake.h"

namespace eventhub::cli {

// Adds `cat`, `find` and `verify`.
void AddLakeReadCommands(CLI::App& group, Context& context, std::shared_ptr<LakeFlags> flags);

}  // namespace eventhub::cli

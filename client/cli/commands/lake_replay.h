// `eventhub lake replay`.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "client/cli/frame/command.h"
#include "client/cli/run/open_lake.h"

namespace eventhub::cli {

// Adds it to the group `lake`, whose options are in `flags`.
void AddLakeReplayCommand(CLI::App& group, Context& context, std::shared_ptr<LakeFlags> flags);

}  // namespace eventhub::cli

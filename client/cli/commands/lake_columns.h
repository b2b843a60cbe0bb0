// The commands of `eventhub lake` that use DuckDB.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "client/cli/frame/command.h"
#include "client/cli/run/open_lake.h"

namespace eventhub::cli {

// Adds `columns` and `query`.
void AddLakeColumnsCommands(CLI::App& group, Context& context, std::shared_ptr<LakeFlags> flags);

}  // namespace eventhub::cli

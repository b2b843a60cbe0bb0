// Where the master keys of erasure come from: a file, or a command that prints them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/core/erasure/master_keys.h"

namespace eventhub {

// Both return INVALID_ARGUMENT, which names the file or the command, if there are no valid keys.
// The text is that of MasterKeys::Parse, of at most 64 KiB.
absl::StatusOr<MasterKeys> ReadMasterKeyFile(const std::string& path);

// Runs the command in a shell, and waits until it ends. It must succeed.
absl::StatusOr<MasterKeys> RunMasterKeyCommand(const std::string& command);

}  // namespace eventhub

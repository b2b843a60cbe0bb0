// The daemon's flags, and what they mean for the server.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/rpc/server.h"

namespace eventhub {

struct Config {
  ServerOptions server;
  absl::Duration shutdown_grace;
  std::string log_format;  // "text" or "json".
  std::string log_level;
  std::string port_file;
};

// Reads the flags, once they are set. INVALID_ARGUMENT names the flag whose value cannot be.
absl::StatusOr<Config> ConfigFromFlags();

}  // namespace eventhub

// The daemon's flags, and the server options that they determine.
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

// Reads the flags after they were set. Returns INVALID_ARGUMENT, with the name of the flag, if a
// value is not valid.
absl::StatusOr<Config> ConfigFromFlags();

}  // namespace eventhub

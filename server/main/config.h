// The daemon's flags, and the server options that they determine.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/lake/store/watched_store.h"
#include "server/rpc/server.h"

namespace eventhub {

struct Config {
  ServerOptions server;
  absl::Duration shutdown_grace;
  std::string log_format;  // "text" or "json".
  std::string log_level;
  std::string port_file;
  // Set up the data directory from this lake instead of serving it. Empty: serve.
  std::string restore_from_lake;
  // What is being read from and written to the lake.
  std::shared_ptr<lake::StoreCalls> lake_calls = std::make_shared<lake::StoreCalls>();
};

// Reads the flags after they were set. Returns INVALID_ARGUMENT, with the name of the flag, if a
// value is not valid.
absl::StatusOr<Config> ConfigFromFlags();

}  // namespace eventhub

// Checks the address of the hub, and explains why a connection to it failed.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eventhub::cli {

// INVALID_ARGUMENT, saying what is wrong, unless `address` is `host:port`, or begins with a scheme
// of gRPC, such as `unix:/path`.
absl::Status CheckAddress(absl::string_view address);

// An error of the connection in plain words, without the details of the resolver and of gRPC. Any
// other message is returned as it is.
std::string ExplainConnectionError(absl::string_view message);

// Whether `message` is an error of a connection that could not be made.
bool IsConnectionError(absl::string_view message);

}  // namespace eventhub::cli

// Addresses that the hub is to listen on: what gRPC does not tell of them.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eventhub {

// What "unix:PATH" addresses begin with.
inline constexpr char kUnixPrefix[] = "unix:";

// Whether a process listens on the socket that a "unix:PATH" address names. gRPC would take the
// path away from it.
bool IsUnixSocketInUse(const std::string& address);

// Whether only processes of this machine can reach an address: a unix socket, or one of the
// loopback.
bool IsLocalAddress(absl::string_view address);

// Lets the owner and the group of a unix socket's file connect, and nobody else; nothing for other
// addresses.
absl::Status RestrictUnixSocket(const std::string& address);

// UNAVAILABLE: gRPC could not listen there. Says why, as far as binding to it once more does.
absl::Status CannotListen(const std::string& address);

}  // namespace eventhub

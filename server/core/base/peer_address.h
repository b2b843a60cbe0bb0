// Addresses of the hub's clients.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace eventhub {

// The origin of a connection.
struct PeerAddress {
  std::string host;  // Without the port; for IPv6 the 64-bit network; "unix" for all unix sockets.
  std::string name;  // In the form of grpc::ServerContext::peer().
};

PeerAddress PeerOf(const sockaddr_storage& address);

// Returns the host of a name in the form of grpc::ServerContext::peer().
std::string HostOf(absl::string_view name);

// Returns the port of an IPv4 or IPv6 address.
uint16_t PortOf(const sockaddr_storage& address);

}  // namespace eventhub

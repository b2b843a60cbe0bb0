// Hosts for tests of limits per host: the addresses of the loopback network.
#pragma once

#include <string>

namespace eventhub::abuse {

// The clients of gRPC that a test creates without further ado are from 127.0.0.1.
enum class Host { kTest = 1, kAttacker = 2, kNeighbour = 3 };

// Returns a socket that is connected from 127.0.0.`from` to an address of the loopback network, or
// -1.
int ConnectFrom(Host from, const std::string& address);

}  // namespace eventhub::abuse

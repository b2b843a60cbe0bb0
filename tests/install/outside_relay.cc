// Opens relays, for a hub and a server that are not there.

#include <iostream>

#include "eventhub/postgres_outbox.h"
#include "eventhub/sqlite_outbox.h"

namespace client = eventhub::client;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto hub = client::Connect("unix:/nonexistent/hub.sock");
  const auto relay = client::OpenSqliteRelay(hub, {.path = argv[1]});
  const auto other = client::OpenPostgresRelay(hub, {.connection = "host=/nonexistent"});
  std::cout << "relay: " << relay.status() << "\n";
  return relay.ok() && (*relay)->status().pending_rows == 0 && absl::IsUnavailable(other.status())
             ? 0
             : 1;
}

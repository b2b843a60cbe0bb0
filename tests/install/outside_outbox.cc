// Publishes into an outbox, for a hub that is not there.

#include <iostream>

#include "eventhub/outbox.h"

namespace client = eventhub::client;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto outbox =
      client::Outbox::Open(client::Connect("unix:/nonexistent/hub.sock"), {.directory = argv[1]});
  if (!outbox.ok()) {
    std::cout << outbox.status() << "\n";
    return 1;
  }
  eventhub::v1::Event event;
  event.set_id("1");
  event.set_source("/outside");
  event.set_type("test");
  const absl::Status accepted = (*outbox)->Publish("orders", event);
  std::cout << "outbox: " << accepted << "\n";
  return accepted.ok() && (*outbox)->status().pending_events == 1 ? 0 : 1;
}

// Publishes ten orders through an outbox: they are safe on this machine's disk even if the hub is
// down, and are in the hub exactly once as soon as it is up. Run it without a hub, then again with
// one.
//
//   outbox [address] [topic] [directory]

#include "eventhub/outbox.h"

#include <iostream>
#include <string>

using eventhub::client::Connect;
using eventhub::client::Outbox;
using eventhub::client::OutboxStatus;

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "localhost:7070";
  const std::string topic = argc > 2 ? argv[2] : "orders";
  const std::string directory = argc > 3 ? argv[3] : "orders-outbox";

  auto outbox = Outbox::Open(Connect(address), {.directory = directory});
  if (!outbox.ok()) {
    std::cerr << outbox.status().message() << "\n";
    return 1;
  }
  std::cout << (*outbox)->status().pending_events << " events were left from before\n";

  eventhub::v1::Event event;
  event.set_source("/examples/outbox");
  event.set_type("shop.order.placed");
  for (int i = 0; i < 10; ++i) {
    const std::string order = "order-" + std::to_string(i);
    event.set_id(order + "-placed");
    event.set_partition_key(order);  // Events of one order stay in order.
    event.set_data("{\"total\": 42}");
    const absl::Status accepted = (*outbox)->Publish(topic, event);
    if (!accepted.ok()) {
      std::cerr << order << " was not accepted: " << accepted << "\n";
      return 1;
    }
  }
  std::cout << "10 orders are accepted\n";

  // A service would not wait: pending events are sent after the next Open.
  const absl::Status drained = (*outbox)->Drain(absl::Seconds(3));
  const OutboxStatus status = (*outbox)->status();
  std::cout << status.published_events << " events are in the hub, " << status.pending_events
            << " are still to be sent\n";
  if (!drained.ok()) std::cout << drained.message() << "\n";
  return 0;
}

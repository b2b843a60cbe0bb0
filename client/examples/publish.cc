// Publishes ten orders, waits until the hub has them, and prints where they are.
//
//   publish [address] [topic]

#include <iostream>
#include <string>

#include "eventhub/publisher.h"

using eventhub::client::Connect;
using eventhub::client::PublishedEvent;
using eventhub::client::Publisher;

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "localhost:7070";
  const std::string topic = argc > 2 ? argv[2] : "orders";

  auto publisher = Publisher::Create(Connect(address), {.topic = topic});
  if (!publisher.ok()) {
    std::cerr << publisher.status().message() << "\n";
    return 1;
  }

  eventhub::v1::Event event;
  event.set_source("/examples/publish");
  event.set_type("shop.order.placed");
  for (int i = 0; i < 10; ++i) {
    const std::string order = "order-" + std::to_string(i);
    event.set_id(order + "-placed");
    event.set_partition_key(order);  // Events of one order stay in order.
    event.set_data("{\"total\": 42}");

    const absl::Status taken =
        (*publisher)->Publish(event, [order](const absl::StatusOr<PublishedEvent>& result) {
          if (!result.ok()) {
            std::cerr << order << ": " << result.status().message() << "\n";
          } else {
            std::cout << order << " is event " << result->offset << " of partition "
                      << result->partition << "\n";
          }
        });
    if (!taken.ok()) {
      std::cerr << order << " was not taken: " << taken << "\n";
      return 1;
    }
  }

  // Returns when every event has a result.
  const absl::Status published = (*publisher)->Flush();
  return published.ok() ? 0 : 1;
}

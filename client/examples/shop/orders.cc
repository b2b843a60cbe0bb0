// Takes orders from customers, even while the hub is down: they are safe in an outbox on this
// machine.
//
//   orders HUB DIRECTORY
//
// Each line of standard input is an order, e.g. {"id": "ord-1", "customer": "ann", "sku": "tea",
// "quantity": 2, "cents": 1800}. Its id is printed when it is accepted. A customer who has not seen
// the id may order again under the same id: the topic `checkout` drops duplicates.

#include <iostream>
#include <string>

#include "client/examples/shop/shop.h"
#include "eventhub/outbox.h"

using eventhub::client::Connect;
using eventhub::client::Outbox;
using shop::Event;

namespace {

absl::StatusOr<Event> Placed(const std::string& line) {
  Event placed;
  placed.set_source("/shop/orders");
  placed.set_type(shop::kPlaced);
  placed.set_data_content_type("application/json");
  placed.set_data(line);
  const auto order = shop::OrderOf(placed);
  if (!order.ok()) return order.status();
  placed.set_id(order->id + "-placed");
  placed.set_subject(order->id);
  placed.set_partition_key(order->id);
  // The key of its copy for the inventory.
  (*placed.mutable_attributes())["sku"].set_string(order->sku);
  return placed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: orders HUB DIRECTORY\n";
    return 2;
  }
  auto outbox = Outbox::Open(Connect(argv[1]), {.directory = argv[2]});
  if (!outbox.ok()) {
    std::cerr << outbox.status() << "\n";
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) {
    const auto placed = Placed(line);
    if (!placed.ok()) {
      std::cerr << placed.status() << std::endl;
      continue;
    }
    // The next line does not wait for the disk, so that many orders share a write.
    const absl::Status taken = (*outbox)->Publish(
        "checkout", *placed, [id = placed->subject()](const absl::Status& accepted) {
          if (accepted.ok()) std::cout << id + "\n" << std::flush;
        });
    if (!taken.ok()) std::cerr << placed->subject() << ": " << taken << std::endl;
  }
  // Orders that are not in the hub by then are sent after the next start.
  const absl::Status closed = (*outbox)->Close(absl::Seconds(10));
  if (!closed.ok()) std::cerr << closed << "\n";
  return closed.ok() ? 0 : 1;
}

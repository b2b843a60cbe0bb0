// Clears or suspects each order, exactly once: expensive orders are suspected.
//
//   fraud HUB

#include <iostream>

#include "client/examples/shop/shop.h"

using eventhub::client::Connect;
using eventhub::processor::Pipeline;
using shop::Event;
using shop::Order;

constexpr int64_t kMaxCents = 100'000;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fraud HUB\n";
    return 2;
  }
  const auto rule =
      Pipeline("fraud")
          .On({shop::kPlaced})
          .Map(shop::OrderOf)
          .Publish(shop::kOrders, [](const Event& placed, const Order& order) {
            return shop::Fact(order.cents < kMaxCents ? shop::kCleared : shop::kSuspected, placed);
          });
  return shop::Serve(Connect(argv[1]),
                     {.subscription = "fraud", .source = "/shop/fraud", .pipelines = {rule}});
}

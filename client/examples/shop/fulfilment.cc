// Ships an order when it is reserved, paid and cleared; rejects it as soon as one of these failed;
// and lets it expire when it has waited for too long.
//
//   fulfilment HUB SECONDS

#include <cstdlib>
#include <iostream>

#include "client/examples/shop/shop.h"

using eventhub::client::Connect;
using eventhub::processor::Correlation;
using eventhub::processor::Facts;
using eventhub::processor::Pipeline;
using shop::Event;

namespace {

bool HasFailed(const Facts& order) {
  return order.Has(shop::kSoldOut) || order.Has(shop::kDeclined) || order.Has(shop::kSuspected);
}

bool IsReady(const Facts& order) {
  return order.Has(shop::kReserved) && order.Has(shop::kCharged) && order.Has(shop::kCleared);
}

// An error makes a fault of the last event, which then does not count.
absl::StatusOr<bool> IsDecided(const Facts& order) {
  if (const auto last = shop::OrderOf(order[order.size() - 1]); !last.ok()) return last.status();
  return HasFailed(order) || IsReady(order);
}

Event EndOf(const Correlation& order) {
  if (order.kind == Correlation::Kind::kExpired) return shop::Fact(shop::kExpired, order.facts[0]);
  return shop::Fact(HasFailed(order.facts) ? shop::kRejected : shop::kShipped, order.facts[0]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: fulfilment HUB SECONDS\n";
    return 2;
  }
  const auto rule =
      Pipeline("fulfilment")
          .On({shop::kPlaced, shop::kReserved, shop::kSoldOut, shop::kCharged, shop::kDeclined,
               shop::kCleared, shop::kSuspected})
          .Correlate({.state = "fulfilment.facts", .within = absl::Seconds(std::atoi(argv[2]))},
                     IsDecided)
          .Publish(shop::kOrders, EndOf);
  return shop::Serve(
      Connect(argv[1]),
      {.subscription = "fulfilment", .source = "/shop/fulfilment", .pipelines = {rule}});
}

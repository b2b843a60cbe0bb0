// A stream processor with one rule: for each large order in a topic, it asks for a review in
// another topic, exactly once, despite crashes. Several of these programs share the work.
//
//   review [address] [topic] [target] [subscription]

#include <charconv>
#include <iostream>
#include <string>

#include "eventhub/processor/processor.h"
#include "eventhub/subscription_client.h"

using eventhub::client::Connect;
using eventhub::client::StartPosition;
using eventhub::client::SubscriptionClient;
using eventhub::client::SubscriptionKind;
using eventhub::processor::Fault;
using eventhub::processor::Pipeline;
using eventhub::processor::PipelineState;
using eventhub::processor::Processor;

namespace {

struct Order {
  int64_t cents = 0;
};

// The data of an order is its total, in cents.
absl::StatusOr<Order> ParseOrder(const eventhub::v1::Event& event) {
  Order order;
  const std::string& data = event.data();
  const auto [end, error] = std::from_chars(data.data(), data.data() + data.size(), order.cents);
  if (error != std::errc() || end != data.data() + data.size()) {
    return absl::InvalidArgumentError("the total is not a number");
  }
  return order;
}

eventhub::v1::Event AskForReview(const eventhub::v1::Event& placed, const Order& order) {
  eventhub::v1::Event event;
  event.set_type("shop.review.requested");
  event.set_subject(placed.id());
  event.set_data(std::to_string(order.cents));
  return event;
}

}  // namespace

int main(int argc, char** argv) {
  const auto hub = Connect(argc > 1 ? argv[1] : "localhost:7070");
  const std::string topic = argc > 2 ? argv[2] : "orders";
  const std::string target = argc > 3 ? argv[3] : "reviews";
  const std::string name = argc > 4 ? argv[4] : "example-review";

  const auto created = SubscriptionClient(hub).CreateSubscription(
      {.name = name, .topic = topic, .kind = SubscriptionKind::kStream}, StartPosition::Earliest());
  if (!created.ok() && created.status().code() != absl::StatusCode::kAlreadyExists) {
    std::cerr << created.status().message() << "\n";
    return 1;
  }

  const auto rule = Pipeline("large-orders")
                        .On({"shop.order.placed"})
                        .Map(ParseOrder)
                        .Filter([](const Order& order) { return order.cents >= 100'000; })
                        .Publish(target, AskForReview);

  // Until SIGINT or SIGTERM, or an end for another reason: e.g. the subscription was deleted.
  const absl::Status stopped = Processor::RunUntilSignal(
      hub,
      {.subscription = name,
       .source = "/example/review",
       .pipelines = {rule},
       .hooks = {.on_state =
                     [](const std::string& pipeline, const PipelineState& state) {
                       std::cerr << pipeline << ": " << ToString(state) << "\n";
                     },
                 .on_fault = [](const Fault& fault) { std::cerr << ReasonOf(fault) << "\n"; }}});
  if (!stopped.ok()) std::cerr << stopped << "\n";
  return stopped.ok() ? 0 : 1;
}

// Waits for three facts about an order, in any sequence, and publishes when all have arrived, or
// when a deadline has passed: exactly once, despite crashes.
//
//   correlate [address] [topic] [target] [seconds]
//
// Events of the topic are about the order that is their partition key: `shop.order.placed`,
// `shop.payment.taken`, `shop.stock.reserved`. It publishes `shop.order.ready` or
// `shop.order.abandoned` to the target. The hub keeps the collected events in the topic
// `<target>.facts`, so any number of these programs may run and crash.

#include <cstdlib>
#include <iostream>
#include <string>

#include "eventhub/admin_client.h"
#include "eventhub/processor/processor.h"
#include "eventhub/subscription_client.h"

using eventhub::client::AdminClient;
using eventhub::client::Connect;
using eventhub::client::Connection;
using eventhub::client::LatestPerKey;
using eventhub::client::StartPosition;
using eventhub::client::SubscriptionClient;
using eventhub::client::SubscriptionKind;
using eventhub::processor::AnyPipeline;
using eventhub::processor::Correlation;
using eventhub::processor::Facts;
using eventhub::processor::Pipeline;
using eventhub::processor::PipelineState;
using eventhub::processor::Processor;
using eventhub::v1::Event;

namespace {

constexpr char kPlaced[] = "shop.order.placed";
constexpr char kPaid[] = "shop.payment.taken";
constexpr char kReserved[] = "shop.stock.reserved";

bool IsReady(const Facts& facts) {
  return facts.Has(kPlaced) && facts.Has(kPaid) && facts.Has(kReserved);
}

Event EndOf(const Correlation& order) {
  Event end;
  const bool ready = order.kind == Correlation::Kind::kComplete;
  end.set_type(ready ? "shop.order.ready" : "shop.order.abandoned");
  end.set_subject(order.facts.key());
  return end;
}

AnyPipeline FulfilRule(const std::string& target, int seconds) {
  return Pipeline("fulfil")
      .On({kPlaced, kPaid, kReserved})
      .Correlate({.state = target + ".facts", .within = absl::Seconds(seconds)}, IsReady)
      .Publish(target, EndOf);
}

absl::Status CreateWhatItNeeds(const std::shared_ptr<Connection>& hub, const std::string& topic,
                               const std::string& target) {
  const auto facts = AdminClient(hub).CreateTopic(
      {.name = target + ".facts", .partitions = 4, .latest_per_key = LatestPerKey{}});
  if (!facts.ok() && !absl::IsAlreadyExists(facts.status())) return facts.status();
  const auto subscription = SubscriptionClient(hub).CreateSubscription(
      {.name = "example-correlate", .topic = topic, .kind = SubscriptionKind::kStream},
      StartPosition::Earliest());
  return absl::IsAlreadyExists(subscription.status()) ? absl::OkStatus() : subscription.status();
}

}  // namespace

int main(int argc, char** argv) {
  const auto hub = Connect(argc > 1 ? argv[1] : "localhost:7070");
  const std::string topic = argc > 2 ? argv[2] : "orders";
  const std::string target = argc > 3 ? argv[3] : "fulfilment";
  const int seconds = argc > 4 ? std::atoi(argv[4]) : 900;

  if (const absl::Status created = CreateWhatItNeeds(hub, topic, target); !created.ok()) {
    std::cerr << created.message() << "\n";
    return 1;
  }
  // Until SIGINT or SIGTERM, or an end for another reason: e.g. the subscription was deleted.
  const absl::Status stopped = Processor::RunUntilSignal(
      hub, {.subscription = "example-correlate",
            .source = "/example/correlate",
            .pipelines = {FulfilRule(target, seconds)},
            .hooks = {.on_state = [](const std::string& pipeline, const PipelineState& state) {
              std::cerr << pipeline << ": " << ToString(state) << "\n";
            }}});
  if (!stopped.ok()) std::cerr << stopped << "\n";
  return stopped.ok() ? 0 : 1;
}

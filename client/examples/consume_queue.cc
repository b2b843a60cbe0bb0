// Processes a topic through a QUEUE subscription, which it creates unless it exists. Any number of
// these programs share the events. Failed events are retried, with at most five attempts; events
// that can never succeed become dead letters at once.
//
//   consume_queue [address] [topic] [subscription]

#include <iostream>
#include <stdexcept>
#include <string>

#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"

using eventhub::client::Connect;
using eventhub::client::Outcome;
using eventhub::client::ReceivedEvent;
using eventhub::client::StartPosition;
using eventhub::client::Subscriber;
using eventhub::client::SubscriberOptions;
using eventhub::client::SubscriptionClient;
using eventhub::client::SubscriptionKind;

namespace {

Outcome Bill(const ReceivedEvent& received) {
  thread_local eventhub::v1::Event event;  // Reused, so that its memory is.
  if (!received.ParseTo(event).ok()) return Outcome::Park("not an event");
  if (event.type() != "shop.order.placed") return Outcome::Skip("nothing to bill");
  if (event.data().empty()) return Outcome::Park("an order without content");
  if (event.data().find("out of stock") != std::string::npos) {
    return Outcome::Retry("not in stock yet", absl::Minutes(10));
  }
  // Equivalent to a retry with the delay of the subscription's retry policy.
  if (event.data().find("no bank") != std::string::npos) throw std::runtime_error("no bank");
  std::cout << "billed " + event.id() + "\n" << std::flush;
  return Outcome::Ack();
}

}  // namespace

int main(int argc, char** argv) {
  const auto hub = Connect(argc > 1 ? argv[1] : "localhost:7070");
  const std::string topic = argc > 2 ? argv[2] : "orders";
  const std::string name = argc > 3 ? argv[3] : "example-queue";

  const auto created = SubscriptionClient(hub).CreateSubscription(
      {.name = name,
       .topic = topic,
       .kind = SubscriptionKind::kQueue,
       .ordered_by_key = true,  // Events of one order stay in order.
       .ack_deadline = absl::Seconds(30),
       .retry_policy = {.min_backoff = absl::Seconds(1), .max_backoff = absl::Minutes(1)},
       .max_delivery_attempts = 5},
      StartPosition::Earliest());
  if (!created.ok() && created.status().code() != absl::StatusCode::kAlreadyExists) {
    std::cerr << created.status().message() << "\n";
    return 1;
  }

  SubscriberOptions options;
  options.subscription = name;
  options.on_event = Bill;
  options.threads = 8;
  auto subscriber = Subscriber::Start(hub, options);
  if (!subscriber.ok()) {
    std::cerr << subscriber.status().message() << "\n";
    return 1;
  }

  // Until SIGINT or SIGTERM, or an end for another reason: e.g. the subscription was deleted.
  const absl::Status stopped = (*subscriber)->WaitForSignal();
  const auto counters = (*subscriber)->counters();
  std::cerr << counters.acked << " done, " << counters.nacked << " not done\n";
  if (!stopped.ok()) std::cerr << stopped << "\n";
  return stopped.ok() ? 0 : 1;
}

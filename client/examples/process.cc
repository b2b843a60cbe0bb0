// A stream processor: for each order in a topic it appends an invoice to another topic, exactly
// once, despite crashes. One transaction appends the invoice and acks the order. Several of these
// programs share the work.
//
//   process [address] [topic] [target] [subscription]

#include <iostream>
#include <string>
#include <utility>

#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"
#include "eventhub/transaction.h"

using eventhub::client::Commit;
using eventhub::client::Connect;
using eventhub::client::Outcome;
using eventhub::client::ReceivedEvent;
using eventhub::client::StartPosition;
using eventhub::client::Subscriber;
using eventhub::client::SubscriptionClient;
using eventhub::client::SubscriptionKind;
using eventhub::client::Transaction;

namespace {

eventhub::v1::Event MakeInvoice(const eventhub::v1::Event& order) {
  eventhub::v1::Event invoice;
  invoice.set_id("invoice-" + order.id());
  invoice.set_source("/example/process");
  invoice.set_type("shop.invoice.made");
  invoice.set_partition_key(order.partition_key());
  invoice.set_data(order.data());
  return invoice;
}

}  // namespace

int main(int argc, char** argv) {
  const auto hub = Connect(argc > 1 ? argv[1] : "localhost:7070");
  const std::string topic = argc > 2 ? argv[2] : "orders";
  const std::string target = argc > 3 ? argv[3] : "invoices";
  const std::string name = argc > 4 ? argv[4] : "example-process";

  // If the target exists already, that is fine; if it could not be created, transactions fail.
  const auto created = SubscriptionClient(hub).CreateSubscription(
      {.name = name,
       .topic = topic,
       .kind = SubscriptionKind::kQueue,
       .ordered_by_key = true,
       .filter = eventhub::client::Filter::Exact({{"type", "shop.order.placed"}})},
      StartPosition::Earliest());
  if (!created.ok() && created.status().code() != absl::StatusCode::kAlreadyExists) {
    std::cerr << created.status().message() << "\n";
    return 1;
  }

  const auto process = [&](const ReceivedEvent& received) {
    eventhub::v1::Event order;
    if (!received.ParseTo(order).ok()) return Outcome::Park("not an event");
    Transaction transaction;
    transaction.Ack(name, received).Append(target, MakeInvoice(order));
    const auto result = Commit(*hub, transaction);
    if (result.ok()) return Outcome::Settled();
    return Outcome::Retry(std::string(result.status().message()));
  };
  // Until SIGINT or SIGTERM, or an end for another reason: e.g. the subscription was deleted.
  const absl::Status stopped =
      Subscriber::RunUntilSignal(hub, {.subscription = name, .on_event = process});
  if (!stopped.ok()) std::cerr << stopped << "\n";
  return stopped.ok() ? 0 : 1;
}

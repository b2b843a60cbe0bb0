// Consumes a topic through a STREAM subscription, which it creates unless it exists: each partition
// in order, resuming where it stopped when it is started again. If several of these programs run,
// they share the partitions.
//
//   consume_stream [address] [topic] [subscription]

#include <iostream>
#include <string>

#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"

using eventhub::client::Connect;
using eventhub::client::EventBatch;
using eventhub::client::Outcome;
using eventhub::client::PartitionOffset;
using eventhub::client::PartitionRange;
using eventhub::client::StartPosition;
using eventhub::client::Subscriber;
using eventhub::client::SubscriberOptions;
using eventhub::client::SubscriptionClient;
using eventhub::client::SubscriptionKind;

int main(int argc, char** argv) {
  const auto hub = Connect(argc > 1 ? argv[1] : "localhost:7070");
  const std::string topic = argc > 2 ? argv[2] : "orders";
  const std::string name = argc > 3 ? argv[3] : "example-stream";

  const auto created = SubscriptionClient(hub).CreateSubscription(
      {.name = name, .topic = topic, .kind = SubscriptionKind::kStream}, StartPosition::Earliest());
  if (!created.ok() && created.status().code() != absl::StatusCode::kAlreadyExists) {
    std::cerr << created.status().message() << "\n";
    return 1;
  }

  SubscriberOptions options;
  options.subscription = name;
  options.on_batch = [](const EventBatch& batch) {
    std::cout << "partition " << batch.partition() << ": " << batch.size() << " events from offset "
              << batch.first_offset() << std::endl;
    return Outcome::Ack();
  };
  options.hooks.on_assigned = [](const PartitionOffset& next) {
    std::cerr << "has partition " << next.partition << " from offset " << next.offset << "\n";
  };
  options.hooks.on_revoked = [](uint32_t partition) {
    std::cerr << "lost partition " << partition << "\n";
  };
  options.hooks.on_trimmed = [](const PartitionRange& lost) {
    std::cerr << "lost to retention: offsets " << lost.range.start << " to before "
              << lost.range.end << " of partition " << lost.partition << "\n";
  };

  // Until SIGINT or SIGTERM. Then it finishes the delivered events; other consumers take over, and
  // no event is redelivered.
  const absl::Status stopped = Subscriber::RunUntilSignal(hub, options);
  if (!stopped.ok()) std::cerr << stopped << "\n";
  return stopped.ok() ? 0 : 1;
}

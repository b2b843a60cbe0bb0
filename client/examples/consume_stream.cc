// Consumes a topic through a STREAM subscription, which it creates unless it is there: each
// partition in order, and on from where it was when it is started again. Run it several times, and
// the partitions are shared out.
//
//   consume_stream [address] [topic] [subscription]

#include <unistd.h>

#include <csignal>
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

namespace {

// It ended without being asked to, e.g. because the subscription was deleted: main stops, and says
// why.
void WakeMain(const absl::Status&) { kill(getpid(), SIGTERM); }

}  // namespace

int main(int argc, char** argv) {
  // Blocked first, so that threads made later do not get them and sigwait below does.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

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

  options.hooks.on_ended = WakeMain;
  auto subscriber = Subscriber::Start(hub, options);
  if (!subscriber.ok()) {
    std::cerr << subscriber.status().message() << "\n";
    return 1;
  }

  int signal = 0;
  sigwait(&signals, &signal);
  // What was delivered is finished; then others take over, without anything being delivered twice.
  const absl::Status stopped = (*subscriber)->Stop(absl::Seconds(30));
  if (!stopped.ok()) std::cerr << stopped << "\n";
  return stopped.ok() ? 0 : 1;
}

// Routes, and handlers that produce one event from another, with and without transactions.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "eventhub/route_client.h"
#include "eventhub/subscriber.h"
#include "eventhub/transaction.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/hub_bench.h"
#include "tests/benchmark/hub_event.h"
#include "tests/benchmark/hub_pass.h"
#include "tests/benchmark/measure.h"

namespace eventhub::benchmark {
namespace {

// The event that a handler produces from another: one of the same shape.
absl::StatusOr<v1::Event> MadeOf(const HubOptions& options, const client::ReceivedEvent& event) {
  thread_local absl::StatusOr<EventMaker> maker = EventMaker::Create(options.shape, 0);
  RETURN_IF_ERROR(maker.status());
  v1::Event made = maker->Next();
  made.set_id(absl::StrCat("made-", event.offset()));
  return made;
}

absl::Status PublishMade(const HubOptions& options, client::Publisher& publisher,
                         const client::ReceivedEvent& event) {
  ASSIGN_OR_RETURN(const v1::Event made, MadeOf(options, event));
  return publisher.PublishAsync(made).get().status();
}

absl::Status CommitMade(const HubOptions& options, client::Connection& connection,
                        const client::ReceivedEvent& event) {
  ASSIGN_OR_RETURN(v1::Event made, MadeOf(options, event));
  client::Transaction transaction;
  transaction.Ack(options.subscription, event);
  transaction.Append(CopiesOf(options), std::move(made));
  return client::Commit(connection, transaction).status();
}

}  // namespace

std::string CopiesOf(const HubOptions& options) { return absl::StrCat(options.topic, ".copies"); }

absl::Status CreateRoutes(const HubOptions& options) {
  HubOptions copies = options;
  copies.topic = CopiesOf(options);
  RETURN_IF_ERROR(CreateTopic(copies));
  client::RouteClient routes(client::Connect(options.address));
  for (int i = 0; i < options.routes; ++i) {
    client::Route route{.name = absl::StrCat(options.topic, "-", i),
                        .source_topic = options.topic,
                        .target_topics = {copies.topic}};
    if (options.route_type >= 0) {
      route.filter = client::Filter::Exact({{"type", TypeName(options.route_type + i)}});
    }
    RETURN_IF_ERROR(routes.CreateRoute(route).status());
  }
  return absl::OkStatus();
}

absl::Status MeasureProcess(const HubOptions& options) {
  const auto connection = client::Connect(options.address);
  ASSIGN_OR_RETURN(auto publisher,
                   client::Publisher::Create(connection, {.topic = CopiesOf(options)}));
  std::atomic<int64_t> failures{0};
  client::SubscriberOptions subscriber_options;
  subscriber_options.subscription = options.subscription;
  subscriber_options.threads = static_cast<size_t>(options.threads);
  subscriber_options.on_event = [&](const client::ReceivedEvent& event) {
    const absl::Status status = options.transact ? CommitMade(options, *connection, event)
                                                 : PublishMade(options, *publisher, event);
    if (!status.ok()) {
      failures.fetch_add(1);
      return client::Outcome::Park(status.ToString());
    }
    return options.transact ? client::Outcome::Settled() : client::Outcome::Ack();
  };
  absl::Notification connected;
  subscriber_options.hooks.on_connected = [&connected](const std::string&) {
    if (!connected.HasBeenNotified()) connected.Notify();
  };
  ASSIGN_OR_RETURN(auto subscriber, client::Subscriber::Start(connection, subscriber_options));
  connected.WaitForNotification();
  const Stopwatch watch;
  const uint64_t before = subscriber->counters().handled;
  const absl::Status ended = subscriber->Wait(absl::Seconds(options.seconds));
  if (!absl::IsDeadlineExceeded(ended)) return ended;
  const uint64_t handled = subscriber->counters().handled - before;
  const double seconds = watch.Seconds();
  RETURN_IF_ERROR(subscriber->Stop(kNextTimeout));
  if (failures > 0) return absl::InternalError("events could not be processed");
  PrintResult("hub_process", {{"events_per_s", static_cast<double>(handled) / seconds}});
  return absl::OkStatus();
}

}  // namespace eventhub::benchmark

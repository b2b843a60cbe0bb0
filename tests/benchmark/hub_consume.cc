// Consuming a subscription compared with reading the topic, and with holes among the acks.
#include <atomic>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/hub_bench.h"
#include "tests/benchmark/hub_pass.h"
#include "tests/benchmark/measure.h"

namespace eventhub::benchmark {
namespace {

// The number of threads that create subscriptions; the hub commits their writes together.
constexpr int kCreators = 32;

// Longer than any measurement.
constexpr absl::Duration kHoleDelay = absl::Hours(12);

client::Subscription WithName(const HubOptions& options, std::string name) {
  client::Subscription subscription;
  subscription.name = std::move(name);
  subscription.topic = options.topic;
  subscription.kind = options.kind;
  subscription.dead_letter_topic = options.dead_letter_topic;
  return subscription;
}

const char* PrefixOf(client::SubscriptionKind kind) {
  return kind == client::SubscriptionKind::kQueue ? "queue_" : "stream_";
}

}  // namespace

absl::Status CreateSubscriptions(const HubOptions& options) {
  client::AdminOptions admin_options;
  admin_options.timeout = absl::Seconds(60);
  std::atomic<int> next{0};
  std::vector<absl::Status> statuses(kCreators);
  std::vector<std::thread> threads;
  for (absl::Status& status : statuses) {
    threads.emplace_back([&] {
      client::SubscriptionClient subscriptions(client::Connect(options.address), admin_options);
      for (int i = next++; i < options.subscriptions && status.ok(); i = next++) {
        const std::string name = SubscriptionName(options, i);
        status = subscriptions.CreateSubscription(WithName(options, name), options.start).status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : statuses) RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

std::string SubscriptionName(const HubOptions& options, int i) {
  return options.subscriptions == 1 ? options.subscription
                                    : absl::StrCat(options.subscription, "-", i);
}

absl::Status MeasureConsume(const HubOptions& options) {
  const auto connection = client::Connect(options.address);
  client::SubscriptionClient subscriptions(connection);
  std::vector<Received> read;
  std::map<client::SubscriptionKind, std::vector<Received>> consumed;
  const Stopwatch watch;
  for (int pass = 0; pass == 0 || watch.Seconds() < options.seconds; ++pass) {
    ASSIGN_OR_RETURN(const Received one, ReadPass(options, connection));
    read.push_back(one);
    for (const auto kind : {client::SubscriptionKind::kStream, client::SubscriptionKind::kQueue}) {
      const std::string name = absl::StrCat(options.subscription, "-", PrefixOf(kind), pass);
      client::Subscription subscription = WithName(options, name);
      subscription.kind = kind;
      RETURN_IF_ERROR(
          subscriptions.CreateSubscription(subscription, client::StartPosition::Earliest())
              .status());
      ASSIGN_OR_RETURN(const Received received, ConsumePass(options, connection, name));
      consumed[kind].push_back(received);
    }
  }
  Result result = Rates("read_", MedianPass(read));
  for (const auto& [kind, passes] : consumed) {
    const Result rates = Rates(PrefixOf(kind), MedianPass(passes));
    result.insert(result.end(), rates.begin(), rates.end());
  }
  PrintResult("hub_consume", result);
  return absl::OkStatus();
}

absl::Status MeasureConsumeOnce(const HubOptions& options) {
  const auto connection = client::Connect(options.address);
  ASSIGN_OR_RETURN(const Received received, ConsumePass(options, connection, options.subscription));
  PrintResult("hub_consume_once", Rates("", received));
  return absl::OkStatus();
}

absl::Status MeasureSeek(const HubOptions& options) {
  client::SubscriptionClient subscriptions(client::Connect(options.address),
                                           {.timeout = absl::Minutes(2)});
  const Stopwatch watch;
  RETURN_IF_ERROR(
      subscriptions.Seek(options.subscription, {.start = client::StartPosition::Latest()})
          .status());
  RETURN_IF_ERROR(
      subscriptions.Seek(options.subscription, {.start = client::StartPosition::Earliest()})
          .status());
  PrintResult("hub_seek", {{"seconds", watch.Seconds() / 2}});
  return absl::OkStatus();
}

absl::Status MeasureHoles(const HubOptions& options) {
  const auto connection = client::Connect(options.address);
  client::SubscriberOptions subscriber_options;
  subscriber_options.subscription = options.subscription;
  if (options.credit_events > 0) {
    subscriber_options.credit = {.events = options.credit_events, .bytes = options.credit_bytes};
  }
  subscriber_options.on_event = [](const client::ReceivedEvent& event) {
    return event.offset() % 2 == 0 ? client::Outcome::Ack()
                                   : client::Outcome::Retry(/*reason=*/"", kHoleDelay);
  };
  absl::Notification caught_up;
  subscriber_options.hooks.on_caught_up = [&caught_up] {
    if (!caught_up.HasBeenNotified()) caught_up.Notify();
  };
  const Stopwatch watch;
  ASSIGN_OR_RETURN(auto subscriber, client::Subscriber::Start(connection, subscriber_options));
  if (!caught_up.WaitForNotificationWithTimeout(2 * kNextTimeout)) {
    return absl::DeadlineExceededError(absl::StrCat(options.subscription, " does not catch up"));
  }
  RETURN_IF_ERROR(subscriber->Stop(kNextTimeout));
  const double seconds = watch.Seconds();
  const client::SubscriberCounters counters = subscriber->counters();
  ASSIGN_OR_RETURN(const client::SubscriptionDescription after,
                   client::SubscriptionClient(connection).GetSubscription(options.subscription, 1));
  PrintResult("hub_holes", {{"events_per_s", static_cast<double>(counters.handled) / seconds},
                            {"holes", static_cast<double>(after.stats.delayed_events)}});
  return absl::OkStatus();
}

}  // namespace eventhub::benchmark

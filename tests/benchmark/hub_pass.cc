#include "tests/benchmark/hub_pass.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"
#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/hub_event.h"

namespace eventhub::benchmark {
namespace {

// The events received by handlers. Each thread has its own counter, so that counting costs a
// handler as much as a reader.
class Tally {
 public:
  Received& mine() {
    thread_local const size_t place = next_place_.fetch_add(1) % kPlaces;
    return places_[place].received;
  }

  // To be called after the handlers have ended.
  Received Total() const {
    Received total;
    for (const Place& place : places_) total += place.received;
    return total;
  }

 private:
  // More than the handlers of a pass: threads that live at the same time have different counters.
  static constexpr size_t kPlaces = 64;
  struct alignas(64) Place {
    Received received;
  };

  static inline std::atomic<size_t> next_place_{0};
  std::array<Place, kPlaces> places_;
};

// Counts one event, reading what an application would read to decide what to do with it.
absl::Status CountOne(const client::ReceivedEvent& event, bool parse, Received& received) {
  if (parse) {
    thread_local v1::Event parsed;
    RETURN_IF_ERROR(event.ParseTo(parsed));
  }
  ++received.events;
  received.bytes += static_cast<int64_t>(event.bytes().size());
  return absl::OkStatus();
}

client::SubscriberOptions ConsumerOptions(const HubOptions& options,
                                          const client::SubscriptionDescription& description,
                                          Tally& tally, absl::Notification& caught_up) {
  client::SubscriberOptions result;
  result.subscription = description.subscription.name;
  if (options.credit_events > 0) {
    result.credit = {.events = options.credit_events, .bytes = options.credit_bytes};
  }
  const bool parse = options.parse;
  const auto outcome = [](const absl::Status& status) {
    return status.ok() ? client::Outcome::Ack() : client::Outcome::Park(status.ToString());
  };
  if (description.subscription.kind == client::SubscriptionKind::kQueue) {
    result.on_event = [&tally, parse, outcome](const client::ReceivedEvent& event) {
      return outcome(CountOne(event, parse, tally.mine()));
    };
  } else {
    result.on_batch = [&tally, parse, outcome](const client::EventBatch& batch) {
      return outcome(Count(batch, parse, tally.mine()));
    };
  }
  result.hooks.on_caught_up = [&caught_up] {
    if (!caught_up.HasBeenNotified()) caught_up.Notify();
  };
  return result;
}

}  // namespace

Received& Received::operator+=(const Received& other) {
  events += other.events;
  bytes += other.bytes;
  scanned += other.scanned;
  seconds += other.seconds;
  return *this;
}

Result Rates(const std::string& prefix, const Received& received) {
  const double seconds = received.seconds;
  return {{prefix + "events", static_cast<double>(received.events)},
          {prefix + "events_per_s", static_cast<double>(received.events) / seconds},
          {prefix + "mb_per_s", static_cast<double>(received.bytes) / seconds / 1e6}};
}

Received MedianPass(std::vector<Received> passes) {
  const auto middle = passes.begin() + static_cast<ptrdiff_t>(passes.size() / 2);
  std::nth_element(passes.begin(), middle, passes.end(), [](const Received& a, const Received& b) {
    return static_cast<double>(a.events) / a.seconds < static_cast<double>(b.events) / b.seconds;
  });
  return *middle;
}

absl::Status Count(const client::EventBatch& batch, bool parse, Received& received) {
  for (const client::ReceivedEvent& one : batch) {
    RETURN_IF_ERROR(CountOne(one, parse, received));
  }
  return absl::OkStatus();
}

absl::Status PublishAll(const HubOptions& options) {
  client::PublisherOptions publisher_options;
  publisher_options.topic = options.topic;
  publisher_options.durability = options.durability;
  ASSIGN_OR_RETURN(auto publisher,
                   client::Publisher::Create(client::Connect(options.address), publisher_options));
  ASSIGN_OR_RETURN(EventMaker events, EventMaker::Create(options.shape, 0));
  for (int64_t i = 0; i < options.events; ++i) RETURN_IF_ERROR(publisher->Publish(events.Next()));
  return publisher->Flush(kNextTimeout);
}

absl::StatusOr<Received> ReadPass(const HubOptions& options,
                                  const std::shared_ptr<client::Connection>& connection) {
  client::ReaderOptions reader_options;
  reader_options.topic = options.topic;
  if (!options.of_type.empty()) {
    reader_options.filter = client::Filter::Exact({{"type", options.of_type}});
  }
  Received received;
  const Stopwatch watch;
  ASSIGN_OR_RETURN(auto reader, client::Reader::Create(connection, reader_options));
  while (true) {
    ASSIGN_OR_RETURN(const client::EventBatch batch, reader->Next(kNextTimeout));
    if (batch.done()) break;
    RETURN_IF_ERROR(Count(batch, options.parse, received));
  }
  received.seconds = watch.Seconds();
  for (const client::PartitionOffset& end : reader->positions()) received.scanned += end.offset;
  return received;
}

absl::StatusOr<Received> ConsumePass(const HubOptions& options,
                                     const std::shared_ptr<client::Connection>& connection,
                                     const std::string& subscription) {
  client::SubscriptionClient subscriptions(connection);
  ASSIGN_OR_RETURN(const client::SubscriptionDescription before,
                   subscriptions.GetSubscription(subscription, 1));
  const uint64_t due = before.stats.lag_events - before.stats.delayed_events;
  Tally tally;
  absl::Notification caught_up;
  const Stopwatch watch;
  ASSIGN_OR_RETURN(
      auto subscriber,
      client::Subscriber::Start(connection, ConsumerOptions(options, before, tally, caught_up)));
  if (!caught_up.WaitForNotificationWithTimeout(kNextTimeout + absl::Seconds(options.seconds))) {
    return absl::DeadlineExceededError(absl::StrCat(subscription, " does not catch up"));
  }
  RETURN_IF_ERROR(subscriber->Stop(kNextTimeout));
  const double seconds = watch.Seconds();
  const client::SubscriberCounters counters = subscriber->counters();
  subscriber.reset();
  Received received = tally.Total();
  received.seconds = seconds;
  if (static_cast<uint64_t>(received.events) != due || counters.acked != due) {
    return absl::InternalError(absl::StrCat(subscription, " had ", due, " events to deliver; ",
                                            received.events, " came, ", counters.acked,
                                            " were acked"));
  }
  return received;
}

}  // namespace eventhub::benchmark

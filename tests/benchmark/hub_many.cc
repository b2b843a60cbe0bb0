// Many subscriptions of one topic, each with a consumer.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "eventhub/connection.h"
#include "eventhub/subscriber.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/hub_bench.h"
#include "tests/benchmark/hub_pass.h"
#include "tests/benchmark/measure.h"

namespace eventhub::benchmark {
namespace {

// A hub accepts 100 calls per connection.
constexpr int kConsumersPerConnection = 50;

// The consumer of one subscription; done once it has received `due` events.
class Member {
 public:
  Member(int64_t due, absl::BlockingCounter& caught_up, absl::BlockingCounter& done)
      : due_(due), caught_up_(caught_up), done_(done) {}

  absl::Status Start(const HubOptions& options, std::shared_ptr<client::Connection> connection,
                     std::string subscription) {
    client::SubscriberOptions subscriber_options;
    subscriber_options.subscription = std::move(subscription);
    // One handler at a time, so that handlers need no synchronization.
    subscriber_options.threads = 1;
    subscriber_options.on_batch = [this, parse = options.parse](const client::EventBatch& batch) {
      const int64_t before = received_.events;
      if (!Count(batch, parse, received_).ok()) return client::Outcome::Park("not an event");
      if (before < due_ && received_.events >= due_) done_.DecrementCount();
      return client::Outcome::Ack();
    };
    subscriber_options.hooks.on_caught_up = [this] {
      if (!ready_.exchange(true)) caught_up_.DecrementCount();
    };
    ASSIGN_OR_RETURN(subscriber_,
                     client::Subscriber::Start(std::move(connection), subscriber_options));
    return absl::OkStatus();
  }

  client::Subscriber& subscriber() { return *subscriber_; }
  // To be called after the subscriber has ended.
  const Received& received() const { return received_; }

 private:
  const int64_t due_;
  absl::BlockingCounter& caught_up_;
  absl::BlockingCounter& done_;
  std::atomic<bool> ready_{false};
  Received received_;
  std::unique_ptr<client::Subscriber> subscriber_;
};

}  // namespace

absl::Status MeasureManySubscriptions(const HubOptions& options) {
  absl::BlockingCounter caught_up(options.consumers);
  absl::BlockingCounter done(options.consumers);
  std::vector<std::unique_ptr<Member>> members;
  std::shared_ptr<client::Connection> connection;
  for (int i = 0; i < options.consumers; ++i) {
    if (i % kConsumersPerConnection == 0) connection = client::Connect(options.address);
    members.push_back(std::make_unique<Member>(options.events, caught_up, done));
    RETURN_IF_ERROR(members.back()->Start(options, connection, SubscriptionName(options, i)));
  }
  caught_up.Wait();
  const Stopwatch watch;
  RETURN_IF_ERROR(PublishAll(options));
  done.Wait();
  for (const auto& member : members) member->subscriber().RequestStop();
  for (const auto& member : members) RETURN_IF_ERROR(member->subscriber().Wait(kNextTimeout));
  Received total;
  for (const auto& member : members) total += member->received();
  total.seconds = watch.Seconds();
  PrintResult("hub_many", Rates("", total));
  return absl::OkStatus();
}

}  // namespace eventhub::benchmark

// How soon another consumer receives the events of a consumer whose process is killed.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/connection.h"
#include "eventhub/partition.h"
#include "eventhub/publisher.h"
#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/hub_bench.h"
#include "tests/benchmark/hub_pass.h"
#include "tests/benchmark/measure.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): as POSIX requires.

namespace eventhub::benchmark {
namespace {

constexpr char kVictim[] = "victim";
// The number of events that the victim of a QUEUE has in flight when it is killed.
constexpr uint32_t kVictimEvents = 64;
constexpr absl::Duration kPoll = absl::Milliseconds(5);
constexpr auto kPublishEvery = std::chrono::milliseconds(1);

// A consumer in a separate process, which is killed with this object at the latest.
class Victim {
 public:
  static absl::StatusOr<std::unique_ptr<Victim>> Start(const HubOptions& options) {
    const bool queue = options.kind == client::SubscriptionKind::kQueue;
    std::vector<std::string> arguments = {"hub_bench", queue ? "--mode=stuck" : "--mode=victim",
                                          "--address=" + options.address,
                                          "--subscription=" + options.subscription,
                                          absl::StrCat("--credit=", queue ? kVictimEvents : 0)};
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_t pid = 0;
    // Its output is not a result of this process.
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    const int error =
        posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return absl::InternalError(absl::StrCat("spawn: ", std::strerror(error)));
    return std::unique_ptr<Victim>(new Victim(pid));
  }

  ~Victim() {
    Kill();
    waitpid(pid_, nullptr, 0);
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  void Kill() { kill(pid_, SIGKILL); }

 private:
  explicit Victim(pid_t pid) : pid_(pid) {}
  const pid_t pid_;
};

// Records when the other consumer receives the victim's share. Thread-safe.
class Arrivals {
 public:
  // Starts to wait for partitions, or for the redelivery of `events`.
  void Expect(std::set<uint32_t> partitions, size_t events) {
    MutexLock lock(mutex_);
    partitions_ = std::move(partitions);
    events_ = events;
    millis_.clear();
    watch_.emplace();
  }

  void OnEvent(const client::ReceivedEvent& event) {
    MutexLock lock(mutex_);
    const bool awaited =
        events_ > 0 ? event.delivery_attempt() > 1 : partitions_.erase(event.partition()) > 0;
    if (!awaited) return;
    millis_.push_back(watch_->Seconds() * 1e3);
    if (events_ > 0) --events_;
    if (events_ == 0 && partitions_.empty()) all_.NotifyAll();
  }

  // Returns the milliseconds from Expect to each arrival, in order of arrival.
  absl::StatusOr<std::vector<double>> Await() {
    MutexLock lock(mutex_);
    while (events_ > 0 || !partitions_.empty()) {
      if (!all_.WaitFor(mutex_, kNextTimeout)) {
        return absl::DeadlineExceededError("what a killed consumer had does not come again");
      }
    }
    return millis_;
  }

 private:
  Mutex mutex_;
  CondVar all_;
  std::set<uint32_t> partitions_ ABSL_GUARDED_BY(mutex_);
  size_t events_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<Stopwatch> watch_ ABSL_GUARDED_BY(mutex_);
  std::vector<double> millis_ ABSL_GUARDED_BY(mutex_);
};

// One event for each partition.
std::vector<v1::Event> EventForEach(uint32_t partitions) {
  std::vector<v1::Event> events;
  for (int key = 0; events.size() < partitions; ++key) {
    const std::string name = absl::StrCat("k", key);
    if (client::PartitionFor(name, partitions) != events.size()) continue;
    v1::Event& event = events.emplace_back();
    event.set_id(name);
    event.set_source("/benchmark");
    event.set_type("benchmark.made");
    event.set_partition_key(name);
  }
  return events;
}

// Publishes to each partition repeatedly, on its own thread.
class Ticker {
 public:
  static absl::StatusOr<std::unique_ptr<Ticker>> Start(const HubOptions& options) {
    client::PublisherOptions publisher_options;
    publisher_options.topic = options.topic;
    ASSIGN_OR_RETURN(auto publisher, client::Publisher::Create(client::Connect(options.address),
                                                               publisher_options));
    return std::unique_ptr<Ticker>(new Ticker(std::move(publisher), options.partitions));
  }

  ~Ticker() {
    over_ = true;
    thread_.join();
  }
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  Ticker(std::unique_ptr<client::Publisher> publisher, uint32_t partitions)
      : publisher_(std::move(publisher)), thread_([this, partitions] { Run(partitions); }) {}

  void Run(uint32_t partitions) {
    const std::vector<v1::Event> events = EventForEach(partitions);
    auto next = std::chrono::steady_clock::now();
    while (!over_) {
      for (const v1::Event& event : events) {
        // Without events the measurement stops, and reports it.
        if (!publisher_->Publish(event).ok()) return;
      }
      next += kPublishEvery;
      std::this_thread::sleep_until(next);
    }
  }

  std::unique_ptr<client::Publisher> publisher_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

// Waits until the victim has its share; returns its partitions (STREAM).
absl::StatusOr<std::set<uint32_t>> AwaitShare(const HubOptions& options,
                                              client::SubscriptionClient& subscriptions) {
  const Stopwatch watch;
  while (watch.Seconds() < absl::ToDoubleSeconds(kNextTimeout)) {
    ASSIGN_OR_RETURN(const client::SubscriptionDescription now,
                     subscriptions.GetSubscription(options.subscription, 1));
    for (const client::ConsumerInfo& consumer : now.consumers) {
      if (consumer.name != kVictim) continue;
      if (options.kind == client::SubscriptionKind::kQueue
              ? consumer.in_use.events >= kVictimEvents
              : consumer.partitions.size() >= options.partitions / 2) {
        return std::set<uint32_t>(consumer.partitions.begin(), consumer.partitions.end());
      }
    }
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(kPoll));
  }
  return absl::DeadlineExceededError("a consumer does not get its share");
}

absl::Status ConsumeAs(const HubOptions& options, client::SubscriberOptions subscriber_options) {
  subscriber_options.subscription = options.subscription;
  subscriber_options.consumer = kVictim;
  subscriber_options.hooks.on_connected = [](const std::string&) {
    PrintResult("hub_connected", {});
  };
  ASSIGN_OR_RETURN(auto subscriber,
                   client::Subscriber::Start(client::Connect(options.address), subscriber_options));
  return subscriber->Wait();
}

}  // namespace

absl::Status BeVictim(const HubOptions& options) {
  client::SubscriberOptions subscriber_options;
  subscriber_options.on_batch = [](const client::EventBatch&) { return client::Outcome::Ack(); };
  return ConsumeAs(options, std::move(subscriber_options));
}

absl::Status BeStuck(const HubOptions& options) {
  client::SubscriberOptions subscriber_options;
  if (options.credit_events > 0) {
    subscriber_options.credit = {.events = options.credit_events, .bytes = options.credit_bytes};
  }
  // Its process is killed.
  subscriber_options.on_batch = [](const client::EventBatch&) {
    while (true) pause();
    return client::Outcome::Ack();
  };
  return ConsumeAs(options, std::move(subscriber_options));
}

absl::Status MeasureFailover(const HubOptions& options) {
  client::SubscriptionClient subscriptions(client::Connect(options.address));
  Arrivals arrivals;
  client::SubscriberOptions subscriber_options;
  subscriber_options.subscription = options.subscription;
  subscriber_options.consumer = "survivor";
  subscriber_options.on_event = [&arrivals](const client::ReceivedEvent& event) {
    arrivals.OnEvent(event);
    return client::Outcome::Ack();
  };
  ASSIGN_OR_RETURN(auto survivor,
                   client::Subscriber::Start(client::Connect(options.address), subscriber_options));
  ASSIGN_OR_RETURN(const auto ticker, Ticker::Start(options));
  std::vector<double> each;
  std::vector<double> last;
  for (int i = 0; i < options.kills; ++i) {
    ASSIGN_OR_RETURN(const auto victim, Victim::Start(options));
    ASSIGN_OR_RETURN(std::set<uint32_t> partitions, AwaitShare(options, subscriptions));
    const bool queue = options.kind == client::SubscriptionKind::kQueue;
    arrivals.Expect(std::move(partitions), queue ? kVictimEvents : 0);
    victim->Kill();
    ASSIGN_OR_RETURN(const std::vector<double> millis, arrivals.Await());
    each.insert(each.end(), millis.begin(), millis.end());
    last.push_back(millis.back());
  }
  PrintResult("hub_failover", {{"kills", static_cast<double>(last.size())},
                               {"p50_ms", Percentile(each, 0.5)},
                               {"all_p50_ms", Percentile(last, 0.5)},
                               {"all_max_ms", Percentile(last, 1)}});
  return absl::OkStatus();
}

}  // namespace eventhub::benchmark

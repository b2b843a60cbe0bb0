// Measures stream processors. Each mode makes `rounds` passes over its events, each with a new
// subscription, and prints medians.
//
//     processor_bench --mode=transform --address=localhost:7070 --topic=benchmark
//
// On a topic that hub_bench has filled:
//
// transform: filter, map and publish to <topic>.copies, which must exist, exactly once.
// empty:     a pipeline that does nothing, in turn with a Subscriber that does nothing: their
//            rates, and the CPU time of this process per event.
// calls:     each event calls a service that takes 5 ms, 64 at a time.
//
// On topics of their own, which they fill before they measure:
//
// correlate: two events of each key, a thousand keys apart, and one published to <topic>.copies
//            when both are there. The state of each key is read from the hub once, and written
//            twice.
// job:       one job over as many items, a hundred in a step, each published to <topic>.copies.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventhub/admin_client.h"
#include "eventhub/processor/processor.h"
#include "eventhub/publisher.h"
#include "eventhub/subscription_client.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/measure.h"

ABSL_FLAG(std::string, mode, "transform", "transform, empty, calls, correlate or job");
ABSL_FLAG(std::string, address, "localhost:7070", "The hub");
ABSL_FLAG(std::string, topic, "benchmark", "The topic, which must exist");
ABSL_FLAG(int64_t, events, 500'000, "Events, or items, of each pass; the topic must have as many");
ABSL_FLAG(int, rounds, 3, "Passes of each kind");

namespace eventhub::benchmark {
namespace {

using processor::Pipeline;
using processor::Processor;
using processor::Reply;

constexpr absl::Duration kPatience = absl::Minutes(2);
constexpr absl::Duration kCallTime = absl::Milliseconds(5);
constexpr size_t kParallel = 64;
constexpr client::Credit kCredit = {.events = 20'000};
constexpr int64_t kKeysApart = 1000;
constexpr int64_t kJobStep = 100;

// Counts to a number, and waits for that. Thread-safe.
class Countdown {
 public:
  explicit Countdown(int64_t last = absl::GetFlag(FLAGS_events)) : last_(last) {}

  void Count() {
    MutexLock lock(mutex_);
    if (++counted_ == last_) done_.NotifyAll();
  }

  absl::Status Await() {
    MutexLock lock(mutex_);
    while (counted_ < last_) {
      if (!done_.WaitFor(mutex_, kPatience)) {
        return absl::DeadlineExceededError(absl::StrCat("only ", counted_, " events came"));
      }
    }
    return absl::OkStatus();
  }

 private:
  const int64_t last_;
  Mutex mutex_;
  CondVar done_;
  int64_t counted_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A service that answers each call after kCallTime, on one thread.
class SlowService {
 public:
  SlowService() : thread_([this] { Run(); }) {}
  ~SlowService() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      change_.NotifyAll();
    }
    thread_.join();
  }

  void Call(Reply<int> reply) {
    MutexLock lock(mutex_);
    calls_.emplace_back(absl::Now() + kCallTime, std::move(reply));
    if (calls_.size() == 1) change_.NotifyAll();
  }

 private:
  void Run() {
    while (true) {
      std::vector<Reply<int>> due;
      {
        MutexLock lock(mutex_);
        while (calls_.empty() && !stopping_) change_.Wait(mutex_);
        if (calls_.empty()) return;
        const absl::Duration left = calls_.front().first - absl::Now();
        if (left > absl::ZeroDuration()) change_.WaitFor(mutex_, left);
        for (; !calls_.empty() && calls_.front().first <= absl::Now(); calls_.pop_front()) {
          due.push_back(std::move(calls_.front().second));
        }
      }
      for (Reply<int>& reply : due) reply(1);
    }
  }

  Mutex mutex_;
  CondVar change_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::pair<absl::Time, Reply<int>>> calls_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

struct Pass {
  double seconds = 0;
  double cpu_seconds = 0;  // Of this process.
  double threads = 0;      // Of this process, at its end.
};

double CountThreads() {
  const std::filesystem::directory_iterator threads("/proc/self/task");
  return static_cast<double>(std::distance(begin(threads), end(threads)));
}

std::string TopicNamed(const char* suffix) {
  return absl::StrCat(absl::GetFlag(FLAGS_topic), suffix);
}

// Runs a consumer of a new subscription, from its start until it has settled all events.
template <typename Start>
absl::StatusOr<Pass> Measure(Countdown& countdown, Start start, const std::string& topic) {
  static int number = 0;
  const auto hub = client::Connect(absl::GetFlag(FLAGS_address));
  const std::string name =
      absl::StrCat(absl::GetFlag(FLAGS_topic), ".", absl::GetFlag(FLAGS_mode), ".", ++number);
  client::SubscriptionClient subscriptions(hub);
  RETURN_IF_ERROR(subscriptions
                      .CreateSubscription(
                          {.name = name, .topic = topic, .kind = client::SubscriptionKind::kStream},
                          client::StartPosition::Earliest())
                      .status());
  Pass pass;
  const double cpu_before = CpuSeconds(getpid());
  const Stopwatch watch;
  ASSIGN_OR_RETURN(const auto consumer, start(hub, name));
  RETURN_IF_ERROR(countdown.Await());
  pass.threads = CountThreads();
  RETURN_IF_ERROR(consumer->Stop(kPatience));  // Settles what was handled.
  pass.seconds = watch.Seconds();
  pass.cpu_seconds = CpuSeconds(getpid()) - cpu_before;
  RETURN_IF_ERROR(subscriptions.DeleteSubscription(name));
  return pass;
}

absl::StatusOr<Pass> MeasurePipeline(Countdown& countdown, const processor::AnyPipeline& pipeline,
                                     const std::string& topic = TopicNamed("")) {
  return Measure(
      countdown,
      [&](const auto& hub, const std::string& subscription) {
        return Processor::Start(hub, {.subscription = subscription,
                                      .source = "/bench/processor",
                                      .pipelines = {pipeline},
                                      .credit = kCredit});
      },
      topic);
}

absl::StatusOr<Pass> MeasureTransform() {
  struct Size {
    size_t bytes;
  };
  Countdown countdown;
  return MeasurePipeline(
      countdown, Pipeline("transform")
                     .Filter([&](const v1::Event& event) {
                       countdown.Count();
                       return !event.data().empty();
                     })
                     .Map([](const v1::Event& event) { return Size{event.data().size()}; })
                     .Publish(TopicNamed(".copies"), [](const v1::Event& event, const Size& size) {
                       v1::Event made;
                       made.set_type("bench.measured");
                       made.set_subject(event.id());
                       made.set_data(absl::StrCat(size.bytes));
                       return made;
                     }));
}

absl::StatusOr<Pass> MeasureEmpty() {
  Countdown countdown;
  return MeasurePipeline(countdown,
                         Pipeline("empty").ForEach([&](const v1::Event&) { countdown.Count(); }));
}

absl::StatusOr<Pass> MeasureSubscriber() {
  Countdown countdown;
  return Measure(
      countdown,
      [&](const auto& hub, const std::string& subscription) {
        client::SubscriberOptions options;
        options.subscription = subscription;
        options.credit = kCredit;
        options.on_event = [&](const client::ReceivedEvent&) {
          countdown.Count();
          return client::Outcome::Ack();
        };
        return client::Subscriber::Start(hub, std::move(options));
      },
      TopicNamed(""));
}

absl::StatusOr<Pass> MeasureCalls() {
  SlowService service;
  Countdown countdown;
  return MeasurePipeline(countdown, Pipeline("calls")
                                        .Call("service",
                                              [&](const v1::Event&, Reply<int> reply) {
                                                service.Call(std::move(reply));
                                              },
                                              {.parallel = kParallel})
                                        .ForEach([&](const v1::Event&) { countdown.Count(); }));
}

// A topic for events, and one for state, if they do not exist.
absl::Status CreateTopics(const std::string& topic) {
  client::AdminClient admin(client::Connect(absl::GetFlag(FLAGS_address)));
  const auto create = [&](client::Topic created) {
    const absl::Status status = admin.CreateTopic(created).status();
    return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
  };
  RETURN_IF_ERROR(create({.name = topic}));
  return create({.name = absl::StrCat(topic, ".state"), .latest_per_key = client::LatestPerKey{}});
}

absl::Status PublishTo(const std::string& topic, int64_t count,
                       const std::function<v1::Event(int64_t)>& make) {
  ASSIGN_OR_RETURN(
      const auto publisher,
      client::Publisher::Create(client::Connect(absl::GetFlag(FLAGS_address)), {.topic = topic}));
  for (int64_t i = 0; i < count; ++i) RETURN_IF_ERROR(publisher->Publish(make(i)));
  return publisher->Flush();
}

// In blocks of keys: the first event of each, and then the second of each.
v1::Event FactOf(int64_t number) {
  const int64_t block = number / (2 * kKeysApart);
  const int64_t in_block = number % (2 * kKeysApart);
  v1::Event event;
  event.set_id(absl::StrCat(number));
  event.set_source("/bench");
  event.set_type(in_block < kKeysApart ? "a" : "b");
  event.set_partition_key(absl::StrCat(block * kKeysApart + in_block % kKeysApart));
  event.set_data(std::string(100, 'x'));
  return event;
}

// `number` tells passes apart: the events are the same, so the state must not be.
absl::StatusOr<Pass> MeasureCorrelate(int number) {
  const std::string topic = TopicNamed(".facts");
  const int64_t events = absl::GetFlag(FLAGS_events);
  if (events % (2 * kKeysApart) != 0) {
    return absl::InvalidArgumentError("--events must be a multiple of 2,000 to correlate");
  }
  if (number == 0) {
    RETURN_IF_ERROR(CreateTopics(topic));
    RETURN_IF_ERROR(PublishTo(topic, events, FactOf));
  }
  Countdown countdown(events / 2);
  return MeasurePipeline(
      countdown,
      Pipeline(absl::StrCat("correlate-", number))
          .Correlate({.state = absl::StrCat(topic, ".state"), .within = absl::Hours(1)},
                     [](const processor::Facts& facts) { return facts.Has("a") && facts.Has("b"); })
          .Publish(TopicNamed(".copies"),
                   [&](const processor::Correlation&) {
                     countdown.Count();
                     v1::Event made;
                     made.set_type("bench.both");
                     return made;
                   }),
      topic);
}

absl::StatusOr<Pass> MeasureJob(int number) {
  struct Item {
    int64_t number;
  };
  const std::string topic = TopicNamed(".jobs");
  const std::string go = absl::StrCat("go-", number);
  const int64_t items = absl::GetFlag(FLAGS_events);
  const auto taken = [items](const processor::Job& job) {
    return std::min(kJobStep, items - static_cast<int64_t>(job.items));
  };
  RETURN_IF_ERROR(CreateTopics(topic));
  RETURN_IF_ERROR(PublishTo(topic, 1, [&](int64_t) {
    v1::Event event;
    event.set_id(go);
    event.set_source("/bench");
    event.set_type(go);
    event.set_partition_key(go);
    return event;
  }));
  Countdown countdown;
  return MeasurePipeline(countdown,
                         Pipeline(absl::StrCat("job-", number))
                             .On({go})
                             .Job({.state = absl::StrCat(topic, ".state")})
                             .Continue([&](const processor::Job& job) {
                               const int64_t count = taken(job);
                               return processor::JobProgress{
                                   .items = static_cast<uint64_t>(count),
                                   .finished = static_cast<int64_t>(job.items) + count == items};
                             })
                             .Split([&](const processor::Job& job) {
                               std::vector<Item> step;
                               for (int64_t i = 0; i < taken(job); ++i) {
                                 step.push_back({static_cast<int64_t>(job.items) + i});
                               }
                               return step;
                             })
                             .Publish(TopicNamed(".copies"),
                                      [&](const Item& item) {
                                        countdown.Count();
                                        v1::Event made;
                                        made.set_type("bench.item");
                                        made.set_subject(absl::StrCat(item.number));
                                        made.set_data(std::string(100, 'x'));
                                        return made;
                                      }),
                         topic);
}

double MedianOf(const std::vector<Pass>& passes, double Pass::*value) {
  std::vector<double> values;
  for (const Pass& pass : passes) values.push_back(pass.*value);
  return Percentile(values, 0.5);
}

double RateOf(const std::vector<Pass>& passes) {
  return static_cast<double>(absl::GetFlag(FLAGS_events)) / MedianOf(passes, &Pass::seconds);
}

double CpuNanosOf(const std::vector<Pass>& passes) {
  return MedianOf(passes, &Pass::cpu_seconds) * 1e9 /
         static_cast<double>(absl::GetFlag(FLAGS_events));
}

absl::Status Run() {
  const std::string mode = absl::GetFlag(FLAGS_mode);
  std::vector<Pass> passes;
  std::vector<Pass> subscriber;
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    if (mode == "transform") {
      ASSIGN_OR_RETURN(passes.emplace_back(), MeasureTransform());
    } else if (mode == "empty") {
      ASSIGN_OR_RETURN(passes.emplace_back(), MeasureEmpty());
      ASSIGN_OR_RETURN(subscriber.emplace_back(), MeasureSubscriber());
    } else if (mode == "calls") {
      ASSIGN_OR_RETURN(passes.emplace_back(), MeasureCalls());
    } else if (mode == "correlate") {
      ASSIGN_OR_RETURN(passes.emplace_back(), MeasureCorrelate(round));
    } else if (mode == "job") {
      ASSIGN_OR_RETURN(passes.emplace_back(), MeasureJob(round));
    } else {
      return absl::InvalidArgumentError(absl::StrCat("--mode: unknown mode ", mode));
    }
  }
  Result result = {{"events_per_s", RateOf(passes)}, {"cpu_ns", CpuNanosOf(passes)}};
  if (mode == "empty") {
    result.emplace_back("subscriber_events_per_s", RateOf(subscriber));
    result.emplace_back("extra_cpu_ns", CpuNanosOf(passes) - CpuNanosOf(subscriber));
  }
  if (mode == "calls") {
    result.emplace_back("ideal_per_s", kParallel / absl::ToDoubleSeconds(kCallTime));
    result.emplace_back("threads", MedianOf(passes, &Pass::threads));
  }
  if (mode == "job") result.emplace_back("steps_per_s", RateOf(passes) / kJobStep);
  PrintResult(absl::StrCat("processor_", mode), result);
  return absl::OkStatus();
}

}  // namespace
}  // namespace eventhub::benchmark

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = eventhub::benchmark::Run();
  if (!status.ok()) std::fprintf(stderr, "processor_bench: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

// Measures stream processors, on a topic that hub_bench has filled. Each mode makes `rounds` passes
// over its events, each with a new subscription, and prints medians.
//
//     processor_bench --mode=transform --address=localhost:7070 --topic=benchmark
//
// transform: filter, map and publish to <topic>.copies, which must exist, exactly once.
// empty:     a pipeline that does nothing, in turn with a Subscriber that does nothing: their
// rates,
//            and the CPU time of this process per event.
// calls:     each event calls a service that takes 5 ms, 64 at a time.
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
#include "eventhub/processor/processor.h"
#include "eventhub/subscription_client.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/measure.h"

ABSL_FLAG(std::string, mode, "transform", "transform, empty or calls");
ABSL_FLAG(std::string, address, "localhost:7070", "The hub");
ABSL_FLAG(std::string, topic, "benchmark", "The topic, which must exist");
ABSL_FLAG(int64_t, events, 500'000, "Events of each pass; the topic must have as many");
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

// Counts events, and waits for the last one. Thread-safe.
class Countdown {
 public:
  void Count() {
    MutexLock lock(mutex_);
    if (++counted_ == absl::GetFlag(FLAGS_events)) done_.NotifyAll();
  }

  absl::Status Await() {
    MutexLock lock(mutex_);
    while (counted_ < absl::GetFlag(FLAGS_events)) {
      if (!done_.WaitFor(mutex_, kPatience)) {
        return absl::DeadlineExceededError(absl::StrCat("only ", counted_, " events came"));
      }
    }
    return absl::OkStatus();
  }

 private:
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

// Runs a consumer of a new subscription, from its start until it has settled all events.
template <typename Start>
absl::StatusOr<Pass> Measure(Countdown& countdown, Start start) {
  static int number = 0;
  const auto hub = client::Connect(absl::GetFlag(FLAGS_address));
  const std::string name =
      absl::StrCat(absl::GetFlag(FLAGS_topic), ".", absl::GetFlag(FLAGS_mode), ".", ++number);
  client::SubscriptionClient subscriptions(hub);
  RETURN_IF_ERROR(subscriptions
                      .CreateSubscription({.name = name,
                                           .topic = absl::GetFlag(FLAGS_topic),
                                           .kind = client::SubscriptionKind::kStream},
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

absl::StatusOr<Pass> MeasurePipeline(Countdown& countdown, const processor::AnyPipeline& pipeline) {
  return Measure(countdown, [&](const auto& hub, const std::string& subscription) {
    return Processor::Start(hub, {.subscription = subscription,
                                  .source = "/bench/processor",
                                  .pipelines = {pipeline},
                                  .credit = kCredit});
  });
}

absl::StatusOr<Pass> MeasureTransform() {
  struct Size {
    size_t bytes;
  };
  Countdown countdown;
  return MeasurePipeline(countdown,
                         Pipeline("transform")
                             .Filter([&](const v1::Event& event) {
                               countdown.Count();
                               return !event.data().empty();
                             })
                             .Map([](const v1::Event& event) { return Size{event.data().size()}; })
                             .Publish(absl::StrCat(absl::GetFlag(FLAGS_topic), ".copies"),
                                      [](const v1::Event& event, const Size& size) {
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
  return Measure(countdown, [&](const auto& hub, const std::string& subscription) {
    client::SubscriberOptions options;
    options.subscription = subscription;
    options.credit = kCredit;
    options.on_event = [&](const client::ReceivedEvent&) {
      countdown.Count();
      return client::Outcome::Ack();
    };
    return client::Subscriber::Start(hub, std::move(options));
  });
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

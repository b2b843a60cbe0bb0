#include "client/cli/run/bench_run.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/frame/command.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/progress.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

v1::Event MakeEvent(uint64_t size) {
  v1::Event event;
  event.set_source("/eventhub/bench");
  event.set_type("eventhub.bench");
  event.set_data(std::string(size, 'x'));
  return event;
}

// Runs the measurements on one topic.
class Bench {
 public:
  Bench(const Context& context, const BenchOptions& options, const Interrupt& interrupt,
        std::string topic)
      : context_(context), options_(options), interrupt_(interrupt), topic_(std::move(topic)) {}

  absl::StatusOr<BenchResult> Measure() {
    BenchResult result;
    v1::Event event = MakeEvent(options_.size);
    event.set_id(absl::StrCat(options_.events));
    result.event_bytes = event.ByteSizeLong();
    ASSIGN_OR_RETURN(result.publish, Timed([this] {
                       const CallProgress progress = Showing("publishing", options_.events);
                       return PublishAll();
                     }));
    ASSIGN_OR_RETURN(result.read, Timed([this] {
                       const CallProgress progress = Showing("reading", options_.events);
                       return ReadAll();
                     }));
    const CallProgress progress = Showing("publishing one by one", options_.round_trips);
    RETURN_IF_ERROR(MeasureRoundTrips(result));
    return result;
  }

 private:
  template <typename Work>
  static absl::StatusOr<absl::Duration> Timed(Work work) {
    const absl::Duration start = Clock::System().Monotonic();
    RETURN_IF_ERROR(work());
    return Clock::System().Monotonic() - start;
  }

  CallProgress Showing(const char* doing, uint64_t total) {
    done_ = 0;
    return CallProgress(doing, total, [this] { return done_.load(std::memory_order_relaxed); });
  }

  absl::Status CheckInterrupt() const {
    return interrupt_.raised() ? InterruptedError("interrupted before the end") : absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<client::Publisher>> NewPublisher() const {
    client::PublisherOptions publisher;
    publisher.topic = topic_;
    publisher.durability = options_.durability;
    return client::Publisher::Create(ConnectToHub(context_), std::move(publisher));
  }

  absl::Status PublishAll() {
    std::vector<absl::Status> results(options_.producers);
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < options_.producers; ++i) {
      threads.emplace_back([this, i, &results] { results[i] = PublishShare(i); });
    }
    for (std::thread& thread : threads) thread.join();
    absl::Status status;
    for (const absl::Status& result : results) status.Update(result);
    return status;
  }

  // Every producer publishes each `producers`-th event.
  absl::Status PublishShare(uint32_t producer) {
    ASSIGN_OR_RETURN(const auto publisher, NewPublisher());
    v1::Event event = MakeEvent(options_.size);
    for (uint64_t i = producer; i < options_.events; i += options_.producers) {
      if (interrupt_.raised()) return CheckInterrupt();
      event.set_id(absl::StrCat(i));
      RETURN_IF_ERROR(publisher->Publish(event));
      done_.fetch_add(1, std::memory_order_relaxed);
    }
    return publisher->Flush();
  }

  absl::Status ReadAll() {
    client::ReaderOptions what;
    what.topic = topic_;
    ASSIGN_OR_RETURN(const auto reader, client::Reader::Create(ConnectToHub(context_), what));
    uint64_t events = 0;
    while (true) {
      RETURN_IF_ERROR(CheckInterrupt());
      ASSIGN_OR_RETURN(const client::EventBatch batch, reader->Next());
      if (batch.done()) break;
      events += batch.size();
      done_ = events;
    }
    if (events == options_.events) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("published ", CountOf(options_.events, "event"),
                                            ", read ", FormatCount(events)));
  }

  absl::Status MeasureRoundTrips(BenchResult& result) {
    ASSIGN_OR_RETURN(const auto publisher, NewPublisher());
    v1::Event event = MakeEvent(options_.size);
    std::vector<absl::Duration> times;
    for (uint64_t i = 0; i < options_.round_trips; ++i) {
      RETURN_IF_ERROR(CheckInterrupt());
      event.set_id(absl::StrCat("round-trip-", i));
      ASSIGN_OR_RETURN(const absl::Duration took,
                       Timed([&] { return publisher->PublishAsync(event).get().status(); }));
      times.push_back(took);
      done_ = times.size();
    }
    std::sort(times.begin(), times.end());
    if (times.empty()) return absl::OkStatus();
    result.round_trip_p50 = times[times.size() / 2];
    result.round_trip_p99 = times[times.size() * 99 / 100];
    return absl::OkStatus();
  }

  const Context& context_;
  const BenchOptions& options_;
  const Interrupt& interrupt_;
  const std::string topic_;
  std::atomic<uint64_t> done_{0};  // The events of the current measurement.
};

}  // namespace

absl::StatusOr<BenchResult> RunBench(const Context& context, const BenchOptions& options) {
  Interrupt interrupt;  // Before any thread is started.
  std::random_device random;
  const std::string topic = absl::StrFormat("bench-%08x%08x", random(), random());
  client::AdminClient admin = ConnectAdmin(context);
  client::Topic settings;
  settings.name = topic;
  settings.partitions = options.partitions;
  settings.description = "Made by `eventhub bench`.";
  settings.archive = false;  // They are no facts, and the lake would keep them for ever.
  interrupt.OnRaise([] {
    std::fputs("eventhub: waiting for the hub to create a topic (press Ctrl-C again to give up)\n",
               stderr);
  });
  RETURN_IF_ERROR(admin.CreateTopic(settings).status());
  interrupt.OnRaise([&topic] {
    std::fprintf(stderr,
                 "eventhub: interrupted; deleting topic %s (press Ctrl-C again to leave it)\n",
                 topic.c_str());
  });
  absl::StatusOr<BenchResult> result = Bench(context, options, interrupt, topic).Measure();
  const absl::Status deleted = admin.DeleteTopic(topic);
  interrupt.OnRaise({});
  if (result.ok() && !deleted.ok()) return deleted;
  return result;
}

}  // namespace eventhub::cli

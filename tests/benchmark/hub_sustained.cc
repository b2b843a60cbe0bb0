// A load of a minute, at full speed or paced, and two neighbours that it should not disturb: a
// small publisher, and a reader that follows it. A measurement of a few seconds shows the machine's
// memory; this one shows the hub.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/hub_bench.h"
#include "tests/benchmark/hub_event.h"
#include "tests/benchmark/measure.h"

namespace eventhub::benchmark {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr absl::Duration kSettleTimeout = absl::Minutes(2);
constexpr absl::Duration kFollowTimeout = absl::Seconds(30);
constexpr std::chrono::milliseconds kNeighbourPeriod(10);
constexpr std::chrono::milliseconds kPace(1);
constexpr double kWindowSeconds = 5;

double MillisSince(SteadyClock::time_point start) {
  return std::chrono::duration<double, std::milli>(SteadyClock::now() - start).count();
}

// Counts acknowledgements, and measures the longest time without one. Thread-safe.
class AckCounter {
 public:
  void Add(size_t events) {
    MutexLock lock(mutex_);
    const auto now = SteadyClock::now();
    if (events_ > 0) longest_gap_ = std::max(longest_gap_, now - last_);
    last_ = now;
    events_ += static_cast<int64_t>(events);
  }
  int64_t events() const {
    MutexLock lock(mutex_);
    return events_;
  }
  double longest_gap_seconds() const {
    MutexLock lock(mutex_);
    return std::chrono::duration<double>(longest_gap_).count();
  }

 private:
  mutable Mutex mutex_;
  int64_t events_ ABSL_GUARDED_BY(mutex_) = 0;
  SteadyClock::time_point last_ ABSL_GUARDED_BY(mutex_){};
  SteadyClock::duration longest_gap_ ABSL_GUARDED_BY(mutex_){};
};

// Latencies in milliseconds. Thread-safe.
class Latencies {
 public:
  void Add(double millis) {
    MutexLock lock(mutex_);
    millis_.push_back(millis);
  }
  void AppendTo(const std::string& name, Result& result) {
    MutexLock lock(mutex_);
    for (const auto& [suffix, fraction] :
         {std::pair("p50", 0.5), {"p99", 0.99}, {"p999", 0.999}, {"max", 1.0}}) {
      result.emplace_back(name + "_" + suffix + "_ms", Percentile(millis_, fraction));
    }
  }

 private:
  Mutex mutex_;
  std::vector<double> millis_ ABSL_GUARDED_BY(mutex_);
};

// Publishes as fast as the SDK accepts events, or `per_second` of them.
absl::Status PublishFor(const HubOptions& options, client::Publisher& publisher, EventMaker& events,
                        double per_second) {
  const Stopwatch watch;
  for (int64_t sent = 0;; ++sent) {
    if (sent % 64 == 0 && watch.Seconds() >= options.seconds) break;
    while (per_second > 0 && static_cast<double>(sent) >= watch.Seconds() * per_second) {
      std::this_thread::sleep_for(kPace);
    }
    RETURN_IF_ERROR(publisher.Publish(events.Next()));
  }
  return publisher.Flush(kSettleTimeout);
}

// Publishes one small event every 10 ms to a separate topic, with a follower. Latencies count from
// the time at which an event was due, so a delay counts for every event that it held up.
class Neighbours {
 public:
  static absl::StatusOr<std::unique_ptr<Neighbours>> Start(const HubOptions& options) {
    HubOptions own = options;
    own.topic += ".beside";
    own.partitions = 1;
    RETURN_IF_ERROR(CreateTopic(own));
    auto neighbours = std::make_unique<Neighbours>();
    client::PublisherOptions publisher_options;
    publisher_options.topic = own.topic;
    publisher_options.durability = options.durability;
    ASSIGN_OR_RETURN(
        neighbours->publisher_,
        client::Publisher::Create(client::Connect(own.address), std::move(publisher_options)));
    client::ReaderOptions reader_options;
    reader_options.topic = own.topic;
    reader_options.follow = true;
    ASSIGN_OR_RETURN(neighbours->reader_, client::Reader::Create(client::Connect(own.address),
                                                                 std::move(reader_options)));
    neighbours->event_.set_source("/benchmark");
    neighbours->event_.set_type("beside");
    neighbours->events_ = static_cast<int64_t>(options.seconds * 1e3) / kNeighbourPeriod.count();
    return neighbours;
  }

  absl::Status Publish() {
    const auto start = SteadyClock::now();
    for (int64_t i = 0; i < events_; ++i) {
      const auto due = start + i * kNeighbourPeriod;
      std::this_thread::sleep_until(due);
      event_.set_id(std::to_string(i));
      const auto ticks = due.time_since_epoch().count();
      event_.mutable_data()->assign(reinterpret_cast<const char*>(&ticks), sizeof(ticks));
      RETURN_IF_ERROR(
          publisher_->Publish(event_, [this, due](absl::StatusOr<client::PublishedEvent> done) {
            if (done.ok()) published_.Add(MillisSince(due));
          }));
    }
    return publisher_->Flush(kSettleTimeout);
  }

  absl::Status Follow() {
    int64_t followed = 0;
    while (followed < events_) {
      ASSIGN_OR_RETURN(const client::EventBatch batch, reader_->Next(kFollowTimeout));
      v1::Event event;
      for (const client::ReceivedEvent& received : batch) {
        RETURN_IF_ERROR(received.ParseTo(event));
        SteadyClock::rep ticks;
        std::memcpy(&ticks, event.data().data(), sizeof(ticks));
        followed_.Add(MillisSince(SteadyClock::time_point(SteadyClock::duration(ticks))));
        ++followed;
      }
    }
    return absl::OkStatus();
  }

  void AppendTo(Result& result) {
    published_.AppendTo("beside_publish", result);
    followed_.AppendTo("beside_follow", result);
  }

 private:
  std::unique_ptr<client::Publisher> publisher_;
  std::unique_ptr<client::Reader> reader_;
  v1::Event event_;
  int64_t events_ = 0;  // The number to publish and to follow.
  Latencies published_;
  Latencies followed_;
};

// Measures the rate of each full window, and the server's peak memory, sampled every 100 ms until
// `done`.
struct Samples {
  std::vector<double> rates;
  int64_t resident_bytes = 0;
};
Samples Sample(const HubOptions& options, const AckCounter& acked, const std::atomic<bool>& done) {
  Samples samples;
  const Stopwatch watch;
  double window = 0;
  int64_t before = acked.events();
  while (!done) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    samples.resident_bytes = std::max(samples.resident_bytes, ResidentBytes(options.server_pid));
    const double now = watch.Seconds();
    if (now - window < kWindowSeconds || now > options.seconds + 0.5) continue;
    const int64_t events = acked.events();
    samples.rates.push_back(static_cast<double>(events - before) / (now - window));
    before = events;
    window = now;
  }
  return samples;
}

}  // namespace

absl::Status MeasureSustained(const HubOptions& options) {
  AckCounter acked;
  std::vector<std::unique_ptr<client::Publisher>> publishers;
  std::vector<EventMaker> makers;
  for (int i = 0; i < options.threads; ++i) {
    client::PublisherOptions publisher_options;
    publisher_options.topic = options.topic;
    publisher_options.durability = options.durability;
    publisher_options.on_batch_done = [&acked](const client::BatchResult& result) {
      if (result.status.ok()) acked.Add(result.events);
    };
    ASSIGN_OR_RETURN(auto publisher, client::Publisher::Create(client::Connect(options.address),
                                                               std::move(publisher_options)));
    ASSIGN_OR_RETURN(EventMaker maker, EventMaker::Create(options.shape, i));
    publishers.push_back(std::move(publisher));
    makers.push_back(std::move(maker));
  }
  ASSIGN_OR_RETURN(const auto neighbours, Neighbours::Start(options));

  std::vector<absl::Status> statuses(options.threads + 2);
  std::vector<std::thread> threads;
  std::atomic<bool> done = false;
  Samples samples;
  std::thread sampler([&] { samples = Sample(options, acked, done); });
  const Stopwatch watch;
  for (int i = 0; i < options.threads; ++i) {
    threads.emplace_back([&, i] {
      statuses[i] =
          PublishFor(options, *publishers[i], makers[i], options.events_per_s / options.threads);
    });
  }
  std::thread beside([&] { statuses[options.threads] = neighbours->Publish(); });
  std::thread follower([&] { statuses[options.threads + 1] = neighbours->Follow(); });
  for (std::thread& thread : threads) thread.join();
  const double seconds = watch.Seconds();
  beside.join();
  follower.join();
  done = true;
  sampler.join();
  for (const absl::Status& status : statuses) RETURN_IF_ERROR(status);

  const double rate = static_cast<double>(acked.events()) / seconds;
  const auto worst = std::min_element(samples.rates.begin(), samples.rates.end());
  Result result = {{"events_per_s", rate},
                   {"mb_per_s", rate * static_cast<double>(options.shape.bytes) / 1e6},
                   {"worst_window_per_s", worst != samples.rates.end() ? *worst : rate},
                   {"longest_stall_ms", acked.longest_gap_seconds() * 1e3},
                   {"resident_mb", static_cast<double>(samples.resident_bytes) / 1e6}};
  for (size_t i = 0; i < samples.rates.size(); ++i) {
    result.emplace_back("window_" + std::to_string(i) + "_per_s", samples.rates[i]);
  }
  neighbours->AppendTo(result);
  PrintResult("hub_sustained", result);
  return absl::OkStatus();
}

}  // namespace eventhub::benchmark

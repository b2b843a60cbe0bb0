#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/hub_bench.h"
#include "tests/benchmark/hub_event.h"
#include "tests/benchmark/measure.h"

namespace eventhub::benchmark {
namespace {

constexpr absl::Duration kFlushTimeout = absl::Seconds(30);

struct Producer {
  std::unique_ptr<client::Publisher> publisher;
  EventMaker events;
  int64_t published = 0;
  absl::Status status;
};

absl::StatusOr<Producer> MakeProducer(const HubOptions& options, int number) {
  client::PublisherOptions publisher_options;
  publisher_options.topic = options.topic;
  publisher_options.durability = options.durability;
  if (options.batch_bytes > 0) publisher_options.max_batch_bytes = options.batch_bytes;
  ASSIGN_OR_RETURN(auto publisher, client::Publisher::Create(client::Connect(options.address),
                                                             std::move(publisher_options)));
  ASSIGN_OR_RETURN(EventMaker events, EventMaker::Create(options.shape, number));
  Producer producer{std::move(publisher), std::move(events), 0, absl::OkStatus()};
  // Connects and makes sure that the topic exists before the clock starts.
  RETURN_IF_ERROR(producer.publisher->Publish(producer.events.Next()));
  RETURN_IF_ERROR(producer.publisher->Flush(kFlushTimeout));
  return producer;
}

absl::Status Produce(const HubOptions& options, Producer& producer) {
  const Stopwatch watch;
  const auto over = [&] {
    if (options.events > 0) return producer.published >= options.events;
    // The clock is read only now and then.
    return producer.published % 64 == 0 && watch.Seconds() >= options.seconds;
  };
  while (!over()) {
    RETURN_IF_ERROR(producer.publisher->Publish(producer.events.Next()));
    ++producer.published;
  }
  return producer.publisher->Flush(kFlushTimeout);
}

}  // namespace

absl::Status MeasurePublish(const HubOptions& options) {
  std::vector<Producer> producers;
  for (int i = 0; i < options.threads; ++i) {
    ASSIGN_OR_RETURN(Producer producer, MakeProducer(options, i));
    producers.push_back(std::move(producer));
  }
  const Stopwatch watch;
  std::vector<std::thread> threads;
  for (Producer& producer : producers) {
    threads.emplace_back([&] { producer.status = Produce(options, producer); });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = watch.Seconds();
  double events = 0;
  for (const Producer& producer : producers) {
    RETURN_IF_ERROR(producer.status);
    events += static_cast<double>(producer.published);
  }
  PrintResult("hub_publish",
              {{"events", events},
               {"events_per_s", events / seconds},
               {"mb_per_s", events * static_cast<double>(options.shape.bytes) / seconds / 1e6}});
  return absl::OkStatus();
}

absl::Status MeasureLatency(const HubOptions& options) {
  ASSIGN_OR_RETURN(Producer producer, MakeProducer(options, 0));
  std::vector<double> micros;
  const Stopwatch watch;
  while (watch.Seconds() < options.seconds) {
    const Stopwatch one;
    RETURN_IF_ERROR(producer.publisher->PublishAsync(producer.events.Next()).get().status());
    micros.push_back(one.Seconds() * 1e6);
  }
  const double count = static_cast<double>(micros.size());
  PrintResult("hub_latency", {{"calls_per_s", count / watch.Seconds()},
                              {"p50_us", Percentile(micros, 0.5)},
                              {"p99_us", Percentile(micros, 0.99)}});
  return absl::OkStatus();
}

}  // namespace eventhub::benchmark

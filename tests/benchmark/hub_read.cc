#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/hub_bench.h"
#include "tests/benchmark/hub_event.h"
#include "tests/benchmark/measure.h"

namespace eventhub::benchmark {
namespace {

// A hub that sends nothing for so long does not work.
constexpr absl::Duration kNextTimeout = absl::Seconds(30);

struct Received {
  int64_t events = 0;
  int64_t bytes = 0;
};

absl::Status Count(const client::EventBatch& batch, bool parse, Received& received) {
  v1::Event event;
  for (const client::ReceivedEvent& one : batch) {
    if (parse) RETURN_IF_ERROR(one.ParseTo(event));
    ++received.events;
    received.bytes += static_cast<int64_t>(one.bytes().size());
  }
  return absl::OkStatus();
}

absl::Status ReadToEnd(const HubOptions& options, std::shared_ptr<client::Connection> connection,
                       Received& received) {
  client::ReaderOptions reader_options;
  reader_options.topic = options.topic;
  ASSIGN_OR_RETURN(auto reader, client::Reader::Create(std::move(connection), reader_options));
  while (true) {
    ASSIGN_OR_RETURN(const client::EventBatch batch, reader->Next(kNextTimeout));
    if (batch.done()) return absl::OkStatus();
    RETURN_IF_ERROR(Count(batch, options.parse, received));
  }
}

// Follows the topic from its end. For the thread that made it.
class Follower {
 public:
  static absl::StatusOr<Follower> Start(const HubOptions& options) {
    client::ReaderOptions reader_options;
    reader_options.topic = options.topic;
    reader_options.start = client::StartPosition::Latest();
    reader_options.follow = true;
    ASSIGN_OR_RETURN(auto reader,
                     client::Reader::Create(client::Connect(options.address), reader_options));
    // It has a position at the hub once it is told that it caught up.
    while (true) {
      ASSIGN_OR_RETURN(const client::EventBatch batch, reader->Next(kNextTimeout));
      if (batch.caught_up()) break;
    }
    return Follower(std::move(reader));
  }

  absl::Status Receive(int64_t events, bool parse) {
    while (received_.events < events) {
      ASSIGN_OR_RETURN(const client::EventBatch batch, reader_->Next(kNextTimeout));
      RETURN_IF_ERROR(Count(batch, parse, received_));
    }
    return absl::OkStatus();
  }

  const Received& received() const { return received_; }

 private:
  explicit Follower(std::unique_ptr<client::Reader> reader) : reader_(std::move(reader)) {}

  std::unique_ptr<client::Reader> reader_;
  Received received_;
};

absl::Status PublishAll(const HubOptions& options) {
  client::PublisherOptions publisher_options;
  publisher_options.topic = options.topic;
  publisher_options.durability = options.durability;
  ASSIGN_OR_RETURN(auto publisher,
                   client::Publisher::Create(client::Connect(options.address), publisher_options));
  ASSIGN_OR_RETURN(EventMaker events, EventMaker::Create(options.event_bytes, 0, options.keys));
  for (int64_t i = 0; i < options.events; ++i) RETURN_IF_ERROR(publisher->Publish(events.Next()));
  return publisher->Flush(absl::Seconds(30));
}

void Report(const char* name, const Received& received, double seconds) {
  PrintResult(name, {{"events", static_cast<double>(received.events)},
                     {"events_per_s", static_cast<double>(received.events) / seconds},
                     {"mb_per_s", static_cast<double>(received.bytes) / seconds / 1e6}});
}

}  // namespace

absl::Status MeasureRead(const HubOptions& options, bool once) {
  struct Task {
    std::shared_ptr<client::Connection> connection;
    Received received;
    absl::Status status;
  };
  std::vector<Task> tasks(options.threads);
  for (Task& task : tasks) {
    task.connection = client::Connect(options.address);
    RETURN_IF_ERROR(client::AdminClient(task.connection).CheckHealth().status());
  }
  const Stopwatch watch;
  std::vector<std::thread> threads;
  for (Task& task : tasks) {
    threads.emplace_back([&] {
      do {
        task.status = ReadToEnd(options, task.connection, task.received);
      } while (task.status.ok() && !once && watch.Seconds() < options.seconds);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = watch.Seconds();
  Received total;
  for (const Task& task : tasks) {
    RETURN_IF_ERROR(task.status);
    total.events += task.received.events;
    total.bytes += task.received.bytes;
  }
  Report("hub_read", total, seconds);
  return absl::OkStatus();
}

absl::Status MeasureFanOut(const HubOptions& options) {
  std::vector<Follower> followers;
  for (int i = 0; i < options.threads; ++i) {
    ASSIGN_OR_RETURN(Follower follower, Follower::Start(options));
    followers.push_back(std::move(follower));
  }
  std::vector<absl::Status> statuses(followers.size());
  const Stopwatch watch;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < followers.size(); ++i) {
    threads.emplace_back(
        [&, i] { statuses[i] = followers[i].Receive(options.events, options.parse); });
  }
  const absl::Status published = PublishAll(options);
  for (std::thread& thread : threads) thread.join();
  const double seconds = watch.Seconds();
  RETURN_IF_ERROR(published);
  Received total;
  for (size_t i = 0; i < followers.size(); ++i) {
    RETURN_IF_ERROR(statuses[i]);
    total.events += followers[i].received().events;
    total.bytes += followers[i].received().bytes;
  }
  Report("hub_fan_out", total, seconds);
  return absl::OkStatus();
}

}  // namespace eventhub::benchmark

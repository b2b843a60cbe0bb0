#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/reader.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/hub_bench.h"
#include "tests/benchmark/hub_pass.h"
#include "tests/benchmark/measure.h"

namespace eventhub::benchmark {
namespace {

// Follows the topic from its end. Used only by the thread that created it.
class Follower {
 public:
  static absl::StatusOr<Follower> Start(const HubOptions& options) {
    client::ReaderOptions reader_options;
    reader_options.topic = options.topic;
    reader_options.start = client::StartPosition::Latest();
    reader_options.follow = true;
    ASSIGN_OR_RETURN(auto reader,
                     client::Reader::Create(client::Connect(options.address), reader_options));
    // The hub has established its position once it reports that it caught up.
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
        const absl::StatusOr<Received> pass = ReadPass(options, task.connection);
        task.status = pass.status();
        if (pass.ok()) task.received += *pass;
      } while (task.status.ok() && !once && watch.Seconds() < options.seconds);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = watch.Seconds();
  Received total;
  for (const Task& task : tasks) {
    RETURN_IF_ERROR(task.status);
    total += task.received;
  }
  total.seconds = seconds;
  Result result = Rates("", total);
  result.emplace_back("scanned_per_s", static_cast<double>(total.scanned) / seconds);
  PrintResult("hub_read", result);
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
    total += followers[i].received();
  }
  total.seconds = seconds;
  PrintResult("hub_fan_out", Rates("", total));
  return absl::OkStatus();
}

}  // namespace eventhub::benchmark

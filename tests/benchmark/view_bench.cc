// Compares a view in SQLite that a processor materializes with SQLite's own rate, in one run.
//
//     view_bench --address=localhost:7070 --directory=/tmp/view-bench
//
// `rounds` times in turn: upserts of as many rows, by one thread, in transactions of 1,000; and a
// processor on a subscription with as many events, from its start until all are settled.
#include <sqlite3.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "eventhub/admin_client.h"
#include "eventhub/processor/processor.h"
#include "eventhub/processor/sqlite_view.h"
#include "eventhub/publisher.h"
#include "eventhub/subscription_client.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/measure.h"

ABSL_FLAG(std::string, address, "localhost:7070", "The hub");
ABSL_FLAG(std::string, topic, "view-bench", "The topic, which is created if it does not exist");
ABSL_FLAG(std::string, directory, "", "For databases; must not exist");
ABSL_FLAG(int, events, 300'000, "Events of each measurement");
ABSL_FLAG(int, keys, 20'000, "Different rows");
ABSL_FLAG(int, rounds, 3, "Rounds; the median is printed");

namespace eventhub::benchmark {
namespace {

constexpr int kRowsPerTransaction = 1000;
constexpr absl::Duration kPatience = absl::Minutes(2);

std::string KeyOf(int i) {
  return absl::StrCat("article-", (i * 7919LL) % absl::GetFlag(FLAGS_keys));
}

absl::Status PublishAll() {
  const auto hub = client::Connect(absl::GetFlag(FLAGS_address));
  const auto created =
      client::AdminClient(hub).CreateTopic({.name = absl::GetFlag(FLAGS_topic), .partitions = 4});
  RETURN_IF_ERROR(created.status());
  ASSIGN_OR_RETURN(auto publisher,
                   client::Publisher::Create(hub, {.topic = absl::GetFlag(FLAGS_topic)}));
  v1::Event event;
  event.set_source("/bench");
  event.set_type("bench");
  for (int i = 0; i < absl::GetFlag(FLAGS_events); ++i) {
    event.set_id(absl::StrCat(i));
    event.set_partition_key(KeyOf(i));
    RETURN_IF_ERROR(publisher->Publish(event));
  }
  return publisher->Flush();
}

absl::Status Check(int code, sqlite3* database) {
  const bool fine = code == SQLITE_OK || code == SQLITE_DONE;
  return fine ? absl::OkStatus() : absl::InternalError(sqlite3_errmsg(database));
}

absl::StatusOr<double> MeasureSqlite(const std::string& path) {
  sqlite3* database = nullptr;
  RETURN_IF_ERROR(Check(sqlite3_open(path.c_str(), &database), database));
  const auto run = [&](const char* sql) {
    return Check(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), database);
  };
  RETURN_IF_ERROR(
      run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
          "CREATE TABLE stock (key TEXT PRIMARY KEY, quantity INTEGER) WITHOUT ROWID"));
  sqlite3_stmt* upsert = nullptr;
  RETURN_IF_ERROR(Check(
      sqlite3_prepare_v2(database,
                         "INSERT INTO stock (key, quantity) VALUES (?1, ?2) ON CONFLICT (key) "
                         "DO UPDATE SET quantity = excluded.quantity",
                         -1, &upsert, nullptr),
      database));
  const Stopwatch watch;
  for (int i = 0; i < absl::GetFlag(FLAGS_events); ++i) {
    if (i % kRowsPerTransaction == 0) RETURN_IF_ERROR(run("BEGIN"));
    const std::string key = KeyOf(i);
    sqlite3_bind_text(upsert, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
    sqlite3_bind_int64(upsert, 2, i);
    RETURN_IF_ERROR(Check(sqlite3_step(upsert), database));
    sqlite3_reset(upsert);
    if (i % kRowsPerTransaction == kRowsPerTransaction - 1) RETURN_IF_ERROR(run("COMMIT"));
  }
  if (sqlite3_get_autocommit(database) == 0) RETURN_IF_ERROR(run("COMMIT"));
  const double seconds = watch.Seconds();
  sqlite3_finalize(upsert);
  sqlite3_close(database);
  return seconds;
}

absl::StatusOr<double> MeasureView(const std::string& path, const std::string& subscription) {
  const auto hub = client::Connect(absl::GetFlag(FLAGS_address));
  RETURN_IF_ERROR(client::SubscriptionClient(hub)
                      .CreateSubscription({.name = subscription,
                                           .topic = absl::GetFlag(FLAGS_topic),
                                           .kind = client::SubscriptionKind::kStream},
                                          client::StartPosition::Earliest())
                      .status());
  ASSIGN_OR_RETURN(
      auto view,
      processor::OpenSqliteView(
          {.path = path,
           .view = {.name = "stock", .columns = {{"quantity", processor::ColumnType::kInteger}}}}));
  Mutex mutex;
  CondVar change;
  int settled = 0;
  const auto rule =
      processor::Pipeline("stock")
          .Map([](const v1::Event& event) { return int64_t{std::stoi(event.id())}; })
          .Materialize(view,
                       [](const v1::Event& event, const int64_t& number) {
                         return processor::Row{.key = event.partition_key(), .values = {number}};
                       })
          .ForEach([&](const v1::Event&) {
            MutexLock lock(mutex);
            if (++settled == absl::GetFlag(FLAGS_events)) change.NotifyAll();
          });
  const Stopwatch watch;
  ASSIGN_OR_RETURN(auto processor,
                   processor::Processor::Start(hub, {.subscription = subscription,
                                                     .source = "/bench/view",
                                                     .pipelines = {rule},
                                                     .credit = {.events = 10'000}}));
  {
    MutexLock lock(mutex);
    while (settled < absl::GetFlag(FLAGS_events)) {
      if (!change.WaitFor(mutex, kPatience)) {
        return absl::DeadlineExceededError(absl::StrCat(settled, " events were materialized"));
      }
    }
  }
  const double seconds = watch.Seconds();
  std::fprintf(stderr, "rows in a write: %.0f\n",
               static_cast<double>(processor->counters()[0].batched_units) /
                   static_cast<double>(processor->counters()[0].batches));
  RETURN_IF_ERROR(processor->Stop());
  return seconds;
}

absl::Status Run() {
  const std::string directory = absl::GetFlag(FLAGS_directory);
  std::filesystem::create_directories(directory);
  RETURN_IF_ERROR(PublishAll());
  std::vector<double> sqlite;
  std::vector<double> view;
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    ASSIGN_OR_RETURN(sqlite.emplace_back(),
                     MeasureSqlite(absl::StrCat(directory, "/sqlite", round)));
    ASSIGN_OR_RETURN(view.emplace_back(), MeasureView(absl::StrCat(directory, "/view", round),
                                                      absl::StrCat("view-bench-", round)));
  }
  const auto rate = [](std::vector<double>& seconds) {
    return absl::GetFlag(FLAGS_events) / Percentile(seconds, 0.5);
  };
  PrintResult("view", {{"sqlite_rows_per_s", rate(sqlite)}, {"view_rows_per_s", rate(view)}});
  return absl::OkStatus();
}

}  // namespace
}  // namespace eventhub::benchmark

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = eventhub::benchmark::Run();
  if (!status.ok()) std::fprintf(stderr, "view_bench: %s\n", status.ToString().c_str());
  std::error_code ignored;
  std::filesystem::remove_all(absl::GetFlag(FLAGS_directory), ignored);
  return status.ok() ? 0 : 1;
}

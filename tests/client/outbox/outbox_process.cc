// A service with an outbox in its own process, which tests kill. For each event that is accepted it
// writes a line to the standard output: its id.
//
//     outbox_process ADDRESS DIRECTORY always|spill RUN
//     outbox_process ADDRESS DIRECTORY drain
//
// The same with an outbox table in SQLite, in the directory:
//
//     outbox_process ADDRESS DIRECTORY relay RUN
//     outbox_process ADDRESS DIRECTORY drain-relay
//
// Or in PostgreSQL:
//
//     outbox_process ADDRESS CONNECTION postgres RUN
//     outbox_process ADDRESS CONNECTION drain-postgres
//
// The last form leaves events in a directory, and sends nothing:
//
//     outbox_process ADDRESS DIRECTORY leave TOPIC COUNT
#include <libpq-fe.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "eventhub/outbox.h"
#include "eventhub/postgres_outbox.h"
#include "eventhub/sqlite_outbox.h"

namespace client = eventhub::client;

namespace {

constexpr int kKeys = 7;
constexpr int kBetweenFlushes = 64;

void WriteLine(const std::string& id) {
  const std::string line = id + "\n";
  if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(1);
}

eventhub::v1::Event EventOf(const std::string& run, int n) {
  eventhub::v1::Event event;
  event.set_id(absl::StrCat(run, "/", n));
  event.set_source("/outbox_process");
  event.set_type("test");
  event.set_partition_key(absl::StrCat("key", n % kKeys));
  event.set_data(std::string(static_cast<size_t>(n % 500), 'x'));
  return event;
}

int Publish(client::Outbox& outbox, const std::string& run) {
  for (int n = 0;; ++n) {
    const eventhub::v1::Event event = EventOf(run, n);
    const absl::Status taken =
        outbox.Publish("t", event, [id = event.id()](const absl::Status& status) {
          if (status.ok()) WriteLine(id);
        });
    if (taken.ok() && (n % kBetweenFlushes != 0 || outbox.Flush().ok())) continue;
    std::fprintf(stderr, "cannot publish: %s\n", taken.ToString().c_str());
    return 1;
  }
}

int Leave(client::Outbox& outbox, const std::string& topic, int count) {
  for (int n = 0; n < count; ++n) {
    eventhub::v1::Event event;
    event.set_id(absl::StrCat(topic, "-", n));
    event.set_source("/outbox_process");
    event.set_type("test");
    event.set_data(absl::StrCat("data ", n));
    if (!outbox.Publish(topic, event).ok()) return 1;
  }
  return 0;
}

// The database of a service.
struct Database {
  std::function<bool(const char* sql)> execute;
  std::function<bool(const eventhub::v1::Event& event)> insert;
};

// Transactions of one to twenty events.
int PublishRows(const Database& database, const std::string& run) {
  bool ok = true;
  for (int n = 0; ok;) {
    ok = database.execute("BEGIN");
    std::string ids;
    for (int last = n + n % 20; ok && n <= last; ++n) {
      const eventhub::v1::Event event = EventOf(run, n);
      ok = database.insert(event);
      absl::StrAppend(&ids, ids.empty() ? "" : "\n", event.id());
    }
    ok = ok && database.execute("COMMIT");
    if (ok) WriteLine(ids);
  }
  return 1;
}

int PublishSqliteRows(const std::string& path, const std::string& run) {
  sqlite3* handle = nullptr;
  if (sqlite3_open(path.c_str(), &handle) != SQLITE_OK) return 1;
  sqlite3_busy_timeout(handle, 30'000);
  const Database database = {
      .execute =
          [&](const char* sql) {
            const char* const now = std::string(sql) == "BEGIN" ? "BEGIN IMMEDIATE" : sql;
            return sqlite3_exec(handle, now, nullptr, nullptr, nullptr) == SQLITE_OK;
          },
      .insert =
          [&](const eventhub::v1::Event& event) {
            return client::InsertIntoOutbox(handle, "t", event).ok();
          }};
  const int code = PublishRows(database, run);
  std::fprintf(stderr, "cannot write: %s\n", sqlite3_errmsg(handle));
  sqlite3_close(handle);
  return code;
}

int PublishPostgresRows(const std::string& options, const std::string& run) {
  PGconn* const handle = PQconnectdb(options.c_str());
  const Database database = {.execute =
                                 [&](const char* sql) {
                                   PGresult* const result = PQexec(handle, sql);
                                   const bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
                                   PQclear(result);
                                   return ok;
                                 },
                             .insert =
                                 [&](const eventhub::v1::Event& event) {
                                   return client::InsertIntoOutbox(handle, "t", event).ok();
                                 }};
  const int code = PublishRows(database, run);
  std::fprintf(stderr, "cannot write: %s\n", PQerrorMessage(handle));
  PQfinish(handle);
  return code;
}

// Drains what is there.
int Drain(const absl::StatusOr<std::unique_ptr<client::OutboxRelay>>& relay) {
  const absl::Status drained = (*relay)->Drain(absl::Seconds(60));
  if (drained.ok() && (*relay)->status().refused_rows == 0) return 0;
  std::fprintf(stderr, "%s\n", drained.ToString().c_str());
  return 1;
}

constexpr size_t kRelayBatchBytes = 16 * 1024;

int RunSqliteRelay(const std::string& address, const std::string& directory,
                   const std::string& run) {
  ::mkdir(directory.c_str(), 0777);
  const std::string path = directory + "/service.db";
  client::SqliteRelayOptions options;
  options.path = path;
  options.relay.max_batch_bytes = kRelayBatchBytes;
  const auto relay = client::OpenSqliteRelay(client::Connect(address), options);
  if (!relay.ok()) {
    std::fprintf(stderr, "%s\n", relay.status().ToString().c_str());
    return 1;
  }
  return run.empty() ? Drain(relay) : PublishSqliteRows(path, run);
}

int RunPostgresRelay(const std::string& address, const std::string& connection,
                     const std::string& run) {
  client::PostgresRelayOptions options;
  options.connection = connection;
  options.relay.max_batch_bytes = kRelayBatchBytes;
  const auto relay = client::OpenPostgresRelay(client::Connect(address), options);
  if (!relay.ok()) {
    std::fprintf(stderr, "%s\n", relay.status().ToString().c_str());
    return 1;
  }
  return run.empty() ? Drain(relay) : PublishPostgresRows(connection, run);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const std::string mode = argv[3];
  const std::string run = argc > 4 ? argv[4] : "0";
  if (mode == "relay") return RunSqliteRelay(argv[1], argv[2], run);
  if (mode == "drain-relay") return RunSqliteRelay(argv[1], argv[2], "");
  if (mode == "postgres") return RunPostgresRelay(argv[1], argv[2], run);
  if (mode == "drain-postgres") return RunPostgresRelay(argv[1], argv[2], "");
  client::OutboxOptions options;
  options.directory = argv[2];
  options.max_bytes = uint64_t{1} << 30;
  options.max_batch_bytes = 16 * 1024;
  if (mode == "spill") {
    options.mode = client::OutboxMode::kSpill;
    options.spill_after = absl::Milliseconds(20);
  }
  options.send = mode != "leave";
  auto outbox = client::Outbox::Open(client::Connect(argv[1]), options);
  if (!outbox.ok()) {
    std::fprintf(stderr, "%s\n", outbox.status().ToString().c_str());
    return 1;
  }
  if (mode == "leave") return argc == 6 ? Leave(**outbox, argv[4], std::atoi(argv[5])) : 2;
  if (mode != "drain") return Publish(**outbox, run);
  const absl::Status drained = (*outbox)->Drain(absl::Seconds(60));
  if (drained.ok() && (*outbox)->status().lost_events == 0) return 0;
  std::fprintf(stderr, "%s\n", drained.ToString().c_str());
  return 1;
}

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
// The last form leaves events in a directory, and sends nothing:
//
//     outbox_process ADDRESS DIRECTORY leave TOPIC COUNT
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "eventhub/outbox.h"
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

// Transactions of one to twenty events.
int PublishRows(const std::string& path, const std::string& run) {
  sqlite3* database = nullptr;
  const auto execute = [&](const char* sql) {
    return sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
  };
  bool ok = sqlite3_open(path.c_str(), &database) == SQLITE_OK;
  sqlite3_busy_timeout(database, 30'000);
  for (int n = 0; ok;) {
    ok = execute("BEGIN IMMEDIATE");
    std::string ids;
    for (int last = n + n % 20; ok && n <= last; ++n) {
      const eventhub::v1::Event event = EventOf(run, n);
      ok = client::InsertIntoOutbox(database, "t", event).ok();
      absl::StrAppend(&ids, ids.empty() ? "" : "\n", event.id());
    }
    ok = ok && execute("COMMIT");
    if (ok) WriteLine(ids);
  }
  std::fprintf(stderr, "cannot write: %s\n", sqlite3_errmsg(database));
  sqlite3_close(database);
  return 1;
}

int RunRelay(const std::string& address, const std::string& directory, const std::string& run) {
  ::mkdir(directory.c_str(), 0777);
  const std::string path = directory + "/service.db";
  client::SqliteRelayOptions options;
  options.path = path;
  options.relay.max_batch_bytes = 16 * 1024;
  auto relay = client::OpenSqliteRelay(client::Connect(address), options);
  if (!relay.ok()) {
    std::fprintf(stderr, "%s\n", relay.status().ToString().c_str());
    return 1;
  }
  if (!run.empty()) return PublishRows(path, run);
  const absl::Status drained = (*relay)->Drain(absl::Seconds(60));
  if (drained.ok() && (*relay)->status().refused_rows == 0) return 0;
  std::fprintf(stderr, "%s\n", drained.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const std::string mode = argv[3];
  if (mode == "relay") return RunRelay(argv[1], argv[2], argc > 4 ? argv[4] : "0");
  if (mode == "drain-relay") return RunRelay(argv[1], argv[2], "");
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
  if (mode != "drain") return Publish(**outbox, argc > 4 ? argv[4] : "0");
  const absl::Status drained = (*outbox)->Drain(absl::Seconds(60));
  if (drained.ok() && (*outbox)->status().lost_events == 0) return 0;
  std::fprintf(stderr, "%s\n", drained.ToString().c_str());
  return 1;
}

// A transactional outbox in SQLite: takes ten orders, each in one transaction with its event, and
// relays the events to the hub. Run it without a hub, then again with one.
//
//   relay_sqlite [address] [topic] [database]

#include <sqlite3.h>

#include <iostream>
#include <string>

#include "eventhub/sqlite_outbox.h"

using eventhub::client::Connect;
using eventhub::client::InsertIntoOutbox;
using eventhub::client::OpenSqliteRelay;
using eventhub::client::OutboxRelayStatus;
using eventhub::client::SqliteOutboxSchema;

namespace {

bool Execute(sqlite3* database, const std::string& sql) {
  if (sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return true;
  std::cerr << sql << ": " << sqlite3_errmsg(database) << "\n";
  return false;
}

// Both are stored, or neither is.
bool TakeOrder(sqlite3* database, const std::string& topic) {
  if (!Execute(database, "BEGIN IMMEDIATE")) return false;
  bool stored = Execute(database, "INSERT INTO orders (total) VALUES (42)");
  const std::string order = "order-" + std::to_string(sqlite3_last_insert_rowid(database));
  eventhub::v1::Event event;
  event.set_id(order + "-placed");
  event.set_source("/examples/relay");
  event.set_type("shop.order.placed");
  event.set_partition_key(order);  // Events of one order stay in order.
  event.set_data_content_type("application/json");
  event.set_data("{\"total\": 42}");
  if (stored) {
    const absl::Status status = InsertIntoOutbox(database, topic, event);
    if (!status.ok()) std::cerr << status << "\n";
    stored = status.ok();
  }
  return Execute(database, stored ? "COMMIT" : "ROLLBACK") && stored;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "localhost:7070";
  const std::string topic = argc > 2 ? argv[2] : "orders";
  const std::string path = argc > 3 ? argv[3] : "shop.db";

  // The service's own database and migration.
  sqlite3* database = nullptr;
  if (sqlite3_open(path.c_str(), &database) != SQLITE_OK) return 1;
  sqlite3_busy_timeout(database, 5000);
  if (!Execute(database,
               "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total INTEGER)") ||
      !Execute(database, SqliteOutboxSchema())) {
    return 1;
  }

  // Runs beside the service, in this process or in another.
  auto relay = OpenSqliteRelay(Connect(address), {.path = path});
  if (!relay.ok()) {
    std::cerr << relay.status() << "\n";
    return 1;
  }
  for (int i = 0; i < 10; ++i) {
    if (!TakeOrder(database, topic)) return 1;
  }
  (*relay)->Notify();
  std::cout << "10 orders are taken\n";

  // A service would not wait: the next relay publishes pending events.
  const absl::Status drained = (*relay)->Drain(absl::Seconds(3));
  const OutboxRelayStatus status = (*relay)->status();
  std::cout << status.published_events << " events are in the hub, " << status.pending_rows
            << " rows are still to be published\n";
  if (!drained.ok()) std::cout << drained.message() << "\n";
  sqlite3_close(database);
  return 0;
}

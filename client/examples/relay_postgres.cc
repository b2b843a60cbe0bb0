// A transactional outbox in PostgreSQL: takes ten orders, each in one transaction with its event,
// and relays the events to the hub. Run it without a hub, then again with one.
//
//   relay_postgres [connection] [address] [topic]

#include <libpq-fe.h>

#include <iostream>
#include <memory>
#include <string>

#include "eventhub/postgres_outbox.h"

using eventhub::client::Connect;
using eventhub::client::OpenPostgresRelay;
using eventhub::client::OutboxRelayStatus;
using eventhub::client::PostgresOutboxSchema;

namespace {

bool Execute(PGconn* connection, const std::string& sql) {
  PGresult* const result = PQexec(connection, sql.c_str());
  const ExecStatusType code = PQresultStatus(result);
  PQclear(result);
  if (code == PGRES_COMMAND_OK || code == PGRES_TUPLES_OK) return true;
  std::cerr << PQerrorMessage(connection);
  return false;
}

// As any language would: the outbox is a table. (In C++, InsertIntoOutbox takes an Event.)
bool TakeOrder(PGconn* connection, const std::string& topic) {
  return Execute(connection,
                 "WITH placed AS (INSERT INTO orders (total) VALUES (42) RETURNING id, total) "
                 "INSERT INTO eventhub_outbox (topic, event) SELECT '" +
                     topic +
                     "', json_build_object("
                     "'source', '/examples/relay', 'type', 'shop.order.placed', "
                     "'id', 'order-' || id || '-placed', 'partitionkey', 'order-' || id, "
                     "'data', json_build_object('total', total)) FROM placed");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string database = argc > 1 ? argv[1] : "dbname=shop";
  const std::string address = argc > 2 ? argv[2] : "localhost:7070";
  const std::string topic = argc > 3 ? argv[3] : "orders";

  // The service's own connection and migration.
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(database.c_str()),
                                                                &PQfinish);
  if (!Execute(connection.get(), "SET client_min_messages = warning") ||
      !Execute(connection.get(),
               "CREATE TABLE IF NOT EXISTS orders (id BIGSERIAL PRIMARY KEY, total BIGINT)") ||
      !Execute(connection.get(), PostgresOutboxSchema())) {
    return 1;
  }

  // Runs beside the service, in this process or in another. Commits wake it.
  auto relay = OpenPostgresRelay(Connect(address), {.connection = database});
  if (!relay.ok()) {
    std::cerr << relay.status() << "\n";
    return 1;
  }
  for (int i = 0; i < 10; ++i) {
    if (!TakeOrder(connection.get(), topic)) return 1;
  }
  std::cout << "10 orders are taken\n";

  // A service would not wait: the next relay publishes pending events.
  const absl::Status drained = (*relay)->Drain(absl::Seconds(3));
  const OutboxRelayStatus status = (*relay)->status();
  std::cout << status.published_events << " events are in the hub, " << status.pending_rows
            << " rows are still to be published\n";
  if (!drained.ok()) std::cout << drained.message() << "\n";
  return 0;
}

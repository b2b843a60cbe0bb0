// A transactional outbox in SQLite; see eventhub/outbox_relay.h and client/outbox/README.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/connection.h"
#include "eventhub/outbox_relay.h"
#include "eventhub/v1/event.pb.h"

struct sqlite3;

namespace eventhub::client {

struct SqliteRelayOptions {
  // The service's database, created if it does not exist. It is put into WAL mode, so that the
  // service's readers and the relay do not block each other. The relay writes, too, so the
  // service's connections need a busy timeout. The file `<path>-<table>.lock` beside it says which
  // process publishes. Not for network file systems.
  std::string path{};
  OutboxRelayOptions relay{};
};

// The statements that create the tables, for the service's own migrations; they do nothing if the
// tables exist. See client/outbox/README.md for their columns.
std::string SqliteOutboxSchema(std::string_view table = "eventhub_outbox");

// Adds an event to the outbox table, as part of the transaction that is open on `database`, or in
// one of its own if none is. It will be published if and when that commits.
//
// INVALID_ARGUMENT, naming the field: the event is not valid, or has deliver_after, which would
// count from the time of publishing (set deliver_at). Otherwise an error of the database; the
// transaction is then as SQLite leaves it.
//
// Any language can do the same:
//
//     INSERT INTO eventhub_outbox (topic, event) VALUES ('orders', json_object(
//         'source', '/shop', 'type', 'shop.order.placed', 'partitionkey', 'order-17',
//         'data', json_object('total', 42)));
absl::Status InsertIntoOutbox(sqlite3* database, std::string_view topic, const v1::Event& event,
                              std::string_view table = "eventhub_outbox");

// Opens a relay and begins to publish. Does not wait for the hub.
//
// INVALID_ARGUMENT, naming the option, if one is out of range. FAILED_PRECONDITION if the file is
// no database, or its tables were written by a later version of this library. UNAVAILABLE for
// errors of the disk. Once open, a relay continues through all errors: see OutboxRelayStatus.
//
// Link eventhub::outbox_sqlite.
absl::StatusOr<std::unique_ptr<OutboxRelay>> OpenSqliteRelay(std::shared_ptr<Connection> connection,
                                                             SqliteRelayOptions options);

}  // namespace eventhub::client

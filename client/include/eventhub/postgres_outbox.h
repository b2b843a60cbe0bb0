// A transactional outbox in PostgreSQL; see eventhub/outbox_relay.h and client/outbox/README.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/connection.h"
#include "eventhub/outbox_relay.h"
#include "eventhub/v1/event.pb.h"

struct pg_conn;

namespace eventhub::client {

struct PostgresRelayOptions {
  // How to connect, as libpq takes it: "host=db dbname=shop user=relay" or a URI. The table is
  // looked up, or created, by the search path. Set connect_timeout and TCP keepalives there. It
  // must lead to the server or to a pool of sessions: a pool of transactions breaks LISTEN and the
  // lock that makes one relay the active one.
  std::string connection{};
  OutboxRelayOptions relay{};
};

// The statements that create the tables and the trigger that notifies the relay, for the service's
// own migrations; they do nothing if the tables exist. See client/outbox/README.md for their
// columns and for the rights that service and relay need.
std::string PostgresOutboxSchema(std::string_view table = "eventhub_outbox");

// Adds an event to the outbox table, as part of the transaction that is open on `connection`, or in
// one of its own if none is. It will be published if and when that commits. Blocks for a round
// trip.
//
// INVALID_ARGUMENT, naming the field: the event is not valid, or has deliver_after, which would
// count from the time of publishing (set deliver_at). Otherwise an error of the database; the
// transaction is then aborted.
//
// Any language can do the same:
//
//     INSERT INTO eventhub_outbox (topic, event) VALUES ('orders', json_build_object(
//         'source', '/shop', 'type', 'shop.order.placed', 'partitionkey', 'order-17',
//         'data', json_build_object('total', 42)));
absl::Status InsertIntoOutbox(pg_conn* connection, std::string_view topic, const v1::Event& event,
                              std::string_view table = "eventhub_outbox");

// Opens a relay and begins to publish. Does not wait for the hub. It uses three connections.
//
// INVALID_ARGUMENT, naming the option, if one is out of range. FAILED_PRECONDITION if the tables do
// not exist and are not to be created, or were written by a later version of this library.
// PERMISSION_DENIED if the tables must be created and may not be. UNAVAILABLE if the server cannot
// be reached. Once open, a relay continues through all errors: see OutboxRelayStatus.
//
// Link eventhub::outbox_postgres.
absl::StatusOr<std::unique_ptr<OutboxRelay>> OpenPostgresRelay(
    std::shared_ptr<Connection> connection, PostgresRelayOptions options);

}  // namespace eventhub::client

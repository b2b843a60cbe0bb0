// Views in a PostgreSQL database.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/processor/view.h"

struct pg_conn;

namespace eventhub::processor {

struct PostgresViewOptions {
  // How to connect, as libpq takes it: "host=db dbname=shop user=stock" or a URI. Tables are
  // created in the first schema of the search path. Set connect_timeout and TCP keepalives there.
  std::string connection{};
  ViewOptions view{};

  // Called inside of each transaction with the rows that were written, to write tables of the
  // program in the same transaction. Runs on the processor's thread for views; may use the
  // connection until it returns, and must not begin or end transactions.
  //
  // It must be idempotent. It is called again for the same rows if their events are delivered again
  // before they were settled, e.g. after a crash; and, under OnRewind::kReapply (the default) and
  // kRebuild, when the subscription is moved back or events are replayed. So write what the row
  // says under its key; do not add to a counter.
  //
  // An error, or an exception, rolls back the transaction. The events are then written in smaller
  // transactions until those that cause the error are alone; others are not affected. A transient
  // error (IsTransient, call.h) is retried as MaterializeOptions says. Any other error, and the
  // last failure of a retried one, is a fault of the event in this step. While the database itself
  // fails, e.g. because the connection broke, units wait, and no event is blamed.
  std::function<absl::Status(pg_conn* connection, const std::vector<const Row*>& rows)>
      in_transaction{};
};

// Opens a view in a database. Several processes may share it: each writes the partitions that are
// assigned to it. Programs of any kind can read it, under the view's name:
//
//     SELECT quantity FROM stock WHERE key = 'sku-7'
//
// It is an SQL view over the table of the present generation, `<name>_<generation>`. The tables of
// positions have names that begin with `eventhub_`. During a rebuild, `stock` does not change.
//
// Uses two connections, one of them for writes. A lost connection is opened again.
//
// UNAVAILABLE if the server cannot be reached; FAILED_PRECONDITION if the tables were written by a
// later version of this library; INVALID_ARGUMENT, naming the option, if one is out of range.
//
// Link eventhub::processor_postgres.
absl::StatusOr<std::shared_ptr<View>> OpenPostgresView(const PostgresViewOptions& options);

}  // namespace eventhub::processor

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

  // Called inside of each transaction, after the rows that are newer were written, with those rows:
  // to write tables of the program's own in the same transaction. An error, or an exception, undoes
  // the transaction, which is tried again; see Pipeline::Materialize. Runs on the processor's
  // thread for views; may use the connection until it returns, and must not begin or end
  // transactions.
  std::function<absl::Status(pg_conn* connection, const std::vector<const Row*>& rows)>
      in_transaction{};
};

// Opens a view in a database, which several processes may share: each writes the partitions that it
// has. Programs of any kind can read it, under the view's name:
//
//     SELECT quantity FROM stock WHERE key = 'sku-7'
//
// It is an SQL view over the table of the present generation, `<name>_<generation>`; positions are
// in tables whose names begin with `eventhub_`. While it is rebuilt, `stock` remains what it was.
//
// A connection that is lost is opened again. Two connections are used: one for writes.
//
// UNAVAILABLE if the server cannot be reached; FAILED_PRECONDITION if the tables were written by a
// later version of this library; INVALID_ARGUMENT, naming the option.
//
// Link eventhub::processor_postgres.
absl::StatusOr<std::shared_ptr<View>> OpenPostgresView(const PostgresViewOptions& options);

}  // namespace eventhub::processor

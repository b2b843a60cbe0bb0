// Views in a SQLite database.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/processor/view.h"

struct sqlite3;

namespace eventhub::processor {

struct SqliteViewOptions {
  // The database, created if it does not exist. Several views, and tables of the program's own, may
  // share it. It is put into WAL mode, so that readers are never blocked.
  std::string path{};
  ViewOptions view{};

  // Called inside of each transaction, after the rows that are newer were written, with those rows:
  // to write tables of the program's own in the same transaction. An error, or an exception, undoes
  // the transaction, which is tried again; see Pipeline::Materialize. Runs on the processor's
  // thread for views; may use the connection until it returns, and must not begin or end
  // transactions.
  std::function<absl::Status(sqlite3* database, const std::vector<const Row*>& rows)>
      in_transaction{};

  // Whether each transaction is synced to the disk. If not, the last ones may be lost in a power
  // failure, and the view is brought up to date from the topic; what `in_transaction` wrote is lost
  // and written again with them.
  bool sync = false;
};

// Opens a view in a database. Programs of any kind can read it, under the view's name:
//
//     SELECT quantity FROM stock WHERE key = 'sku-7'
//
// It is an SQL view over the table of the present generation, `<name>_<generation>`; positions are
// in tables whose names begin with `eventhub_`. While it is rebuilt, `stock` remains what it was.
//
// FAILED_PRECONDITION if the file is no database, or was written by a later version of this
// library; INVALID_ARGUMENT, naming the option.
//
// Link eventhub::processor_sqlite.
absl::StatusOr<std::shared_ptr<View>> OpenSqliteView(const SqliteViewOptions& options);

}  // namespace eventhub::processor

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
  // fails, e.g. because the disk is full, units wait, and no event is blamed.
  std::function<absl::Status(sqlite3* database, const std::vector<const Row*>& rows)>
      in_transaction{};

  // Whether each transaction is synced to the disk. If not, a power failure may lose the last ones,
  // with the rows that `in_transaction` wrote. The view is then brought up to date from the topic,
  // and `in_transaction` is called again for these rows.
  bool sync = false;
};

// Opens a view in a database. Programs of any kind can read it, under the view's name:
//
//     SELECT quantity FROM stock WHERE key = 'sku-7'
//
// It is an SQL view over the table of the present generation, `<name>_<generation>`. The tables of
// positions have names that begin with `eventhub_`. During a rebuild, `stock` does not change.
//
// FAILED_PRECONDITION if the file is not a database, or was written by a later version of this
// library; INVALID_ARGUMENT, naming the option, if one is out of range.
//
// Link eventhub::processor_sqlite.
absl::StatusOr<std::shared_ptr<View>> OpenSqliteView(const SqliteViewOptions& options);

}  // namespace eventhub::processor

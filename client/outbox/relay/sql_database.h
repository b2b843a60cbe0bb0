// The interface of a relay to a database.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace eventhub::client::outbox {

// The value of a parameter; the first is NULL.
using SqlValue = std::variant<std::monostate, int64_t, std::string>;
using SqlValues = std::vector<SqlValue>;

// The differences in the SQL of databases.
struct SqlDialect {
  // Begins a transaction that will write.
  const char* begin;
  // The end of a SELECT that locks its rows until the transaction ends.
  const char* for_update;
  // `id` is in the list $n, where `$` stands for the parameter.
  const char* in_list;
  // The values of a column `ids` of lists, as a table `listed` with the column `value`.
  const char* unnest_ids;
  char list_begin;
  char list_end;
  // A column with a time, as microseconds since the Unix epoch, where `$` stands for the column.
  const char* micros;
};

// One connection, and how to open it again. Thread-compatible.
class SqlDatabase {
 public:
  // A row of a result; valid while it is visited.
  class Row {
   public:
    virtual bool IsNull(int column) const = 0;
    virtual int64_t Integer(int column) const = 0;
    virtual std::string_view Text(int column) const = 0;

   protected:
    ~Row() = default;
  };
  // Returns whether to continue.
  using Visit = absl::FunctionRef<bool(const Row& row)>;

  virtual ~SqlDatabase() = default;

  virtual const SqlDialect& dialect() const = 0;

  // Opens the connection, unless it is open and usable.
  virtual absl::Status Connect() = 0;
  // Closes the connection; rolls back an open transaction, and releases the lock.
  virtual void Disconnect() = 0;

  // Runs a statement with the values of $1, $2, …, each of which occurs in it, in that order of
  // first use. May hold all rows of the result in memory.
  virtual absl::Status Run(const std::string& sql, const SqlValues& values, Visit visit) = 0;
  absl::Status Run(const std::string& sql, const SqlValues& values = {}) {
    return Run(sql, values, [](const Row&) { return true; });
  }
  // The same for a SELECT outside of a transaction, in bounded memory.
  virtual absl::Status Read(const std::string& sql, const SqlValues& values, Visit visit) = 0;

  // Runs several statements, without values.
  virtual absl::Status RunScript(const std::string& sql) = 0;

  virtual absl::StatusOr<bool> HasTable(const std::string& table) = 0;

  // Takes the lock of the table's relay; false if another connection holds it. It is held until
  // Disconnect, or until the process or the connection ends.
  virtual absl::StatusOr<bool> TryLock(const std::string& table) = 0;

  // Whether another connection may have written since the last call.
  virtual absl::StatusOr<bool> MayHaveChanged() = 0;
};

// Calls back when rows may have been added, until it is destroyed.
class SqlListener {
 public:
  virtual ~SqlListener() = default;
};

// A database, as a relay uses it.
struct RelayDatabase {
  std::unique_ptr<SqlDatabase> relay;      // Of the thread that publishes.
  std::unique_ptr<SqlDatabase> operators;  // Of operators' calls.
  std::string schema;                      // Of SqliteOutboxSchema or PostgresOutboxSchema.
  // Null if the database has no notifications.
  std::function<std::unique_ptr<SqlListener>(std::function<void()> wake)> listen;
};

// A transaction. Rolled back by the destructor, unless it was committed.
class SqlTransaction {
 public:
  explicit SqlTransaction(SqlDatabase& database) : database_(database) {}
  ~SqlTransaction() {
    if (open_) database_.Run("ROLLBACK").IgnoreError();
  }
  SqlTransaction(const SqlTransaction&) = delete;
  SqlTransaction& operator=(const SqlTransaction&) = delete;

  absl::Status Begin() {
    const absl::Status status = database_.Run(database_.dialect().begin);
    open_ = status.ok();
    return status;
  }
  // After an error, the outcome is unknown.
  absl::Status Commit() {
    const absl::Status status = database_.Run("COMMIT");
    open_ = !status.ok();
    return status;
  }

 private:
  SqlDatabase& database_;
  bool open_ = false;
};

}  // namespace eventhub::client::outbox

// A connection to PostgreSQL.
#pragma once

#include <libpq-fe.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/processor/view.h"

namespace eventhub::processor::internal {

// The result of a statement.
class PostgresResult {
 public:
  explicit PostgresResult(PGresult* result) : result_(result) {}

  int rows() const { return PQntuples(result_.get()); }
  int columns() const { return PQnfields(result_.get()); }
  std::string_view Text(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<size_t>(PQgetlength(result_.get(), row, column))};
  }
  int64_t Integer(int row, int column) const;
  Value ValueAt(int row, int column) const;
  // The number of rows that the statement wrote.
  int64_t affected() const;
  const PGresult* get() const { return result_.get(); }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

// The values of $1, $2, … in the form in which they are sent.
class PostgresParameters {
 public:
  void Add(std::string_view text);
  void Add(int64_t number);
  void Add(const Value& value, ColumnType type);
  void Clear();

  int size() const { return static_cast<int>(values_.size()); }
  // Valid until the next change.
  const std::vector<const char*>& pointers();
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  void Add(std::string bytes, int format);

  std::vector<std::string> values_;
  std::vector<bool> nulls_;
  std::vector<int> lengths_;
  std::vector<int> formats_;  // 0: text, 1: binary.
  std::vector<const char*> pointers_;
};

// Thread-compatible. After the connection has broken, the next Ready opens it again.
class PostgresConnection {
 public:
  explicit PostgresConnection(std::string options) : options_(std::move(options)) {}
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  absl::Status Ready();
  // How long statements wait for locks, from the next Ready on; longer: UNAVAILABLE.
  void SetLockTimeout(absl::Duration timeout);
  PGconn* handle() const { return handle_; }

  absl::StatusOr<PostgresResult> Run(const std::string& sql);
  absl::StatusOr<PostgresResult> Run(const std::string& sql, PostgresParameters& parameters);

  // Prepares the statement unless it is prepared already; its text identifies it.
  absl::StatusOr<std::string> Prepare(const std::string& sql);
  // Sends a prepared statement; in pipeline mode, any number of them.
  absl::Status Send(const std::string& statement, PostgresParameters& parameters);
  // The next result that was not taken; unset at the end of a statement.
  PGresult* Take() { return PQgetResult(handle_); }
  absl::Status StatusOf(const PGresult* result) const;
  absl::Status Failed() const;

 private:
  absl::Status Open();

  const std::string options_;
  PGconn* handle_ = nullptr;
  std::set<std::string> prepared_;
  std::optional<absl::Duration> lock_timeout_;
  bool lock_timeout_set_ = false;  // On the present connection.
};

// A transaction. Rolled back by the destructor, unless it was committed.
class PostgresTransaction {
 public:
  explicit PostgresTransaction(PostgresConnection& connection) : connection_(connection) {}
  ~PostgresTransaction() {
    if (begun_) connection_.Run("ROLLBACK").status().IgnoreError();
  }
  PostgresTransaction(const PostgresTransaction&) = delete;
  PostgresTransaction& operator=(const PostgresTransaction&) = delete;

  absl::Status Begin() {
    if (absl::Status status = connection_.Ready(); !status.ok()) return status;
    begun_ = true;
    return connection_.Run("BEGIN").status();
  }
  absl::Status Commit() {
    begun_ = false;
    return connection_.Run("COMMIT").status();
  }

 private:
  PostgresConnection& connection_;
  bool begun_ = false;
};

}  // namespace eventhub::processor::internal

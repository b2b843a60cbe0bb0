#include "eventhub/sqlite_outbox.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/outbox/relay/relay_core.h"
#include "client/outbox/relay/row_event.h"
#include "client/outbox/relay/sql_database.h"
#include "client/src/base/sqlite_status.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

using outbox::SqlDatabase;
using outbox::SqlDialect;
using outbox::SqlValue;
using outbox::SqlValues;

// How long a transaction waits for that of another connection.
constexpr int kSqliteBusyMillis = 5000;
constexpr absl::Duration kSqlitePoll = absl::Milliseconds(50);

constexpr SqlDialect kSqlite = {
    .begin = "BEGIN IMMEDIATE",
    .for_update = "",
    .in_list = "id IN (SELECT value FROM json_each($))",
    .unnest_ids = "json_each(ids) AS listed",
    .list_begin = '[',
    .list_end = ']',
    .micros = "CAST(round((julianday($) - 2440587.5) * 86400000) AS INTEGER) * 1000",
};

constexpr char kSqliteSchema[] =
    R"(-- An event that is to be published.
CREATE TABLE IF NOT EXISTS @ (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  topic TEXT NOT NULL,
  event TEXT NOT NULL,
  deliver_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX IF NOT EXISTS @_by_topic ON @ (topic, id);
-- The rest belongs to the relay.
CREATE TABLE IF NOT EXISTS @_relay (
  format INTEGER NOT NULL,
  producer TEXT NOT NULL,
  generation INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS @_topics (
  topic TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  base INTEGER NOT NULL,
  next INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS @_requests (
  topic TEXT NOT NULL,
  number INTEGER NOT NULL,
  ids TEXT NOT NULL,
  PRIMARY KEY (topic, number)
);
CREATE TABLE IF NOT EXISTS @_refused (
  id INTEGER PRIMARY KEY,
  topic TEXT NOT NULL,
  event TEXT NOT NULL,
  deliver_at TEXT,
  created_at TEXT NOT NULL,
  refused_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  code INTEGER NOT NULL,
  error TEXT NOT NULL,
  in_doubt INTEGER NOT NULL
);
)";

absl::Status SqliteStatus(int code, sqlite3* database) {
  return client::SqliteStatus(code, database, "SQLite");
}

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using SqliteStatement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

absl::StatusOr<SqliteStatement> PrepareSqlite(sqlite3* database, std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  RETURN_IF_ERROR(SqliteStatus(
      sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, nullptr),
      database));
  return SqliteStatement(statement);
}

// The values must not change until the statement has run.
void BindSqlite(sqlite3_stmt* statement, const SqlValues& values) {
  int at = 1;
  for (const SqlValue& value : values) {
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      sqlite3_bind_int64(statement, at, *integer);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      sqlite3_bind_text(statement, at, text->data(), static_cast<int>(text->size()), SQLITE_STATIC);
    } else {
      sqlite3_bind_null(statement, at);
    }
    ++at;
  }
}

class SqliteRow final : public SqlDatabase::Row {
 public:
  explicit SqliteRow(sqlite3_stmt* statement) : statement_(statement) {}
  bool IsNull(int column) const override {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }
  int64_t Integer(int column) const override { return sqlite3_column_int64(statement_, column); }
  std::string_view Text(int column) const override {
    const void* const bytes = sqlite3_column_blob(statement_, column);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
    if (bytes == nullptr) return {};
    return {static_cast<const char*>(bytes), size};
  }

 private:
  sqlite3_stmt* const statement_;
};

class SqliteConnection final : public SqlDatabase {
 public:
  explicit SqliteConnection(std::string path) : path_(std::move(path)) {}
  ~SqliteConnection() override { Disconnect(); }

  const SqlDialect& dialect() const override { return kSqlite; }

  absl::Status Connect() override {
    if (handle_ != nullptr) return absl::OkStatus();
    const absl::Status status = OpenDatabase();
    if (!status.ok()) Disconnect();
    return status;
  }

  void Disconnect() override {
    statements_.clear();
    sqlite3_close(handle_);
    handle_ = nullptr;
    if (lock_ >= 0) ::close(lock_);
    lock_ = -1;
  }

  absl::Status Run(const std::string& sql, const SqlValues& values, Visit visit) override {
    SqliteStatement& statement = statements_[sql];
    if (statement == nullptr) {
      ASSIGN_OR_RETURN(statement, PrepareSqlite(handle_, sql));
    }
    BindSqlite(statement.get(), values);
    int code = SQLITE_OK;
    while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
      if (!visit(SqliteRow(statement.get()))) break;
    }
    const absl::Status status = SqliteStatus(code, handle_);
    sqlite3_reset(statement.get());
    sqlite3_clear_bindings(statement.get());
    return status;
  }
  using SqlDatabase::Run;

  // Rows are read while they are visited.
  absl::Status Read(const std::string& sql, const SqlValues& values, Visit visit) override {
    return Run(sql, values, visit);
  }

  absl::Status RunScript(const std::string& sql) override {
    return SqliteStatus(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr), handle_);
  }

  absl::StatusOr<bool> HasTable(const std::string& table) override {
    bool found = false;
    RETURN_IF_ERROR(Run("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1", {table},
                        [&](const Row&) { return found = true; }));
    return found;
  }

  // The kernel releases it when the process ends, for whatever reason.
  absl::StatusOr<bool> TryLock(const std::string& table) override {
    const std::string file = absl::StrCat(path_, "-", table, ".lock");
    if (lock_ < 0) lock_ = ::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (lock_ < 0) {
      return absl::UnavailableError(absl::StrCat("cannot open ", file, ": ", strerror(errno)));
    }
    if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    return absl::UnavailableError(absl::StrCat("cannot lock ", file, ": ", strerror(errno)));
  }

  absl::StatusOr<bool> MayHaveChanged() override {
    int64_t version = 0;
    RETURN_IF_ERROR(Run("PRAGMA data_version", {}, [&](const Row& row) {
      version = row.Integer(0);
      return true;
    }));
    return std::exchange(data_version_, version) != version;
  }

 private:
  absl::Status OpenDatabase() {
    const int code =
        sqlite3_open_v2(path_.c_str(), &handle_,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    if (handle_ == nullptr) return absl::ResourceExhaustedError("SQLite has no memory");
    RETURN_IF_ERROR(SqliteStatus(code, handle_));
    sqlite3_busy_timeout(handle_, kSqliteBusyMillis);
    // A request must be on the disk before it is sent.
    return RunScript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  }

  const std::string path_;
  sqlite3* handle_ = nullptr;
  std::map<std::string, SqliteStatement> statements_;
  int64_t data_version_ = 0;
  int lock_ = -1;
};

}  // namespace

std::string SqliteOutboxSchema(std::string_view table) {
  return absl::StrReplaceAll(kSqliteSchema, {{"@", absl::string_view(table.data(), table.size())}});
}

absl::Status InsertIntoOutbox(sqlite3* database, std::string_view topic, const v1::Event& event,
                              std::string_view table) {
  RETURN_IF_ERROR(outbox::CheckTableName(table));
  ASSIGN_OR_RETURN(outbox::NewRow row, outbox::RowOfEvent(topic, event));
  ASSIGN_OR_RETURN(
      const SqliteStatement statement,
      PrepareSqlite(database, absl::StrCat("INSERT INTO ", std::string(table),
                                           " (topic, event, deliver_at) VALUES (?1, ?2, ?3)")));
  SqlValues values = {std::string(topic), std::move(row.event), std::monostate()};
  if (row.deliver_at) values[2] = *std::move(row.deliver_at);
  BindSqlite(statement.get(), values);
  return SqliteStatus(sqlite3_step(statement.get()), database);
}

absl::StatusOr<std::unique_ptr<OutboxRelay>> OpenSqliteRelay(std::shared_ptr<Connection> connection,
                                                             SqliteRelayOptions options) {
  if (options.path.empty()) return absl::InvalidArgumentError("path must be set");
  RETURN_IF_ERROR(outbox::CheckTableName(options.relay.table));
  outbox::RelayDatabase database;
  database.relay = std::make_unique<SqliteConnection>(options.path);
  database.operators = std::make_unique<SqliteConnection>(options.path);
  database.schema = SqliteOutboxSchema(options.relay.table);
  ASSIGN_OR_RETURN(std::shared_ptr<RelayCore> core,
                   RelayCore::Open(std::move(connection), std::move(options.relay),
                                   std::move(database), kSqlitePoll, Clock::System()));
  return std::make_unique<OutboxRelay>(std::move(core));
}

}  // namespace eventhub::client

#include "eventhub/processor/sqlite_view.h"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/processor/views/sql_text.h"
#include "client/src/base/sqlite_status.h"
#include "eventhub/processor/view_store.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor {
namespace {

// The version of the tables whose names begin with eventhub_.
constexpr int64_t kFormat = 1;
// How long a transaction waits for that of another connection, until a step sets the time.
constexpr absl::Duration kBusyTimeout = absl::Seconds(5);

constexpr char kTables[] =
    "CREATE TABLE IF NOT EXISTS eventhub_views ("
    "name TEXT PRIMARY KEY, format INTEGER NOT NULL, generation INTEGER NOT NULL, "
    "building INTEGER NOT NULL, revision TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS eventhub_positions ("
    "name TEXT NOT NULL, generation INTEGER NOT NULL, partition INTEGER NOT NULL, "
    "position INTEGER NOT NULL, PRIMARY KEY (name, generation, partition)) WITHOUT ROWID;";

class Statement;

// A connection. Thread-compatible.
class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, bool sync) {
    sqlite3* handle = nullptr;
    const int code =
        sqlite3_open_v2(path.c_str(), &handle,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<Database> database(new Database(path, handle));
    if (handle == nullptr) return absl::ResourceExhaustedError("SQLite has no memory");
    RETURN_IF_ERROR(database->Check(code));
    database->SetTimeout(kBusyTimeout);
    RETURN_IF_ERROR(database->Run("PRAGMA journal_mode = WAL"));
    RETURN_IF_ERROR(
        database->Run(sync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL"));
    return database;
  }
  ~Database() { sqlite3_close(handle_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  sqlite3* handle() const { return handle_; }
  void SetTimeout(absl::Duration timeout) const {
    sqlite3_busy_timeout(handle_, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
  }
  absl::Status Check(int code) const { return client::SqliteStatus(code, handle_, name_); }
  absl::Status Run(const std::string& sql) const {
    return Check(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr));
  }

 private:
  Database(const std::string& path, sqlite3* handle)
      : name_(absl::StrCat("database ", path)), handle_(handle) {}

  const std::string name_;  // In errors.
  sqlite3* const handle_;
};

// A transaction. Rolled back by the destructor, unless it was committed.
class Transaction {
 public:
  explicit Transaction(const Database& database) : database_(database) {}
  ~Transaction() {
    // A failed commit may or may not have ended it.
    if (sqlite3_get_autocommit(database_.handle()) == 0) database_.Run("ROLLBACK").IgnoreError();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  absl::Status Begin() { return database_.Run("BEGIN IMMEDIATE"); }
  absl::Status Commit() { return database_.Run("COMMIT"); }

 private:
  const Database& database_;
};

// A prepared statement. Its connection must outlive it. Bound values must not change until the
// statement has run.
class Statement {
 public:
  static absl::StatusOr<Statement> Prepare(const Database& database, const std::string& sql) {
    sqlite3_stmt* handle = nullptr;
    RETURN_IF_ERROR(database.Check(sqlite3_prepare_v3(
        database.handle(), sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &handle, nullptr)));
    return Statement(database, handle);
  }
  Statement(Statement&& other) noexcept
      : database_(other.database_), handle_(std::exchange(other.handle_, nullptr)) {}
  ~Statement() { sqlite3_finalize(handle_); }

  void Bind(int at, int64_t value) { sqlite3_bind_int64(handle_, at, value); }
  void Bind(int at, std::string_view text) {
    sqlite3_bind_text(handle_, at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
  }
  void Bind(int at, const Value& value, ColumnType type) {
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      sqlite3_bind_int64(handle_, at, *integer);
    } else if (const auto* real = std::get_if<double>(&value)) {
      sqlite3_bind_double(handle_, at, *real);
    } else if (const auto* bytes = std::get_if<std::string>(&value)) {
      if (type == ColumnType::kBlob) {
        sqlite3_bind_blob(handle_, at, bytes->data(), static_cast<int>(bytes->size()),
                          SQLITE_STATIC);
      } else {
        Bind(at, *bytes);
      }
    } else {
      sqlite3_bind_null(handle_, at);
    }
  }

  // Runs a statement that has no rows.
  absl::Status Run() {
    const absl::Status status = database_.Check(sqlite3_step(handle_));
    sqlite3_reset(handle_);
    return status;
  }
  // Visits each row, until `visit` returns false.
  template <typename Visit>
  absl::Status ForEach(const Visit& visit) {
    int code = SQLITE_OK;
    while ((code = sqlite3_step(handle_)) == SQLITE_ROW) {
      if (!visit(*this)) break;
    }
    const absl::Status status = database_.Check(code);
    sqlite3_reset(handle_);
    return status;
  }
  int columns() const { return sqlite3_column_count(handle_); }
  int64_t Integer(int at) const { return sqlite3_column_int64(handle_, at); }
  std::string Bytes(int at) const {
    const void* const bytes = sqlite3_column_blob(handle_, at);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(handle_, at));
    return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
  }
  Value ValueAt(int at) const {
    switch (sqlite3_column_type(handle_, at)) {
      case SQLITE_INTEGER:
        return Integer(at);
      case SQLITE_FLOAT:
        return sqlite3_column_double(handle_, at);
      case SQLITE_NULL:
        return {};
      default:
        return Bytes(at);
    }
  }

 private:
  Statement(const Database& database, sqlite3_stmt* handle)
      : database_(database), handle_(handle) {}

  const Database& database_;
  sqlite3_stmt* handle_;
};

class SqliteStore final : public ViewStore {
 public:
  static absl::StatusOr<std::unique_ptr<ViewStore>> Open(const SqliteViewOptions& options) {
    ASSIGN_OR_RETURN(auto writer, Database::Open(options.path, options.sync));
    ASSIGN_OR_RETURN(auto reader, Database::Open(options.path, options.sync));
    std::unique_ptr<SqliteStore> store(
        new SqliteStore(options, std::move(writer), std::move(reader)));
    RETURN_IF_ERROR(store->CreateTables());
    return store;
  }

  void SetTimeout(absl::Duration timeout) override {
    {
      MutexLock lock(write_mutex_);
      writer_->SetTimeout(timeout);
    }
    MutexLock lock(read_mutex_);
    reader_->SetTimeout(timeout);
  }

  absl::StatusOr<StoredView> Load() override {
    MutexLock lock(write_mutex_);
    return LoadNow();
  }

  absl::Status Begin(uint64_t generation, std::string_view revision) override {
    MutexLock lock(write_mutex_);
    Transaction transaction(*writer_);
    RETURN_IF_ERROR(transaction.Begin());
    ASSIGN_OR_RETURN(StoredView stored, LoadNow());
    if (generation <= std::max(stored.generation, stored.building)) return OtherGeneration();
    if (stored.building != 0) RETURN_IF_ERROR(Drop(stored.building));
    const bool first = stored.generation == 0;
    (first ? stored.generation : stored.building) = generation;
    RETURN_IF_ERROR(writer_->Run(text_.CreateTable(generation)));
    if (first) RETURN_IF_ERROR(writer_->Run(text_.CreateView(generation)));
    RETURN_IF_ERROR(SaveMeta(stored.generation, stored.building, revision));
    return transaction.Commit();
  }

  absl::Status Write(uint64_t generation, bool again, absl::Span<RowWrite> rows,
                     const ViewPositions& positions) override {
    MutexLock lock(write_mutex_);
    Transaction transaction(*writer_);
    RETURN_IF_ERROR(transaction.Begin());
    ASSIGN_OR_RETURN(const uint64_t newest, NewestGeneration());
    if (generation != newest) return OtherGeneration();
    RETURN_IF_ERROR(PrepareWrites(generation, again));
    for (RowWrite& write : rows) RETURN_IF_ERROR(WriteRow(write));
    for (const auto& [partition, offset] : positions) {
      RETURN_IF_ERROR(WritePosition(generation, partition, offset));
    }
    RETURN_IF_ERROR(CallProgram(rows));
    return transaction.Commit();
  }

  absl::Status Switch(uint64_t generation) override {
    MutexLock lock(write_mutex_);
    Transaction transaction(*writer_);
    RETURN_IF_ERROR(transaction.Begin());
    ASSIGN_OR_RETURN(const StoredView stored, LoadNow());
    if (generation == 0 || stored.building != generation) return absl::OkStatus();
    RETURN_IF_ERROR(writer_->Run(text_.DropView()));
    RETURN_IF_ERROR(Drop(stored.generation));
    RETURN_IF_ERROR(writer_->Run(text_.CreateView(generation)));
    RETURN_IF_ERROR(SaveMeta(generation, 0, stored.revision));
    return transaction.Commit();
  }

  absl::StatusOr<std::optional<std::vector<Value>>> Get(std::string_view key) override {
    MutexLock lock(read_mutex_);
    if (!get_) {
      ASSIGN_OR_RETURN(Statement get, Statement::Prepare(*reader_, text_.SelectOne("?1")));
      get_.emplace(std::move(get));
    }
    get_->Bind(1, key);
    std::optional<std::vector<Value>> found;
    RETURN_IF_ERROR(get_->ForEach([&](const Statement& row) {
      found = ValuesOf(row);
      return false;
    }));
    return found;
  }

  absl::Status ForEach(
      absl::FunctionRef<bool(std::string_view, const std::vector<Value>&)> visit) override {
    MutexLock lock(read_mutex_);
    ASSIGN_OR_RETURN(Statement all, Statement::Prepare(*reader_, text_.SelectAll()));
    return all.ForEach([&](const Statement& row) { return visit(row.Bytes(0), ValuesOf(row)); });
  }

 private:
  // For rows of one generation.
  struct Writes {
    uint64_t generation;
    bool again;
    Statement upsert;
  };

  SqliteStore(const SqliteViewOptions& options, std::unique_ptr<Database> writer,
              std::unique_ptr<Database> reader)
      : options_(options),
        text_(options.view, internal::kSqliteDialect),
        writer_(std::move(writer)),
        reader_(std::move(reader)) {}

  static absl::Status OtherGeneration() {
    return absl::AbortedError("the view has another generation");
  }

  absl::Status CreateTables() {
    MutexLock lock(write_mutex_);
    Transaction transaction(*writer_);
    RETURN_IF_ERROR(transaction.Begin());
    RETURN_IF_ERROR(writer_->Run(kTables));
    RETURN_IF_ERROR(transaction.Commit());
    int64_t format = kFormat;
    ASSIGN_OR_RETURN(Statement select,
                     Statement::Prepare(*writer_, "SELECT max(format) FROM eventhub_views"));
    RETURN_IF_ERROR(select.ForEach([&](const Statement& row) {
      format = row.Integer(0);
      return true;
    }));
    if (format > kFormat) {
      return absl::FailedPreconditionError(
          absl::StrCat("database ", options_.path, " was written by a later version"));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<StoredView> LoadNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    StoredView stored;
    ASSIGN_OR_RETURN(Statement meta,
                     Statement::Prepare(*writer_,
                                        "SELECT generation, building, revision FROM eventhub_views "
                                        "WHERE name = ?1"));
    meta.Bind(1, options_.view.name);
    RETURN_IF_ERROR(meta.ForEach([&](const Statement& row) {
      stored.generation = static_cast<uint64_t>(row.Integer(0));
      stored.building = static_cast<uint64_t>(row.Integer(1));
      stored.revision = row.Bytes(2);
      return true;
    }));
    ASSIGN_OR_RETURN(Statement positions,
                     Statement::Prepare(*writer_,
                                        "SELECT generation, partition, position FROM "
                                        "eventhub_positions WHERE name = ?1"));
    positions.Bind(1, options_.view.name);
    RETURN_IF_ERROR(positions.ForEach([&](const Statement& row) {
      const bool seen = static_cast<uint64_t>(row.Integer(0)) == stored.generation;
      (seen ? stored.positions : stored.building_positions)[static_cast<uint32_t>(row.Integer(1))] =
          row.Integer(2);
      return true;
    }));
    return stored;
  }

  absl::StatusOr<uint64_t> NewestGeneration() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    if (!newest_) {
      ASSIGN_OR_RETURN(
          Statement newest,
          Statement::Prepare(
              *writer_, "SELECT max(generation, building) FROM eventhub_views WHERE name = ?1"));
      newest_.emplace(std::move(newest));
    }
    newest_->Bind(1, options_.view.name);
    uint64_t generation = 0;
    RETURN_IF_ERROR(newest_->ForEach([&](const Statement& row) {
      generation = static_cast<uint64_t>(row.Integer(0));
      return true;
    }));
    return generation;
  }

  absl::Status SaveMeta(uint64_t generation, uint64_t building, std::string_view revision)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    ASSIGN_OR_RETURN(Statement save,
                     Statement::Prepare(*writer_,
                                        "INSERT OR REPLACE INTO eventhub_views "
                                        "(name, format, generation, building, revision) "
                                        "VALUES (?1, ?2, ?3, ?4, ?5)"));
    save.Bind(1, options_.view.name);
    save.Bind(2, kFormat);
    save.Bind(3, static_cast<int64_t>(generation));
    save.Bind(4, static_cast<int64_t>(building));
    save.Bind(5, revision);
    return save.Run();
  }

  absl::Status Drop(uint64_t generation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    writes_.reset();
    RETURN_IF_ERROR(writer_->Run(text_.DropTable(generation)));
    ASSIGN_OR_RETURN(
        Statement forget,
        Statement::Prepare(*writer_,
                           "DELETE FROM eventhub_positions WHERE name = ?1 AND generation = ?2"));
    forget.Bind(1, options_.view.name);
    forget.Bind(2, static_cast<int64_t>(generation));
    return forget.Run();
  }

  absl::Status PrepareWrites(uint64_t generation, bool again)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    if (writes_ && writes_->generation == generation && writes_->again == again) {
      return absl::OkStatus();
    }
    writes_.reset();
    ASSIGN_OR_RETURN(Statement upsert,
                     Statement::Prepare(*writer_, text_.Upsert(generation, again)));
    writes_.emplace(Writes{generation, again, std::move(upsert)});
    return absl::OkStatus();
  }

  // The error of a row undoes only that row. Returns other errors.
  absl::Status WriteRow(RowWrite& write) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    Statement& upsert = writes_->upsert;
    const std::vector<Column>& columns = options_.view.columns;
    static const Value null;
    int at = 1;
    upsert.Bind(at++, write.row.key);
    upsert.Bind(at++, write.version);
    upsert.Bind(at++, write.offset);
    upsert.Bind(at++, static_cast<int64_t>(write.row.deleted));
    for (size_t i = 0; i < columns.size(); ++i) {
      upsert.Bind(at++, write.row.deleted ? null : write.row.values[i], columns[i].type);
    }
    write.status = upsert.Run();
    write.written = write.status.ok() && sqlite3_changes(writer_->handle()) > 0;
    return absl::IsInvalidArgument(write.status) ? absl::OkStatus() : write.status;
  }

  absl::Status WritePosition(uint64_t generation, uint32_t partition, int64_t offset)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    if (!position_) {
      ASSIGN_OR_RETURN(Statement position,
                       Statement::Prepare(*writer_,
                                          "INSERT OR REPLACE INTO eventhub_positions "
                                          "(name, generation, partition, position) "
                                          "VALUES (?1, ?2, ?3, ?4)"));
      position_.emplace(std::move(position));
    }
    position_->Bind(1, options_.view.name);
    position_->Bind(2, static_cast<int64_t>(generation));
    position_->Bind(3, static_cast<int64_t>(partition));
    position_->Bind(4, offset);
    return position_->Run();
  }

  absl::Status CallProgram(absl::Span<RowWrite> rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    if (!options_.in_transaction) return absl::OkStatus();
    const std::vector<const Row*> written = internal::WrittenRows(rows);
    if (written.empty()) return absl::OkStatus();
    const absl::Status status = internal::CallInTransaction(
        [&] { return options_.in_transaction(writer_->handle(), written); });
    return status.ok() || HasFailed() ? status : ErrorOfProgram(status);
  }

  // Whether an error in the midst of a transaction is the database's.
  bool HasFailed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    if (sqlite3_get_autocommit(writer_->handle()) != 0) return true;  // It undid the transaction.
    switch (sqlite3_errcode(writer_->handle()) & 0xff) {
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
      case SQLITE_NOMEM:
      case SQLITE_INTERRUPT:
      case SQLITE_IOERR:
      case SQLITE_CORRUPT:
      case SQLITE_FULL:
      case SQLITE_CANTOPEN:
        return true;
      default:
        return false;
    }
  }

  static std::vector<Value> ValuesOf(const Statement& row) {
    std::vector<Value> values;
    for (int i = 1; i < row.columns(); ++i) values.push_back(row.ValueAt(i));
    return values;
  }

  const SqliteViewOptions options_;
  const internal::SqlText text_;

  Mutex write_mutex_;
  const std::unique_ptr<Database> writer_;
  std::optional<Writes> writes_ ABSL_GUARDED_BY(write_mutex_);
  std::optional<Statement> newest_ ABSL_GUARDED_BY(write_mutex_);
  std::optional<Statement> position_ ABSL_GUARDED_BY(write_mutex_);

  // Reads do not wait for writes.
  Mutex read_mutex_;
  const std::unique_ptr<Database> reader_;
  std::optional<Statement> get_ ABSL_GUARDED_BY(read_mutex_);
};

}  // namespace

absl::StatusOr<std::shared_ptr<View>> OpenSqliteView(const SqliteViewOptions& options) {
  RETURN_IF_ERROR(CheckViewOptions(options.view));
  if (options.path.empty()) return absl::InvalidArgumentError("path must be set");
  ASSIGN_OR_RETURN(auto store, SqliteStore::Open(options));
  return OpenView(options.view, std::move(store));
}

}  // namespace eventhub::processor

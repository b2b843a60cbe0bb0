#include "eventhub/processor/postgres_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/processor/views/postgres_connection.h"
#include "client/processor/views/sql_text.h"
#include "eventhub/processor/view_store.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor {
namespace {

using internal::PostgresConnection;
using internal::PostgresParameters;
using internal::PostgresResult;
using internal::PostgresTransaction;

// The version of the tables whose names begin with eventhub_.
constexpr int64_t kFormat = 1;
// The number of statements that are sent before their results are taken. The results must fit into
// the socket buffers, or both sides would wait for each other.
constexpr size_t kMaxPipelined = 250;

// Without the lock, two processes that create the tables at once would fail. The transaction
// releases it.
constexpr char kTables[] =
    "SELECT pg_advisory_xact_lock(7306930279468);"
    "CREATE TABLE IF NOT EXISTS eventhub_views ("
    "name TEXT PRIMARY KEY, format BIGINT NOT NULL, generation BIGINT NOT NULL, "
    "building BIGINT NOT NULL, revision TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS eventhub_positions ("
    "name TEXT NOT NULL, generation BIGINT NOT NULL, partition BIGINT NOT NULL, "
    "position BIGINT NOT NULL, PRIMARY KEY (name, generation, partition));";

class PostgresStore final : public ViewStore {
 public:
  static absl::StatusOr<std::unique_ptr<ViewStore>> Open(const PostgresViewOptions& options) {
    auto store = std::make_unique<PostgresStore>(options);
    RETURN_IF_ERROR(store->CreateTables());
    return store;
  }

  explicit PostgresStore(const PostgresViewOptions& options)
      : options_(options),
        text_(options.view, internal::kPostgresDialect),
        writer_(options.connection),
        reader_(options.connection) {}

  void SetTimeout(absl::Duration timeout) override {
    {
      MutexLock lock(write_mutex_);
      writer_.SetLockTimeout(timeout);
    }
    MutexLock lock(read_mutex_);
    reader_.SetLockTimeout(timeout);
  }

  absl::StatusOr<StoredView> Load() override {
    MutexLock lock(write_mutex_);
    PostgresTransaction transaction(writer_);
    RETURN_IF_ERROR(transaction.Begin());
    ASSIGN_OR_RETURN(StoredView stored, LoadNow("FOR SHARE"));
    RETURN_IF_ERROR(transaction.Commit());
    return stored;
  }

  absl::Status Begin(uint64_t generation, std::string_view revision) override {
    MutexLock lock(write_mutex_);
    PostgresTransaction transaction(writer_);
    RETURN_IF_ERROR(transaction.Begin());
    ASSIGN_OR_RETURN(StoredView stored, LoadNow("FOR UPDATE"));
    if (generation <= std::max(stored.generation, stored.building)) return OtherGeneration();
    if (stored.building != 0) RETURN_IF_ERROR(Drop(stored.building));
    const bool first = stored.generation == 0;
    (first ? stored.generation : stored.building) = generation;
    RETURN_IF_ERROR(writer_.Run(text_.CreateTable(generation)).status());
    if (first) RETURN_IF_ERROR(writer_.Run(text_.CreateView(generation)).status());
    RETURN_IF_ERROR(SaveMeta(stored.generation, stored.building, revision));
    return transaction.Commit();
  }

  absl::Status Write(uint64_t generation, bool again, absl::Span<RowWrite> rows,
                     const ViewPositions& positions) override {
    MutexLock lock(write_mutex_);
    bool refused = false;
    const absl::Status written = WriteAll(generation, again, rows, positions, &refused);
    // The error of a row rolls back its transaction, so the row must be found by trying.
    return refused ? WriteAll(generation, again, rows, positions, nullptr) : written;
  }

  absl::Status Switch(uint64_t generation) override {
    MutexLock lock(write_mutex_);
    PostgresTransaction transaction(writer_);
    RETURN_IF_ERROR(transaction.Begin());
    ASSIGN_OR_RETURN(const StoredView stored, LoadNow("FOR UPDATE"));
    if (generation == 0 || stored.building != generation) return absl::OkStatus();
    RETURN_IF_ERROR(writer_.Run(text_.DropView()).status());
    RETURN_IF_ERROR(Drop(stored.generation));
    RETURN_IF_ERROR(writer_.Run(text_.CreateView(generation)).status());
    RETURN_IF_ERROR(SaveMeta(generation, 0, stored.revision));
    return transaction.Commit();
  }

  absl::StatusOr<std::optional<std::vector<Value>>> Get(std::string_view key) override {
    MutexLock lock(read_mutex_);
    RETURN_IF_ERROR(reader_.Ready());
    PostgresParameters parameters;
    parameters.Add(key);
    ASSIGN_OR_RETURN(const PostgresResult result, reader_.Run(text_.SelectOne("$1"), parameters));
    if (result.rows() == 0) return std::nullopt;
    return ValuesOf(result, 0);
  }

  absl::Status ForEach(
      absl::FunctionRef<bool(std::string_view, const std::vector<Value>&)> visit) override {
    MutexLock lock(read_mutex_);
    PostgresTransaction transaction(reader_);  // For the cursor; it changes nothing.
    RETURN_IF_ERROR(transaction.Begin());
    RETURN_IF_ERROR(
        reader_.Run(absl::StrCat("DECLARE rows CURSOR FOR ", text_.SelectAll())).status());
    for (;;) {
      ASSIGN_OR_RETURN(const PostgresResult result, reader_.Run("FETCH 1000 FROM rows"));
      if (result.rows() == 0) return absl::OkStatus();
      for (int row = 0; row < result.rows(); ++row) {
        if (!visit(result.Text(row, 0), ValuesOf(result, row))) return absl::OkStatus();
      }
    }
  }

 private:
  static absl::Status OtherGeneration() {
    return absl::AbortedError("the view has another generation");
  }

  absl::Status CreateTables() {
    MutexLock lock(write_mutex_);
    PostgresTransaction transaction(writer_);
    RETURN_IF_ERROR(transaction.Begin());
    RETURN_IF_ERROR(writer_.Run(kTables).status());
    ASSIGN_OR_RETURN(const PostgresResult format,
                     writer_.Run("SELECT coalesce(max(format), 0) FROM eventhub_views"));
    if (format.Integer(0, 0) > kFormat) {
      return absl::FailedPreconditionError(
          "the tables of views in PostgreSQL were written by a later version");
    }
    // Makes sure that there is a row to lock.
    PostgresParameters parameters;
    parameters.Add(std::string_view(options_.view.name));
    parameters.Add(kFormat);
    RETURN_IF_ERROR(
        writer_
            .Run("INSERT INTO eventhub_views (name, format, generation, building, revision) "
                 "VALUES ($1, $2, 0, 0, '') ON CONFLICT (name) DO NOTHING",
                 parameters)
            .status());
    return transaction.Commit();
  }

  absl::StatusOr<StoredView> LoadNow(const char* lock) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    PostgresParameters name;
    name.Add(std::string_view(options_.view.name));
    ASSIGN_OR_RETURN(const PostgresResult meta,
                     writer_.Run(absl::StrCat("SELECT generation, building, revision FROM "
                                              "eventhub_views WHERE name = $1 ",
                                              lock),
                                 name));
    StoredView stored;
    if (meta.rows() > 0) {
      stored.generation = static_cast<uint64_t>(meta.Integer(0, 0));
      stored.building = static_cast<uint64_t>(meta.Integer(0, 1));
      stored.revision = meta.Text(0, 2);
    }
    ASSIGN_OR_RETURN(const PostgresResult positions,
                     writer_.Run("SELECT generation, partition, position FROM eventhub_positions "
                                 "WHERE name = $1",
                                 name));
    for (int row = 0; row < positions.rows(); ++row) {
      const bool seen = static_cast<uint64_t>(positions.Integer(row, 0)) == stored.generation;
      (seen ? stored.positions
            : stored.building_positions)[static_cast<uint32_t>(positions.Integer(row, 1))] =
          positions.Integer(row, 2);
    }
    return stored;
  }

  // Also keeps it the newest until the transaction ends.
  absl::Status CheckNewest(uint64_t generation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    PostgresParameters name;
    name.Add(std::string_view(options_.view.name));
    ASSIGN_OR_RETURN(const PostgresResult newest,
                     writer_.Run("SELECT greatest(generation, building) FROM eventhub_views "
                                 "WHERE name = $1 FOR SHARE",
                                 name));
    const bool same =
        newest.rows() == 1 && static_cast<uint64_t>(newest.Integer(0, 0)) == generation;
    return same ? absl::OkStatus() : OtherGeneration();
  }

  absl::Status SaveMeta(uint64_t generation, uint64_t building, std::string_view revision)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    PostgresParameters parameters;
    parameters.Add(std::string_view(options_.view.name));
    parameters.Add(static_cast<int64_t>(generation));
    parameters.Add(static_cast<int64_t>(building));
    parameters.Add(revision);
    return writer_
        .Run(
            "UPDATE eventhub_views SET generation = $2, building = $3, revision = $4 "
            "WHERE name = $1",
            parameters)
        .status();
  }

  absl::Status Drop(uint64_t generation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    RETURN_IF_ERROR(writer_.Run(text_.DropTable(generation)).status());
    PostgresParameters parameters;
    parameters.Add(std::string_view(options_.view.name));
    parameters.Add(static_cast<int64_t>(generation));
    return writer_
        .Run("DELETE FROM eventhub_positions WHERE name = $1 AND generation = $2", parameters)
        .status();
  }

  // If `refused` is given, sends the rows at once, and sets it if the error is that of a row. Null:
  // sends them one by one, so that a refused row fails alone.
  absl::Status WriteAll(uint64_t generation, bool again, absl::Span<RowWrite> rows,
                        const ViewPositions& positions, bool* refused)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    PostgresTransaction transaction(writer_);
    RETURN_IF_ERROR(transaction.Begin());
    RETURN_IF_ERROR(CheckNewest(generation));
    RETURN_IF_ERROR(refused != nullptr ? WriteAtOnce(generation, again, rows, *refused)
                                       : WriteOneByOne(generation, again, rows));
    RETURN_IF_ERROR(WritePositions(generation, positions));
    RETURN_IF_ERROR(CallProgram(rows));
    return transaction.Commit();
  }

  void Put(const RowWrite& write, PostgresParameters& parameters) const {
    static const Value null;
    parameters.Clear();
    parameters.Add(std::string_view(write.row.key));
    parameters.Add(write.version);
    parameters.Add(write.offset);
    parameters.Add(static_cast<int64_t>(write.row.deleted));
    const std::vector<Column>& columns = options_.view.columns;
    for (size_t i = 0; i < columns.size(); ++i) {
      parameters.Add(write.row.deleted ? null : write.row.values[i], columns[i].type);
    }
  }

  // Sends the rows without waiting for results. `refused`: whether the error is that of a row.
  absl::Status WriteAtOnce(uint64_t generation, bool again, absl::Span<RowWrite> rows,
                           bool& refused) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    ASSIGN_OR_RETURN(const std::string upsert, writer_.Prepare(text_.Upsert(generation, again)));
    PostgresParameters parameters;
    for (size_t begin = 0; begin < rows.size(); begin += kMaxPipelined) {
      const absl::Span<RowWrite> part = rows.subspan(begin, kMaxPipelined);
      if (PQenterPipelineMode(writer_.handle()) != 1) return writer_.Failed();
      for (const RowWrite& write : part) {
        Put(write, parameters);
        RETURN_IF_ERROR(writer_.Send(upsert, parameters));
      }
      if (PQpipelineSync(writer_.handle()) != 1) return writer_.Failed();
      absl::Status status;
      for (RowWrite& write : part) {
        const PostgresResult result(writer_.Take());
        if (result.get() == nullptr) return writer_.Failed();
        status.Update(writer_.StatusOf(result.get()));
        write.status = absl::OkStatus();
        write.written = status.ok() && result.affected() > 0;
        PQclear(writer_.Take());  // The end of the statement.
      }
      const PostgresResult sync(writer_.Take());
      if (PQexitPipelineMode(writer_.handle()) != 1) return writer_.Failed();
      if (!status.ok()) {
        refused = absl::IsInvalidArgument(status);
        return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status WriteOneByOne(uint64_t generation, bool again, absl::Span<RowWrite> rows)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    const std::string upsert = text_.Upsert(generation, again);
    PostgresParameters parameters;
    for (RowWrite& write : rows) {
      RETURN_IF_ERROR(writer_.Run("SAVEPOINT row").status());
      Put(write, parameters);
      const auto result = writer_.Run(upsert, parameters);
      write.status = result.status();
      write.written = result.ok() && result->affected() > 0;
      if (!result.ok() && !absl::IsInvalidArgument(result.status())) return result.status();
      RETURN_IF_ERROR(
          writer_.Run(result.ok() ? "RELEASE SAVEPOINT row" : "ROLLBACK TO SAVEPOINT row")
              .status());
    }
    return absl::OkStatus();
  }

  absl::Status WritePositions(uint64_t generation, const ViewPositions& positions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    for (const auto& [partition, offset] : positions) {
      PostgresParameters parameters;
      parameters.Add(std::string_view(options_.view.name));
      parameters.Add(static_cast<int64_t>(generation));
      parameters.Add(static_cast<int64_t>(partition));
      parameters.Add(offset);
      RETURN_IF_ERROR(
          writer_
              .Run("INSERT INTO eventhub_positions (name, generation, partition, position) "
                   "VALUES ($1, $2, $3, $4) ON CONFLICT (name, generation, partition) "
                   "DO UPDATE SET position = excluded.position",
                   parameters)
              .status());
    }
    return absl::OkStatus();
  }

  absl::Status CallProgram(absl::Span<RowWrite> rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    if (!options_.in_transaction) return absl::OkStatus();
    const std::vector<const Row*> written = internal::WrittenRows(rows);
    if (written.empty()) return absl::OkStatus();
    PGconn* const connection = writer_.handle();
    const absl::Status status =
        internal::CallInTransaction([&] { return options_.in_transaction(connection, written); });
    const bool lost = PQstatus(connection) != CONNECTION_OK;
    return status.ok() || lost ? status : ErrorOfProgram(status);
  }

  static std::vector<Value> ValuesOf(const PostgresResult& result, int row) {
    std::vector<Value> values;
    for (int i = 1; i < result.columns(); ++i) values.push_back(result.ValueAt(row, i));
    return values;
  }

  const PostgresViewOptions options_;
  const internal::SqlText text_;

  Mutex write_mutex_;
  PostgresConnection writer_ ABSL_GUARDED_BY(write_mutex_);

  // Reads do not wait for writes.
  Mutex read_mutex_;
  PostgresConnection reader_ ABSL_GUARDED_BY(read_mutex_);
};

}  // namespace

absl::StatusOr<std::shared_ptr<View>> OpenPostgresView(const PostgresViewOptions& options) {
  RETURN_IF_ERROR(CheckViewOptions(options.view));
  ASSIGN_OR_RETURN(auto store, PostgresStore::Open(options));
  return OpenView(options.view, std::move(store));
}

}  // namespace eventhub::processor

#include "eventhub/postgres_outbox.h"

#include <libpq-fe.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/outbox/relay/postgres_listener.h"
#include "client/outbox/relay/relay_core.h"
#include "client/outbox/relay/row_event.h"
#include "client/outbox/relay/sql_database.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

using outbox::SqlDatabase;
using outbox::SqlDialect;
using outbox::SqlTransaction;
using outbox::SqlValue;
using outbox::SqlValues;

constexpr absl::Duration kPostgresPoll = absl::Seconds(1);

constexpr SqlDialect kPostgres = {
    .begin = "BEGIN",
    .for_update = "FOR UPDATE",
    .in_list = "id = ANY($::bigint[])",
    .unnest_ids = "unnest(ids) AS listed(value)",
    .list_begin = '{',
    .list_end = '}',
    .micros = "(extract(epoch FROM $) * 1000000)::bigint",
};

// The rows of the table are short-lived, so it is vacuumed after a number of deletions, not a
// share.
constexpr char kPostgresSchema[] =
    R"(-- An event that is to be published.
CREATE TABLE IF NOT EXISTS @ (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  topic TEXT NOT NULL,
  event JSON NOT NULL,
  deliver_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
CREATE OR REPLACE FUNCTION @_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('@', '');
  RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER @_notify AFTER INSERT ON @
  FOR EACH STATEMENT EXECUTE FUNCTION @_notify();
-- The rest belongs to the relay.
CREATE TABLE IF NOT EXISTS @_relay (
  format BIGINT NOT NULL,
  producer TEXT NOT NULL,
  generation BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS @_topics (
  topic TEXT PRIMARY KEY,
  epoch BIGINT NOT NULL,
  base BIGINT NOT NULL,
  next BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS @_requests (
  topic TEXT NOT NULL,
  number BIGINT NOT NULL,
  ids BIGINT[] NOT NULL,
  PRIMARY KEY (topic, number)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE TABLE IF NOT EXISTS @_refused (
  id BIGINT PRIMARY KEY,
  topic TEXT NOT NULL,
  event JSON NOT NULL,
  deliver_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL,
  refused_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  code INTEGER NOT NULL,
  error TEXT NOT NULL,
  in_doubt INTEGER NOT NULL
);
)";

// Makes the relay read by the index, and only the rows that it needs, instead of sorting all rows.
// The statistics of a table that is at times empty, and at times has a million rows, would mislead
// the planner.
constexpr char kReadByIndex[] =
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off";

// Rows are fetched this many at a time.
constexpr char kFetch[] = "FETCH 100 FROM outbox_rows";
constexpr int kFetchedRows = 100;

std::string MessageOf(const char* message) {
  return absl::StrCat("PostgreSQL: ",
                      absl::StripAsciiWhitespace(message == nullptr ? "" : message));
}

// Translates every class of SQLSTATE.
absl::StatusCode CodeOfSqlState(std::string_view state) {
  const std::string_view kind = state.substr(0, 2);
  if (kind == "22" || kind == "23") return absl::StatusCode::kInvalidArgument;
  if (kind == "28" || state == "42501") return absl::StatusCode::kPermissionDenied;
  if (kind == "53") return absl::StatusCode::kResourceExhausted;
  if (kind == "3D" || kind == "3F" || kind == "42" || kind == "2B" || kind == "25") {
    return absl::StatusCode::kFailedPrecondition;
  }
  if (kind == "XX") return absl::StatusCode::kDataLoss;
  // The connection, shutdowns, locks, serialization.
  return absl::StatusCode::kUnavailable;
}

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PostgresAnswer = std::unique_ptr<PGresult, ClearResult>;

absl::Status StatusOfAnswer(PGconn* connection, const PGresult* answer) {
  if (answer == nullptr) return absl::UnavailableError(MessageOf(PQerrorMessage(connection)));
  const ExecStatusType status = PQresultStatus(answer);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return absl::OkStatus();
  const char* const state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
  return absl::Status(CodeOfSqlState(state == nullptr ? "" : state),
                      MessageOf(PQresultErrorMessage(answer)));
}

absl::StatusOr<PostgresAnswer> RunPostgres(PGconn* connection, const std::string& sql,
                                           const SqlValues& values) {
  std::vector<std::string> texts(values.size());
  std::vector<const char*> pointers(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (const auto* integer = std::get_if<int64_t>(&values[i])) {
      texts[i] = absl::StrCat(*integer);
      pointers[i] = texts[i].c_str();
    } else if (const auto* text = std::get_if<std::string>(&values[i])) {
      pointers[i] = text->c_str();
    }
  }
  PostgresAnswer answer(PQexecParams(connection, sql.c_str(), static_cast<int>(values.size()),
                                     nullptr, pointers.data(), nullptr, nullptr, 0));
  RETURN_IF_ERROR(StatusOfAnswer(connection, answer.get()));
  return answer;
}

class PostgresRow final : public SqlDatabase::Row {
 public:
  PostgresRow(const PGresult* answer, int row) : answer_(answer), row_(row) {}
  bool IsNull(int column) const override { return PQgetisnull(answer_, row_, column) != 0; }
  int64_t Integer(int column) const override {
    int64_t number = 0;
    const std::string_view text = Text(column);
    return absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &number) ? number : 0;
  }
  std::string_view Text(int column) const override {
    return {PQgetvalue(answer_, row_, column),
            static_cast<size_t>(PQgetlength(answer_, row_, column))};
  }

 private:
  const PGresult* const answer_;
  const int row_;
};

class PostgresDatabase final : public SqlDatabase {
 public:
  // `setup` is run on each new connection.
  PostgresDatabase(std::string options, std::string setup)
      : options_(std::move(options)), setup_(std::move(setup)) {}
  ~PostgresDatabase() override { Disconnect(); }

  const SqlDialect& dialect() const override { return kPostgres; }

  absl::Status Connect() override {
    if (handle_ != nullptr && PQstatus(handle_) == CONNECTION_OK) return absl::OkStatus();
    Disconnect();
    handle_ = PQconnectdb(options_.c_str());
    if (PQstatus(handle_) != CONNECTION_OK) {
      return absl::UnavailableError(MessageOf(PQerrorMessage(handle_)));
    }
    // Notices are meant for interactive users.
    PQsetNoticeProcessor(
        handle_, [](void*, const char*) {}, nullptr);
    const PostgresAnswer answer(PQexec(handle_, setup_.c_str()));
    return PQresultStatus(answer.get()) == PGRES_EMPTY_QUERY
               ? absl::OkStatus()
               : StatusOfAnswer(handle_, answer.get());
  }

  void Disconnect() override {
    PQfinish(handle_);
    handle_ = nullptr;
  }

  absl::Status Run(const std::string& sql, const SqlValues& values, Visit visit) override {
    ASSIGN_OR_RETURN(const PostgresAnswer answer, RunPostgres(handle_, sql, values));
    VisitRows(*answer, visit);
    return absl::OkStatus();
  }
  using SqlDatabase::Run;

  absl::Status Read(const std::string& sql, const SqlValues& values, Visit visit) override {
    SqlTransaction transaction(*this);  // For the cursor; it changes nothing.
    RETURN_IF_ERROR(transaction.Begin());
    RETURN_IF_ERROR(Run(absl::StrCat("DECLARE outbox_rows NO SCROLL CURSOR FOR ", sql), values));
    for (;;) {
      ASSIGN_OR_RETURN(const PostgresAnswer answer, RunPostgres(handle_, kFetch, {}));
      if (!VisitRows(*answer, visit) || PQntuples(answer.get()) < kFetchedRows) break;
    }
    return transaction.Commit();
  }

  // Without the lock, two processes that create the tables at once would fail. The transaction
  // releases it.
  absl::Status RunScript(const std::string& sql) override {
    const std::string script = absl::StrCat("SELECT pg_advisory_xact_lock(7306930279469);", sql);
    const PostgresAnswer answer(PQexec(handle_, script.c_str()));
    return StatusOfAnswer(handle_, answer.get());
  }

  absl::StatusOr<bool> HasTable(const std::string& table) override {
    return IsTrue("SELECT to_regclass($1) IS NOT NULL", table);
  }

  // A lock of the session: the server releases it when the connection ends, for whatever reason.
  absl::StatusOr<bool> TryLock(const std::string& table) override {
    return IsTrue(
        "SELECT pg_try_advisory_lock(hashtextextended("
        "'eventhub outbox ' || to_regclass($1)::oid::text, 0))",
        table);
  }

  absl::StatusOr<bool> MayHaveChanged() override { return true; }

 private:
  static bool VisitRows(const PGresult& answer, Visit visit) {
    for (int row = 0; row < PQntuples(&answer); ++row) {
      if (!visit(PostgresRow(&answer, row))) return false;
    }
    return true;
  }

  absl::StatusOr<bool> IsTrue(const std::string& sql, const std::string& value) {
    bool result = false;
    RETURN_IF_ERROR(Run(sql, {value}, [&](const Row& row) {
      result = row.Text(0) == "t";
      return true;
    }));
    return result;
  }

  const std::string options_;
  const std::string setup_;
  PGconn* handle_ = nullptr;
};

}  // namespace

std::string PostgresOutboxSchema(std::string_view table) {
  return absl::StrReplaceAll(kPostgresSchema,
                             {{"@", absl::string_view(table.data(), table.size())}});
}

absl::Status InsertIntoOutbox(pg_conn* connection, std::string_view topic, const v1::Event& event,
                              std::string_view table) {
  RETURN_IF_ERROR(outbox::CheckTableName(table));
  ASSIGN_OR_RETURN(outbox::NewRow row, outbox::RowOfEvent(topic, event));
  SqlValues values = {std::string(topic), std::move(row.event), std::monostate()};
  if (row.deliver_at) values[2] = *std::move(row.deliver_at);
  return RunPostgres(connection,
                     absl::StrCat("INSERT INTO ", std::string(table),
                                  " (topic, event, deliver_at) VALUES ($1, $2, $3)"),
                     values)
      .status();
}

absl::StatusOr<std::unique_ptr<OutboxRelay>> OpenPostgresRelay(
    std::shared_ptr<Connection> connection, PostgresRelayOptions options) {
  RETURN_IF_ERROR(outbox::CheckTableName(options.relay.table));
  outbox::RelayDatabase database;
  database.relay = std::make_unique<PostgresDatabase>(options.connection, kReadByIndex);
  database.operators = std::make_unique<PostgresDatabase>(options.connection, "");
  database.schema = PostgresOutboxSchema(options.relay.table);
  database.listen = [options = options.connection,
                     channel = options.relay.table](std::function<void()> wake) {
    return std::make_unique<outbox::PostgresListener>(options, channel, std::move(wake));
  };
  ASSIGN_OR_RETURN(std::shared_ptr<RelayCore> core,
                   RelayCore::Open(std::move(connection), std::move(options.relay),
                                   std::move(database), kPostgresPoll, Clock::System()));
  return std::make_unique<OutboxRelay>(std::move(core));
}

}  // namespace eventhub::client

// Change capture: every change of a row of a SQLite table becomes an event, with the row before and
// after, in order per row and exactly once, whichever program changes it.
//
//   capture [address] [topic] [database] [table] [key column]
//
//   sqlite3 shop.db "UPDATE articles SET price = 5 WHERE id = 'sku-7'"
//   eventhub read articles --format='%t %k %d\n'
//   articles.updated sku-7 {"before":{"id":"sku-7","price":4},"after":{"id":"sku-7","price":5}}
//
// Triggers write the events to the outbox table in the transaction that changes the row, and a
// relay publishes them. In PostgreSQL, write the same triggers in plpgsql, with row_to_json(OLD).
// Restart the program after columns were added. REPLACE reports the row that it removes only with
// `PRAGMA recursive_triggers = ON`.

#include <sqlite3.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "eventhub/sqlite_outbox.h"

using eventhub::client::Connect;
using eventhub::client::OpenSqliteRelay;
using eventhub::client::SqliteOutboxSchema;

namespace {

// Quotes a name or a text for SQL.
std::string Name(const std::string& name) {
  return absl::StrCat("\"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\"");
}
std::string Text(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}}), "'");
}

bool Run(sqlite3* database, const std::string& sql) {
  if (sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return true;
  std::cerr << sql << ": " << sqlite3_errmsg(database) << "\n";
  return false;
}

std::vector<std::string> ColumnsOf(sqlite3* database, const std::string& table) {
  std::vector<std::string> columns;
  sqlite3_stmt* statement = nullptr;
  const std::string sql = absl::StrCat("SELECT name FROM pragma_table_info(", Text(table), ")");
  if (sqlite3_prepare_v2(database, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) return {};
  while (sqlite3_step(statement) == SQLITE_ROW) {
    columns.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)));
  }
  sqlite3_finalize(statement);
  return columns;
}

// The row as JSON. JSON has no bytes, so a blob is written as hexadecimal digits.
std::string RowJson(const std::string& row, const std::vector<std::string>& columns) {
  return absl::StrCat("json_object(",
                      absl::StrJoin(columns, ", ",
                                    [&](std::string* sql, const std::string& column) {
                                      const std::string value =
                                          absl::StrCat(row, ".", Name(column));
                                      absl::StrAppend(sql, Text(column), ", iif(typeof(", value,
                                                      ") = 'blob', hex(", value, "), ", value, ")");
                                    }),
                      ")");
}

struct Change {
  const char* kind;  // E.g. "updated".
  const char* when;  // E.g. "AFTER UPDATE".
  bool has_before;
  bool has_after;
};

std::string TriggerFor(const Change& change, const std::string& topic, const std::string& table,
                       const std::string& key, const std::vector<std::string>& columns) {
  const std::string trigger = Name(absl::StrCat("capture_", table, "_", change.kind));
  const std::string before = change.has_before ? RowJson("OLD", columns) : "NULL";
  const std::string after = change.has_after ? RowJson("NEW", columns) : "NULL";
  return absl::StrCat(
      "DROP TRIGGER IF EXISTS ", trigger, "; CREATE TRIGGER ", trigger, " ", change.when, " ON ",
      Name(table), " FOR EACH ROW",
      change.has_before && change.has_after ? absl::StrCat(" WHEN ", before, " IS NOT ", after)
                                            : "",
      " BEGIN INSERT INTO eventhub_outbox (topic, event) VALUES (", Text(topic),
      ", json_object('source', ", Text(absl::StrCat("/capture/", table)), ", 'type', ",
      Text(absl::StrCat(table, ".", change.kind)), ", 'partitionkey', CAST(",
      change.has_after ? "NEW." : "OLD.", Name(key), " AS TEXT), 'data', json_object('before', ",
      before, ", 'after', ", after, "))); END;");
}

bool Capture(sqlite3* database, const std::string& topic, const std::string& table,
             const std::string& key) {
  const std::vector<std::string> columns = ColumnsOf(database, table);
  // A trigger with a wrong column name would make the writes of other programs fail.
  if (std::find(columns.begin(), columns.end(), key) == columns.end()) {
    std::cerr << "there is no table " << table << " with a column " << key << "\n";
    return false;
  }
  std::string sql = "BEGIN IMMEDIATE; ";
  for (const Change& change : {Change{"inserted", "AFTER INSERT", false, true},
                               Change{"updated", "AFTER UPDATE", true, true},
                               Change{"deleted", "AFTER DELETE", true, false}}) {
    sql += TriggerFor(change, topic, table, key, columns);
  }
  return Run(database, SqliteOutboxSchema()) && Run(database, sql + "COMMIT");
}

}  // namespace

int main(int argc, char** argv) {
  // Blocked before any thread starts, so that sigwait below gets the signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const std::string address = argc > 1 ? argv[1] : "localhost:7070";
  const std::string topic = argc > 2 ? argv[2] : "articles";
  const std::string path = argc > 3 ? argv[3] : "shop.db";
  const std::string table = argc > 4 ? argv[4] : "articles";
  const std::string key = argc > 5 ? argv[5] : "id";

  sqlite3* database = nullptr;
  if (sqlite3_open(path.c_str(), &database) != SQLITE_OK) return 1;
  sqlite3_busy_timeout(database, 5000);
  const bool captures = Capture(database, topic, table, key);
  sqlite3_close(database);
  if (!captures) return 1;

  const auto relay = OpenSqliteRelay(Connect(address), {.path = path});
  if (!relay.ok()) {
    std::cerr << relay.status() << "\n";
    return 1;
  }
  int signal;
  sigwait(&signals, &signal);
  return 0;
}

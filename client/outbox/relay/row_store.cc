#include "client/outbox/relay/row_store.h"

#include <utility>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "storage/base/status_macros.h"

namespace eventhub::client::outbox {
namespace {

// The version of the relay's tables.
constexpr int64_t kTableFormat = 1;

int64_t ToInteger(uint64_t number) { return static_cast<int64_t>(number); }
uint64_t ToNumber(int64_t integer) { return static_cast<uint64_t>(integer); }

std::string NewProducerName() {
  absl::BitGen random;
  return absl::StrFormat("outbox-%016x%016x", absl::Uniform<uint64_t>(random),
                         absl::Uniform<uint64_t>(random));
}

// Of columns id, created_at, deliver_at, event.
OutboxRow ToOutboxRow(const SqlDatabase::Row& row) {
  OutboxRow result{.id = row.Integer(0),
                   .created_at = absl::FromUnixMicros(row.Integer(1)),
                   .event = row.Text(3)};
  if (!row.IsNull(2)) result.deliver_at = absl::FromUnixMicros(row.Integer(2));
  return result;
}

}  // namespace

RowStore::RowStore(SqlDatabase& database, std::string table)
    : database_(database), table_(std::move(table)) {}

// Fills in the name of the table and the parts of the dialect.
std::string RowStore::Sql(std::string_view text) const {
  const SqlDialect& dialect = database_.dialect();
  const auto micros = [&](const char* column) {
    return absl::StrReplaceAll(dialect.micros, {{"$", column}});
  };
  return absl::StrReplaceAll(absl::string_view(text.data(), text.size()),
                             {{"@", table_},
                              {"{created}", micros("created_at")},
                              {"{deliver}", micros("deliver_at")},
                              {"{refused}", micros("refused_at")},
                              {"{oldest}", micros("min(created_at)")},
                              {"{id in $1}", absl::StrReplaceAll(dialect.in_list, {{"$", "$1"}})},
                              {"{id in $4}", absl::StrReplaceAll(dialect.in_list, {{"$", "$4"}})},
                              {"{unnest ids}", dialect.unnest_ids},
                              {"{for update}", dialect.for_update}});
}

std::string RowStore::ListOf(const RowIds& ids) const {
  std::string text(1, database_.dialect().list_begin);
  absl::StrAppend(&text, absl::StrJoin(ids, ","));
  text.push_back(database_.dialect().list_end);
  return text;
}

RowIds RowStore::ParseList(std::string_view text) const {
  RowIds ids;
  if (text.size() < 2) return ids;
  const absl::string_view inside(text.data() + 1, text.size() - 2);
  for (const absl::string_view part : absl::StrSplit(inside, ',', absl::SkipWhitespace())) {
    int64_t id = 0;
    if (absl::SimpleAtoi(part, &id)) ids.push_back(id);
  }
  return ids;
}

absl::Status RowStore::Open(const std::string& schema) {
  RETURN_IF_ERROR(database_.Connect());
  ASSIGN_OR_RETURN(const bool exists, database_.HasTable(table_));
  if (exists) return CheckFormat();
  if (schema.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("there is no table ", table_));
  }
  SqlTransaction transaction(database_);
  RETURN_IF_ERROR(transaction.Begin());
  RETURN_IF_ERROR(database_.RunScript(schema));
  return transaction.Commit();
}

absl::Status RowStore::CheckFormat() {
  int64_t format = kTableFormat;
  RETURN_IF_ERROR(
      database_.Run(Sql("SELECT format FROM @_relay"), {}, [&](const SqlDatabase::Row& row) {
        format = row.Integer(0);
        return true;
      }));
  if (format <= kTableFormat) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the tables of ", table_, " were written by a later version"));
}

void RowStore::Close() { database_.Disconnect(); }

absl::StatusOr<std::optional<RecordedState>> RowStore::TakeOver() {
  ASSIGN_OR_RETURN(const bool locked, database_.TryLock(table_));
  if (!locked) return std::nullopt;
  SqlTransaction transaction(database_);
  RETURN_IF_ERROR(transaction.Begin());
  RecordedState state;
  generation_ = 0;
  RETURN_IF_ERROR(database_.Run(Sql("SELECT producer, generation FROM @_relay {for update}"), {},
                                [&](const SqlDatabase::Row& row) {
                                  state.producer = row.Text(0);
                                  generation_ = row.Integer(1);
                                  return true;
                                }));
  ++generation_;
  if (state.producer.empty()) {
    state.producer = NewProducerName();
    RETURN_IF_ERROR(
        database_.Run(Sql("INSERT INTO @_relay (format, producer, generation) VALUES ($1, $2, $3)"),
                      {kTableFormat, state.producer, generation_}));
  } else {
    RETURN_IF_ERROR(database_.Run(Sql("UPDATE @_relay SET generation = $1"), {generation_}));
  }
  RETURN_IF_ERROR(database_.Run(Sql("SELECT topic, epoch, base, next FROM @_topics"), {},
                                [&](const SqlDatabase::Row& row) {
                                  state.topics.push_back({.name = std::string(row.Text(0)),
                                                          .epoch = ToNumber(row.Integer(1)),
                                                          .base = ToNumber(row.Integer(2)),
                                                          .next = ToNumber(row.Integer(3))});
                                  return true;
                                }));
  for (RecordedTopic& topic : state.topics) {
    RETURN_IF_ERROR(database_.Run(
        Sql("SELECT number, ids FROM @_requests WHERE topic = $1 ORDER BY number"), {topic.name},
        [&](const SqlDatabase::Row& row) {
          topic.requests.push_back({ToNumber(row.Integer(0)), ParseList(row.Text(1))});
          return true;
        }));
  }
  RETURN_IF_ERROR(transaction.Commit());
  return state;
}

absl::StatusOr<std::vector<std::string>> RowStore::TopicsWithRows() {
  // Goes from one topic to the next by the index, however many rows each has.
  std::vector<std::string> topics;
  RETURN_IF_ERROR(
      database_.Run(Sql("WITH RECURSIVE found (topic) AS ("
                        "SELECT min(topic) FROM @ UNION ALL "
                        "SELECT (SELECT min(topic) FROM @ WHERE topic > found.topic) FROM found "
                        "WHERE found.topic IS NOT NULL) "
                        "SELECT topic FROM found WHERE topic IS NOT NULL"),
                    {}, [&](const SqlDatabase::Row& row) {
                      topics.emplace_back(row.Text(0));
                      return true;
                    }));
  return topics;
}

absl::Status RowStore::ReadRows(const std::string& topic, bool recorded, size_t limit,
                                absl::FunctionRef<bool(const OutboxRow& row)> visit) {
  // Not "the ids after the last one": in PostgreSQL, a transaction that commits late adds rows with
  // lower ids.
  const char* const unrecorded =
      recorded ? "AND id NOT IN (SELECT listed.value FROM @_requests, {unnest ids} "
                 "WHERE @_requests.topic = $1) "
               : "";
  return database_.Read(Sql(absl::StrCat("SELECT id, {created}, {deliver}, event FROM @ "
                                         "WHERE topic = $1 ",
                                         unrecorded, "ORDER BY id LIMIT $2")),
                        {topic, ToInteger(limit)},
                        [&](const SqlDatabase::Row& row) { return visit(ToOutboxRow(row)); });
}

absl::Status RowStore::ReadRequest(const std::string& topic, const RowIds& ids,
                                   absl::FunctionRef<bool(const OutboxRow& row)> visit) {
  return database_.Read(Sql("SELECT id, {created}, {deliver}, event FROM @ "
                            "WHERE topic = $1 AND id BETWEEN $2 AND $3 AND {id in $4} "
                            "ORDER BY id"),
                        {topic, ids.front(), ids.back(), ListOf(ids)},
                        [&](const SqlDatabase::Row& row) { return visit(ToOutboxRow(row)); });
}

absl::Status RowStore::Begin(SqlTransaction& transaction) {
  RETURN_IF_ERROR(transaction.Begin());
  bool owner = false;
  RETURN_IF_ERROR(database_.Run(Sql("SELECT generation FROM @_relay {for update}"), {},
                                [&](const SqlDatabase::Row& row) {
                                  owner = row.Integer(0) == generation_;
                                  return true;
                                }));
  if (owner) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("another relay has taken over ", table_));
}

absl::Status RowStore::PutTopic(const RecordedTopic& topic) {
  return database_.Run(
      Sql("INSERT INTO @_topics (topic, epoch, base, next) VALUES ($1, $2, $3, $4) "
          "ON CONFLICT (topic) DO UPDATE SET "
          "epoch = excluded.epoch, base = excluded.base, next = excluded.next"),
      {topic.name, ToInteger(topic.epoch), ToInteger(topic.base), ToInteger(topic.next)});
}

absl::Status RowStore::PutRequest(const std::string& topic, const RecordedRequest& request) {
  return database_.Run(Sql("INSERT INTO @_requests (topic, number, ids) VALUES ($1, $2, $3) "
                           "ON CONFLICT (topic, number) DO UPDATE SET ids = excluded.ids"),
                       {topic, ToInteger(request.number), ListOf(request.ids)});
}

absl::Status RowStore::DeleteRequest(const std::string& topic, uint64_t number) {
  return database_.Run(Sql("DELETE FROM @_requests WHERE topic = $1 AND number = $2"),
                       {topic, ToInteger(number)});
}

absl::Status RowStore::DeleteRows(const std::string& topic, const RowIds& ids) {
  // The bounds use the index, so that the list is compared with few rows.
  return database_.Run(
      Sql("DELETE FROM @ WHERE topic = $1 AND id BETWEEN $2 AND $3 AND {id in $4}"),
      {topic, ids.front(), ids.back(), ListOf(ids)});
}

absl::Status RowStore::SetAside(const std::string& topic, int64_t id, const absl::Status& error,
                                bool in_doubt) {
  RETURN_IF_ERROR(database_.Run(
      Sql("INSERT INTO @_refused (code, error, in_doubt, id, topic, event, created_at, deliver_at) "
          "SELECT CAST($1 AS INTEGER), $2, CAST($3 AS INTEGER), "
          "id, topic, event, created_at, deliver_at FROM @ WHERE topic = $4 AND id = $5"),
      {static_cast<int64_t>(error.code()), std::string(error.message()),
       static_cast<int64_t>(in_doubt), topic, id}));
  return database_.Run(Sql("DELETE FROM @ WHERE topic = $1 AND id = $2"), {topic, id});
}

absl::StatusOr<std::vector<RowCount>> RowStore::Count(const std::string& sql) {
  std::vector<RowCount> counts;
  RETURN_IF_ERROR(database_.Run(Sql(sql), {}, [&](const SqlDatabase::Row& row) {
    counts.push_back({.topic = std::string(row.Text(0)),
                      .rows = ToNumber(row.Integer(1)),
                      .oldest = absl::FromUnixMicros(row.Integer(2))});
    return true;
  }));
  return counts;
}

absl::StatusOr<std::vector<RowCount>> RowStore::CountRows() {
  return Count("SELECT topic, count(*), {oldest} FROM @ GROUP BY topic ORDER BY topic");
}

absl::StatusOr<std::vector<RowCount>> RowStore::CountRefused() {
  return Count("SELECT topic, count(*), {oldest} FROM @_refused GROUP BY topic ORDER BY topic");
}

absl::StatusOr<std::vector<RefusedRow>> RowStore::ListRefused(std::string_view topic, int64_t after,
                                                              size_t limit) {
  std::vector<RefusedRow> rows;
  RETURN_IF_ERROR(database_.Run(
      Sql("SELECT id, topic, event, {created}, {refused}, code, error, in_doubt FROM @_refused "
          "WHERE id > $1 AND ($2 = '' OR topic = $2) ORDER BY id LIMIT $3"),
      {after, std::string(topic), ToInteger(limit)}, [&](const SqlDatabase::Row& row) {
        rows.push_back({.id = row.Integer(0),
                        .topic = std::string(row.Text(1)),
                        .event = std::string(row.Text(2)),
                        .created_at = absl::FromUnixMicros(row.Integer(3)),
                        .refused_at = absl::FromUnixMicros(row.Integer(4)),
                        .error = absl::Status(static_cast<absl::StatusCode>(row.Integer(5)),
                                              std::string(row.Text(6))),
                        .in_doubt = row.Integer(7) != 0});
        return true;
      }));
  return rows;
}

absl::StatusOr<int64_t> RowStore::LastRefused(std::string_view topic) {
  int64_t last = 0;
  RETURN_IF_ERROR(database_.Run(Sql("SELECT coalesce(max(id), 0) FROM @_refused WHERE topic = $1"),
                                {std::string(topic)}, [&](const SqlDatabase::Row& row) {
                                  last = row.Integer(0);
                                  return true;
                                }));
  return last;
}

absl::StatusOr<uint64_t> RowStore::TakeRefused(std::string_view topic, int64_t last, size_t limit,
                                               bool retry) {
  SqlTransaction transaction(database_);
  RETURN_IF_ERROR(transaction.Begin());
  RowIds ids;
  RETURN_IF_ERROR(database_.Run(Sql("SELECT id FROM @_refused WHERE topic = $1 AND id <= $2 "
                                    "ORDER BY id LIMIT $3 {for update}"),
                                {std::string(topic), last, ToInteger(limit)},
                                [&](const SqlDatabase::Row& row) {
                                  ids.push_back(row.Integer(0));
                                  return true;
                                }));
  if (ids.empty()) return 0;
  const SqlValues list = {ListOf(ids)};
  if (retry) {
    RETURN_IF_ERROR(database_.Run(
        Sql("INSERT INTO @ (topic, event, created_at, deliver_at) "
            "SELECT topic, event, created_at, deliver_at FROM @_refused WHERE {id in $1} "
            "ORDER BY id"),
        list));
  }
  RETURN_IF_ERROR(database_.Run(Sql("DELETE FROM @_refused WHERE {id in $1}"), list));
  RETURN_IF_ERROR(transaction.Commit());
  return ids.size();
}

absl::StatusOr<uint64_t> RowStore::RetryRefused(std::string_view topic, int64_t last,
                                                size_t limit) {
  return TakeRefused(topic, last, limit, /*retry=*/true);
}

absl::StatusOr<uint64_t> RowStore::DiscardRefused(std::string_view topic, int64_t last,
                                                  size_t limit) {
  return TakeRefused(topic, last, limit, /*retry=*/false);
}

}  // namespace eventhub::client::outbox

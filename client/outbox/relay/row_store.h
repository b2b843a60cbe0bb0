// The tables of a transactional outbox: the only code of the relay that has SQL in it, except the
// schemas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/outbox/relay/sql_database.h"
#include "eventhub/outbox_relay.h"

namespace eventhub::client::outbox {

// A row of the outbox table.
struct OutboxRow {
  int64_t id = 0;
  absl::Time created_at{};
  std::optional<absl::Time> deliver_at{};
  std::string_view event{};
};

using RowIds = std::vector<int64_t>;

// A recorded request: rows that are sent together.
struct RecordedRequest {
  uint64_t number = 0;
  RowIds ids{};  // Ascending.
};

// The recorded state of a topic; see Lane.
struct RecordedTopic {
  std::string name{};
  uint64_t epoch = 0;
  uint64_t base = 0;
  uint64_t next = 0;                        // The number of the next request.
  std::vector<RecordedRequest> requests{};  // Ascending.
};

// The recorded state of a table, as a relay finds it when it takes over.
struct RecordedState {
  std::string producer{};
  std::vector<RecordedTopic> topics{};
};

// Rows by topic.
struct RowCount {
  std::string topic{};
  uint64_t rows = 0;
  std::optional<absl::Time> oldest{};
};

// Thread-compatible. After an error, the connection should be closed.
class RowStore {
 public:
  // `database` must outlive it.
  RowStore(SqlDatabase& database, std::string table);

  // Opens the connection, and creates the tables if there are none and `schema` is not empty.
  absl::Status Open(const std::string& schema);
  void Close();

  // Makes this the relay of the table; returns unset if another one is. Removes requests that have
  // no rows left.
  absl::StatusOr<std::optional<RecordedState>> TakeOver();

  // The topics that have rows.
  absl::StatusOr<std::vector<std::string>> TopicsWithRows();

  // Visits rows of the topic that are in no recorded request, in the order of their ids, at most
  // `limit`, until `visit` returns false. `recorded`: there may be recorded requests.
  absl::Status ReadRows(const std::string& topic, bool recorded, size_t limit,
                        absl::FunctionRef<bool(const OutboxRow& row)> visit);

  // Visits the rows of a request, which has at least one.
  absl::Status ReadRequest(const std::string& topic, const RowIds& ids,
                           absl::FunctionRef<bool(const OutboxRow& row)> visit);

  absl::StatusOr<bool> MayHaveChanged() { return database_.MayHaveChanged(); }

  // Begins a transaction; ABORTED if another relay has taken over. The calls below belong to it.
  absl::Status Begin(SqlTransaction& transaction);
  SqlDatabase& database() { return database_; }

  absl::Status PutTopic(const RecordedTopic& topic);
  absl::Status PutRequest(const std::string& topic, const RecordedRequest& request);
  absl::Status DeleteRequest(const std::string& topic, uint64_t number);
  // At least one.
  absl::Status DeleteRows(const std::string& topic, const RowIds& ids);
  // Moves a row to the rows that were set aside.
  absl::Status SetAside(const std::string& topic, int64_t id, const absl::Status& error,
                        bool in_doubt);

  // For operators.
  absl::StatusOr<std::vector<RowCount>> CountRows();
  absl::StatusOr<std::vector<RowCount>> CountRefused();
  // At most `limit` rows with ids after `after`; an empty topic: rows of all topics.
  absl::StatusOr<std::vector<RefusedRow>> ListRefused(std::string_view topic, int64_t after,
                                                      size_t limit);
  // Puts the first rows that were set aside, up to `last` and at most `limit`, back into the table,
  // or deletes them. Returns their number.
  absl::StatusOr<uint64_t> RetryRefused(std::string_view topic, int64_t last, size_t limit);
  absl::StatusOr<uint64_t> DiscardRefused(std::string_view topic, int64_t last, size_t limit);
  absl::StatusOr<int64_t> LastRefused(std::string_view topic);

 private:
  absl::Status CheckFormat();
  std::string Sql(std::string_view text) const;
  std::string ListOf(const RowIds& ids) const;
  RowIds ParseList(std::string_view text) const;
  absl::StatusOr<std::vector<RowCount>> Count(const std::string& sql);
  absl::StatusOr<uint64_t> TakeRefused(std::string_view topic, int64_t last, size_t limit,
                                       bool retry);

  SqlDatabase& database_;
  const std::string table_;
  int64_t generation_ = 0;  // Increases with each take-over.
};

}  // namespace eventhub::client::outbox

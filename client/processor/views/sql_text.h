// The SQL of views.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eventhub/processor/view_store.h"

namespace eventhub::processor::internal {

// The differences between databases.
struct SqlDialect {
  const char* integer;
  const char* real;
  const char* text;
  const char* blob;
  const char* key;            // The type of keys, which sort by bytes.
  const char* table_options;  // After the columns of a table.
  char parameter;             // Before the number of a parameter.
};
inline constexpr SqlDialect kSqliteDialect = {"INTEGER", "REAL",           "TEXT", "BLOB",
                                              "TEXT",    " WITHOUT ROWID", '?'};
inline constexpr SqlDialect kPostgresDialect = {
    "BIGINT", "DOUBLE PRECISION", "TEXT", "BYTEA", "TEXT COLLATE \"C\"", "", '$'};

// The statements of one view. Its options must be valid, and outlive this object.
class SqlText {
 public:
  SqlText(const ViewOptions& options, const SqlDialect& dialect);

  std::string CreateTable(uint64_t generation) const;
  std::string DropTable(uint64_t generation) const;
  std::string CreateView(uint64_t generation) const;
  std::string DropView() const;

  // The parameters: key, version, offset, deleted, and the columns.
  std::string Upsert(uint64_t generation, bool again) const;
  // The key and the columns of the rows that readers see.
  std::string SelectOne(const std::string& parameter) const;
  std::string SelectAll() const;

 private:
  std::string Table(uint64_t generation) const;
  const char* TypeOf(const Column& column) const;

  const ViewOptions options_;
  const SqlDialect dialect_;
};

// The rows that took effect.
std::vector<const Row*> WrittenRows(absl::Span<const RowWrite> rows);

// Calls the program's `in_transaction`. UNKNOWN if it throws.
absl::Status CallInTransaction(absl::FunctionRef<absl::Status()> call);

}  // namespace eventhub::processor::internal

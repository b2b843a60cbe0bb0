#include "client/processor/views/sql_text.h"

#include <exception>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace eventhub::processor::internal {
namespace {

// Valid names need no escapes; quotes permit names that are keywords of SQL.
std::string Quoted(const std::string& name) { return absl::StrCat("\"", name, "\""); }

}  // namespace

SqlText::SqlText(const ViewOptions& options, const SqlDialect& dialect)
    : options_(options), dialect_(dialect) {}

std::string SqlText::Table(uint64_t generation) const {
  return Quoted(absl::StrCat(options_.name, "_", generation));
}

const char* SqlText::TypeOf(const Column& column) const {
  switch (column.type) {
    case ColumnType::kInteger:
      return dialect_.integer;
    case ColumnType::kReal:
      return dialect_.real;
    case ColumnType::kText:
      return dialect_.text;
    default:
      return dialect_.blob;
  }
}

// The columns of the library begin with _. The columns of a view begin with a letter, so they
// cannot have these names.
std::string SqlText::CreateTable(uint64_t generation) const {
  std::string sql =
      absl::StrCat("CREATE TABLE ", Table(generation), " (key ", dialect_.key,
                   " PRIMARY KEY NOT NULL, _version ", dialect_.integer, " NOT NULL, _offset ",
                   dialect_.integer, " NOT NULL, _deleted ", dialect_.integer, " NOT NULL");
  for (const Column& column : options_.columns) {
    absl::StrAppend(&sql, ", ", Quoted(column.name), " ", TypeOf(column));
  }
  return absl::StrCat(sql, ")", dialect_.table_options);
}

std::string SqlText::DropTable(uint64_t generation) const {
  return absl::StrCat("DROP TABLE ", Table(generation));
}

std::string SqlText::CreateView(uint64_t generation) const {
  std::string sql = absl::StrCat("CREATE VIEW ", Quoted(options_.name), " AS SELECT key");
  for (const Column& column : options_.columns) absl::StrAppend(&sql, ", ", Quoted(column.name));
  return absl::StrCat(sql, " FROM ", Table(generation), " WHERE _deleted = 0");
}

std::string SqlText::DropView() const { return absl::StrCat("DROP VIEW ", Quoted(options_.name)); }

std::string SqlText::Upsert(uint64_t generation, bool again) const {
  std::string names = "key, _version, _offset, _deleted";
  std::string updates =
      "_version = excluded._version, _offset = excluded._offset, _deleted = excluded._deleted";
  const std::string sign(1, dialect_.parameter);
  std::string values = absl::StrCat(sign, 1);
  for (size_t i = 2; i <= options_.columns.size() + 4; ++i) {
    absl::StrAppend(&values, ", ", sign, i);
  }
  for (const Column& column : options_.columns) {
    const std::string name = Quoted(column.name);
    absl::StrAppend(&names, ", ", name);
    absl::StrAppend(&updates, ", ", name, " = excluded.", name);
  }
  return absl::StrCat("INSERT INTO ", Table(generation), " AS old (", names, ") VALUES (", values,
                      ") ON CONFLICT (key) DO UPDATE SET ", updates,
                      " WHERE (excluded._version, excluded._offset) ", again ? ">=" : ">",
                      " (old._version, old._offset)");
}

std::string SqlText::SelectOne(const std::string& parameter) const {
  return absl::StrCat("SELECT * FROM ", Quoted(options_.name), " WHERE key = ", parameter);
}

std::string SqlText::SelectAll() const {
  return absl::StrCat("SELECT * FROM ", Quoted(options_.name), " ORDER BY key");
}

std::vector<const Row*> WrittenRows(absl::Span<const RowWrite> rows) {
  std::vector<const Row*> written;
  for (const RowWrite& write : rows) {
    if (write.written) written.push_back(&write.row);
  }
  return written;
}

absl::Status CallInTransaction(absl::FunctionRef<absl::Status()> call) {
  try {
    return call();
  } catch (const std::exception& exception) {
    return absl::UnknownError(absl::StrCat("in_transaction threw: ", exception.what()));
  } catch (...) {
    return absl::UnknownError("in_transaction threw something other than a std::exception");
  }
}

}  // namespace eventhub::processor::internal

#include "server/lake/columns/duckdb.h"

#include <dlfcn.h>

#include <cstdint>
#include <type_traits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

// The part of DuckDB's C interface that is used here, which is stable across its versions.
using Database = void*;
using Connection = void*;
using Config = void*;
constexpr int kSuccess = 0;

// Whether a column type of DuckDB is a number, from TINYINT to DOUBLE, HUGEINT, DECIMAL, or
// UHUGEINT.
bool IsNumber(int type) {
  return (type >= 2 && type <= 11) || type == 16 || type == 19 || type == 32;
}

}  // namespace

struct DuckDb::Library {
  struct Result {
    uint64_t unused[5];  // Deprecated by DuckDB.
    void* internal;
  };

  ~Library() {
    if (handle != nullptr) dlclose(handle);
  }

  void* handle = nullptr;
  int (*create_config)(Config*) = nullptr;
  int (*set_config)(Config, const char*, const char*) = nullptr;
  void (*destroy_config)(Config*) = nullptr;
  int (*open_ext)(const char*, Database*, Config, char**) = nullptr;
  void (*close)(Database*) = nullptr;
  int (*connect)(Database, Connection*) = nullptr;
  void (*disconnect)(Connection*) = nullptr;
  int (*query)(Connection, const char*, Result*) = nullptr;
  void (*destroy_result)(Result*) = nullptr;
  const char* (*result_error)(Result*) = nullptr;
  uint64_t (*column_count)(Result*) = nullptr;
  const char* (*column_name)(Result*, uint64_t) = nullptr;
  int (*column_type)(Result*, uint64_t) = nullptr;
  uint64_t (*row_count)(Result*) = nullptr;
  char* (*value_varchar)(Result*, uint64_t, uint64_t) = nullptr;
  void (*free)(void*) = nullptr;

  absl::Status Load(const std::string& name) {
    handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot load DuckDB, which this needs: ", dlerror(),
                       ". Its library is in https://duckdb.org/docs/installation, and in npm's "
                       "@duckdb/node-bindings-linux-x64; --duckdb says where it is"));
    }
    absl::Status status;
    const auto find = [&](const char* function, auto* to) {
      void* const symbol = dlsym(handle, function);
      if (symbol == nullptr) {
        status = absl::FailedPreconditionError(absl::StrCat(name, " lacks ", function));
      }
      *to = reinterpret_cast<std::remove_reference_t<decltype(*to)>>(symbol);
    };
    find("duckdb_create_config", &create_config);
    find("duckdb_set_config", &set_config);
    find("duckdb_destroy_config", &destroy_config);
    find("duckdb_open_ext", &open_ext);
    find("duckdb_close", &close);
    find("duckdb_connect", &connect);
    find("duckdb_disconnect", &disconnect);
    find("duckdb_query", &query);
    find("duckdb_destroy_result", &destroy_result);
    find("duckdb_result_error", &result_error);
    find("duckdb_column_count", &column_count);
    find("duckdb_column_name", &column_name);
    find("duckdb_column_type", &column_type);
    find("duckdb_row_count", &row_count);
    find("duckdb_value_varchar", &value_varchar);
    find("duckdb_free", &free);
    return status;
  }
};

struct DuckDb::Handles {
  Database database = nullptr;
  Connection connection = nullptr;
};

absl::StatusOr<std::unique_ptr<DuckDb>> DuckDb::Open(const DuckDbOptions& options) {
  auto library = std::make_unique<Library>();
  RETURN_IF_ERROR(library->Load(options.library));
  Library& api = *library;
  std::unique_ptr<DuckDb> db(
      new DuckDb(std::move(library), std::make_unique<Handles>(), options.memory));
  Config config = nullptr;
  if (api.create_config(&config) != kSuccess) {
    return absl::ResourceExhaustedError("DuckDB cannot be configured");
  }
  const absl::Cleanup destroy = [&] { api.destroy_config(&config); };
  const std::pair<const char*, std::string> settings[] = {
      {"memory_limit", absl::StrCat(options.memory >> 10, "KiB")},
      {"threads", absl::StrCat(options.threads)},
      {"temp_directory", options.temporary},
      {"preserve_insertion_order", "false"},
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"}};
  for (const auto& [name, value] : settings) {
    if (value.empty()) continue;
    if (api.set_config(config, name, value.c_str()) != kSuccess) {
      return absl::FailedPreconditionError(
          absl::StrCat(options.library, " does not take the setting ", name, "=", value));
    }
  }
  char* error = nullptr;
  if (api.open_ext(nullptr, &db->handles_->database, config, &error) != kSuccess) {
    const std::string why = error == nullptr ? "" : error;
    if (error != nullptr) api.free(error);
    return absl::FailedPreconditionError(absl::StrCat("DuckDB does not start: ", why));
  }
  if (api.connect(db->handles_->database, &db->handles_->connection) != kSuccess) {
    return absl::FailedPreconditionError("DuckDB refuses a connection");
  }
  return db;
}

DuckDb::DuckDb(std::unique_ptr<Library> library, std::unique_ptr<Handles> handles, size_t memory)
    : library_(std::move(library)), handles_(std::move(handles)), memory_(memory) {}

DuckDb::~DuckDb() {
  if (handles_->connection != nullptr) library_->disconnect(&handles_->connection);
  if (handles_->database != nullptr) library_->close(&handles_->database);
}

absl::Status DuckDb::Run(const std::string& sql) {
  return Query(
      sql, [](const std::vector<DuckDbColumn>&) { return absl::OkStatus(); },
      [](const DuckDbRow&) { return absl::OkStatus(); });
}

absl::Status DuckDb::Query(
    const std::string& sql,
    const std::function<absl::Status(const std::vector<DuckDbColumn>&)>& begin,
    const std::function<absl::Status(const DuckDbRow&)>& visit) {
  Library::Result result{};
  const absl::Cleanup destroy = [&] { library_->destroy_result(&result); };
  if (library_->query(handles_->connection, sql.c_str(), &result) != kSuccess) {
    const char* const error = library_->result_error(&result);
    return absl::InvalidArgumentError(error == nullptr ? "the query failed" : error);
  }
  const uint64_t width = library_->column_count(&result);
  std::vector<DuckDbColumn> columns;
  for (uint64_t i = 0; i < width; ++i) {
    columns.push_back(
        {library_->column_name(&result, i), IsNumber(library_->column_type(&result, i))});
  }
  RETURN_IF_ERROR(begin(columns));
  const uint64_t rows = library_->row_count(&result);
  for (uint64_t i = 0; i < rows; ++i) {
    DuckDbRow row;
    std::vector<char*> owned;
    const absl::Cleanup release = [&] {
      for (char* const text : owned) library_->free(text);
    };
    for (uint64_t column = 0; column < width; ++column) {
      char* const text = library_->value_varchar(&result, column, i);
      if (text != nullptr) owned.push_back(text);
      row.push_back(text);
    }
    RETURN_IF_ERROR(visit(row));
  }
  return absl::OkStatus();
}

std::string SqlText(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}}), "'");
}

std::string SqlName(absl::string_view name) {
  return absl::StrCat("\"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\"");
}

}  // namespace eventhub::lake

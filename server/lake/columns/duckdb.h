// DuckDB, whose library is loaded at run time: programs need it only when they use it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub::lake {

struct DuckDbOptions {
  // A path, or a name that the loader of the system finds.
  std::string library = "libduckdb.so";
  // What DuckDB takes at most, in bytes; it goes on in `temporary` beyond that.
  size_t memory = size_t{512} << 20;
  int threads = 2;
  std::string temporary{};  // A directory; empty: the present one.
};

struct DuckDbColumn {
  std::string name;
  bool is_number = false;
};

// One row: a text for each column, null for NULL. Valid during the call.
using DuckDbRow = std::vector<const char*>;

// A database in memory. It installs nothing and loads no extensions, so it works offline.
// Thread-compatible.
class DuckDb {
 public:
  // FAILED_PRECONDITION: there is no such library, or it lacks what is needed of it.
  static absl::StatusOr<std::unique_ptr<DuckDb>> Open(const DuckDbOptions& options);
  ~DuckDb();

  DuckDb(const DuckDb&) = delete;
  DuckDb& operator=(const DuckDb&) = delete;

  // The limit of its memory, in bytes.
  size_t memory() const { return memory_; }

  // Runs statements. INVALID_ARGUMENT with DuckDB's message if one fails.
  absl::Status Run(const std::string& sql);

  // Runs statements, and calls `visit` with each row of the last one's result, after `begin` with
  // its columns. The result is in memory. Errors as those of Run, and of the callbacks.
  absl::Status Query(const std::string& sql,
                     const std::function<absl::Status(const std::vector<DuckDbColumn>&)>& begin,
                     const std::function<absl::Status(const DuckDbRow&)>& visit);

 private:
  struct Library;
  struct Handles;
  DuckDb(std::unique_ptr<Library> library, std::unique_ptr<Handles> handles, size_t memory);

  const std::unique_ptr<Library> library_;
  const std::unique_ptr<Handles> handles_;
  const size_t memory_;
};

// A text as a literal of SQL, and a name as an identifier.
std::string SqlText(absl::string_view text);
std::string SqlName(absl::string_view name);

}  // namespace eventhub::lake

// The directory of a store: its format, and the lock that excludes other processes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rocksdb {
class Env;
class FileLock;
}  // namespace rocksdb

namespace eventhub {

// Holds the lock of a data directory from Open() to destruction. Thread-compatible.
class DataDirectory {
 public:
  // Locks the directory, creating it if necessary. A directory of an older format keeps its number
  // until FinishUpgrade. Errors, which leave the directory unchanged: FAILED_PRECONDITION if
  // another process has locked it or its format is newer than this hub's, DATA_LOSS if its format
  // cannot be determined.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(rocksdb::Env* env,
                                                             const std::string& path);
  ~DataDirectory();

  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  const std::string& path() const { return path_; }

  // The path of the RocksDB instance.
  std::string db_path() const;

  // Records that a directory of an older format now conforms to kFormat. Call last: after a crash
  // before it, the next start upgrades the directory again.
  absl::Status FinishUpgrade();

  // What a new directory has, and an older one is upgraded to; and the greatest that this hub
  // knows. Formats between them are required by what only some stores have.
  static constexpr int kFormat = 4;
  static constexpr int kNewestFormat = 5;

  int format() const { return format_; }
  // Durably records a greater format, so that hubs that do not know it refuse the directory. No
  // effect if the directory has this format or a greater one. One call at a time.
  absl::Status Require(int format);

  // Makes the entries of the directory survive a power loss.
  absl::Status Sync() const;

 private:
  DataDirectory(rocksdb::Env* env, const std::string& path) : env_(env), path_(path) {}

  absl::Status Make() const;
  // Initializes a new directory.
  absl::Status Begin() const;
  // Returns whether the directory of the RocksDB instance contains a file with this suffix.
  absl::StatusOr<bool> HasLog(absl::string_view suffix = "") const;
  absl::Status Lock();
  // Returns the format; nullopt if there is neither a format nor a log.
  absl::StatusOr<std::optional<int>> CheckFormat() const;
  absl::Status WriteFormat(int format) const;

  rocksdb::Env* const env_;
  const std::string path_;
  rocksdb::FileLock* lock_ = nullptr;
  int format_ = kFormat;
};

}  // namespace eventhub

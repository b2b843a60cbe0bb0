// The directory that a store lives in: its format, and the lock that keeps other processes out.
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
  // Takes the directory over, or makes it. One of an older format keeps its number until
  // FinishUpgrade. Errors, with nothing touched: FAILED_PRECONDITION if
  // another process has it or a newer format is in it, DATA_LOSS if there is no telling its format.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(rocksdb::Env* env,
                                                             const std::string& path);
  ~DataDirectory();

  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  const std::string& path() const { return path_; }

  // Where the RocksDB instance is.
  std::string db_path() const;

  // Says that what is in the directory has become what this hub's format asks for, if it was of an
  // older one. Last of all: a crash before it leaves a directory that is upgraded anew.
  absl::Status FinishUpgrade();

  // Makes the entries of the directory survive a power loss.
  absl::Status Sync() const;

 private:
  DataDirectory(rocksdb::Env* env, const std::string& path) : env_(env), path_(path) {}

  absl::Status Make() const;
  // Makes a new directory one of this hub's format.
  absl::Status Begin() const;
  // Whether there is a file with this suffix where the RocksDB instance is to be.
  absl::StatusOr<bool> HasLog(absl::string_view suffix = "") const;
  absl::Status Lock();
  // Returns the format; nullopt if there is neither a format nor a log.
  absl::StatusOr<std::optional<int>> CheckFormat() const;
  absl::Status WriteFormat() const;

  rocksdb::Env* const env_;
  const std::string path_;
  rocksdb::FileLock* lock_ = nullptr;
  bool older_ = false;  // The number in the directory is less than this hub's.
};

}  // namespace eventhub

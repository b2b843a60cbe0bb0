// The directory that a store lives in: its format, and the lock that keeps other processes out.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
class FileLock;
}  // namespace rocksdb

namespace eventhub {

// Holds the lock of a data directory from Open() to destruction.
class DataDirectory {
 public:
  // Takes the directory over, or makes it. Errors, with nothing touched: FAILED_PRECONDITION if
  // another process has it or a newer format is in it, DATA_LOSS if there is no telling its format.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(rocksdb::Env* env,
                                                             const std::string& path);
  ~DataDirectory();

  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  const std::string& path() const { return path_; }

  // Where the RocksDB instance is.
  std::string db_path() const;

  // Makes the entries of the directory survive a power loss.
  absl::Status Sync() const;

 private:
  DataDirectory(rocksdb::Env* env, const std::string& path) : env_(env), path_(path) {}

  absl::Status Make() const;
  absl::Status Lock();
  // Returns false if there is neither a format nor a log.
  absl::StatusOr<bool> CheckFormat() const;
  absl::Status WriteFormat() const;

  rocksdb::Env* const env_;
  const std::string path_;
  rocksdb::FileLock* lock_ = nullptr;
};

}  // namespace eventhub

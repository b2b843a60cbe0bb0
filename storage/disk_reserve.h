// Lets the store survive a full disk: it releases a reserve and then waits for space, where RocksDB
// would fail permanently.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "rocksdb/env.h"
#include "rocksdb/io_status.h"
#include "storage/base/job_scheduler.h"
#include "storage/base/mutex.h"

namespace eventhub {

// RocksDB treats a full disk as a failed one: after a write that finds no space it must be
// reopened, and until then even deletions that would free space cannot be written. Therefore a
// write to any of its files that finds no space deletes the reserve, a file of zeros, and continues
// where it stopped; without a reserve it waits, and retries, until there is space. RocksDB does not
// notice. A waiting write blocks the ones behind it, so a full disk pauses the store, and freed
// space resumes it.
//
// Thread-safe.
class DiskReserve {
 public:
  // The reserve is the file `path`, of size `bytes`; 0: no reserve. `env` must outlive this.
  DiskReserve(rocksdb::Env* env, std::string path, uint64_t bytes);
  ~DiskReserve();

  // The environment to be used by RocksDB.
  rocksdb::Env* env() const { return env_.get(); }

  // Serve() makes writes wait for space. Before it, and after Stop(), they fail instead.
  void Serve();
  void Stop();

  // Returns whether a write has found no space and has not completed yet.
  bool waiting() const { return shortages_.load(std::memory_order_relaxed) > 0; }

  uint64_t bytes() const { return bytes_; }

  // Deletes the reserve to free its space. Returns false if there was none.
  bool Release();

  // Creates the reserve unless it exists; takes as long as the disk does.
  absl::Status Restore(const Cancellation& cancellation);

 private:
  class File;
  class Fs;
  class Shortage;

  rocksdb::IOStatus Make(const std::string& path, const Cancellation& cancellation);
  // Returns whether a file may preallocate this much.
  bool HasPlenty(uint64_t bytes) const;
  // Called after a write found no space. Blocks, possibly for long; returns whether to retry.
  bool AwaitSpace();

  rocksdb::Env* const base_;
  const std::string path_;
  const uint64_t bytes_;
  std::unique_ptr<rocksdb::Env> env_;

  std::atomic<int> shortages_{0};
  Mutex mutex_;
  CondVar changed_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;

  Mutex file_mutex_;  // Held while the reserve is created or released; acquired before mutex_.
};

}  // namespace eventhub

// What the store does when its disk is full: it gives up a reserve, and then waits for space, where
// RocksDB would fail for good.
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

// RocksDB takes lack of space for a failed disk: after a write that found none it has to be opened
// anew, and what was deleted to make room cannot be written either. So a write to any of its files
// that finds no space deletes the reserve, a file of zeros, and goes on where it stopped; with the
// reserve gone it waits, and tries again, until there is space. RocksDB does not hear of it. What
// waits holds up what is behind it, so that a full disk stops the store, and space that is made
// sets it going.
//
// Thread-safe.
class DiskReserve {
 public:
  // The reserve is in the file `path`, of `bytes`; 0: there is none. `env` outlives this.
  DiskReserve(rocksdb::Env* env, std::string path, uint64_t bytes);
  ~DiskReserve();

  // The files to be used by RocksDB.
  rocksdb::Env* env() const { return env_.get(); }

  // From now on writes wait for space; before that, and after Stop(), they fail.
  void Serve();
  void Stop();

  // Whether a write has found no space, and is not done yet.
  bool waiting() const { return shortages_.load(std::memory_order_relaxed) > 0; }

  uint64_t bytes() const { return bytes_; }

  // Gives the space of the reserve up. False if there was none.
  bool Release();

  // Makes the reserve if it is not there; takes as long as the disk does.
  absl::Status Restore(const Cancellation& cancellation);

 private:
  class File;
  class Fs;
  class Shortage;

  rocksdb::IOStatus Make(const std::string& path, const Cancellation& cancellation);
  // After a write found no space: whether it may be tried again, which may take long to say.
  bool AwaitSpace();

  rocksdb::Env* const base_;
  const std::string path_;
  const uint64_t bytes_;
  std::unique_ptr<rocksdb::Env> env_;

  std::atomic<int> shortages_{0};
  Mutex mutex_;
  CondVar changed_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;

  Mutex file_mutex_;  // Held while the reserve is made or given up; before mutex_.
};

}  // namespace eventhub

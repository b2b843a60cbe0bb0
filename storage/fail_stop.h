// Restricts RocksDB to reads after the first failure of its write-ahead log.
#pragma once

#include <atomic>
#include <memory>

#include "absl/functional/function_ref.h"
#include "rocksdb/env.h"
#include "rocksdb/status.h"
#include "storage/base/mutex.h"

namespace eventhub {

// RocksDB assumes this in places that only assert it, and Debian's build has assertions enabled: a
// sync of a log after a failed append to it, or a second switch to a new log after a failed one,
// would end the process, and with it all reads. Both can come from a thread that does not know of
// the failure yet. Therefore this class watches the files, and every change to a log goes through
// it; RocksDB learns of a failed append only while no sync is running.
//
// Thread-safe.
class FailStop {
 public:
  // Watches the write-ahead logs of one RocksDB instance on the files of `env`, which must outlive
  // this.
  explicit FailStop(rocksdb::Env* env);
  ~FailStop();

  // The environment to be used by the instance.
  rocksdb::Env* env() const { return env_.get(); }

  using Operation = absl::FunctionRef<rocksdb::Status()>;

  // Runs an operation that writes to a log, or makes RocksDB switch to a new one, and returns its
  // status. After a failure of a log, returns that failure and does not run it.
  rocksdb::Status Change(Operation change) const;

  // The same for an operation that syncs a log. May run concurrently with changes.
  rocksdb::Status Sync(Operation sync);

 private:
  class Log;
  class Fs;

  // Records a failure. Fail() waits for a running sync to end; FailInSync() is for the sync itself.
  void Fail(const rocksdb::Status& status);
  void FailInSync(const rocksdb::Status& status);
  rocksdb::Status failure() const;

  std::atomic<bool> failed_ = false;
  mutable Mutex mutex_;
  rocksdb::Status failure_ ABSL_GUARDED_BY(mutex_);
  Mutex syncing_;  // Held during a sync. Acquired before mutex_.
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace eventhub

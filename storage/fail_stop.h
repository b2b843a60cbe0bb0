// After the first failure of the write-ahead log nothing more is asked of RocksDB but reads.
#pragma once

#include <atomic>
#include <memory>

#include "absl/functional/function_ref.h"
#include "rocksdb/env.h"
#include "rocksdb/status.h"
#include "storage/base/mutex.h"

namespace eventhub {

// RocksDB relies on that in places where it asserts it, and Debian's build has its assertions: a
// sync of a log after a failed append to it, or a second switch to a new log after a failed one,
// would end the process, and with it the reads. Both can come from a thread that does not know of
// the failure yet. So the files are watched here, and whoever is about to change them asks here;
// and RocksDB hears of a failed append only when no sync runs.
//
// Thread-safe.
class FailStop {
 public:
  // Watches the write-ahead logs of one RocksDB instance on the files of `env`, which must outlive
  // this.
  explicit FailStop(rocksdb::Env* env);
  ~FailStop();

  // The files to be used by the instance.
  rocksdb::Env* env() const { return env_.get(); }

  using Operation = absl::FunctionRef<rocksdb::Status()>;

  // Runs what writes to a log, or makes RocksDB switch to a new one, and returns its outcome; the
  // first failure of a log if there was one.
  rocksdb::Status Change(Operation change) const;

  // The same for what syncs a log. Runs beside changes.
  rocksdb::Status Sync(Operation sync);

 private:
  class Log;
  class Fs;

  // Takes note of a failure. Waits for the end of a sync that runs, except in it.
  void Fail(const rocksdb::Status& status);
  void FailInSync(const rocksdb::Status& status);
  rocksdb::Status failure() const;

  std::atomic<bool> failed_ = false;
  mutable Mutex mutex_;
  rocksdb::Status failure_ ABSL_GUARDED_BY(mutex_);
  Mutex syncing_;  // Held through a sync. Before mutex_.
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace eventhub

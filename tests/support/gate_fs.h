// An in-memory file system whose syncs a test can hold back or fail, to act between a write and its
// acknowledgement.
#pragma once

#include <memory>
#include <string>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "storage/base/mutex.h"

namespace eventhub {

// The files of a GateFileSystem consult this before each sync. Thread-safe.
class SyncGate {
 public:
  // From now on, syncs wait until Open(), or succeed immediately.
  void Close() { Set(/*closed=*/true, /*failing=*/false); }
  void Open() { Set(/*closed=*/false, /*failing=*/false); }
  // From now on syncs fail, including those that wait.
  void Fail() { Set(/*closed=*/false, /*failing=*/true); }

  // Blocks while the gate is closed.
  rocksdb::IOStatus Pass() {
    MutexLock lock(mutex_);
    ++waiting_;
    while (closed_) changed_.Wait(mutex_);
    --waiting_;
    return failing_ ? rocksdb::IOStatus::IOError("the test fails this sync")
                    : rocksdb::IOStatus::OK();
  }

  // Returns the number of waiting syncs.
  int waiting() {
    MutexLock lock(mutex_);
    return waiting_;
  }

 private:
  void Set(bool closed, bool failing) {
    MutexLock lock(mutex_);
    closed_ = closed;
    failing_ = failing;
    changed_.NotifyAll();
  }

  Mutex mutex_;
  CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool failing_ ABSL_GUARDED_BY(mutex_) = false;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A file that passes the gate before each sync.
class GatedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  GatedFile(std::unique_ptr<rocksdb::FSWritableFile> file, SyncGate& gate)
      : FSWritableFileOwnerWrapper(std::move(file)), gate_(gate) {}

  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = gate_.Pass();
    return status.ok() ? FSWritableFileOwnerWrapper::Sync(options, debug) : status;
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = gate_.Pass();
    return status.ok() ? FSWritableFileOwnerWrapper::Fsync(options, debug) : status;
  }
  bool IsSyncThreadSafe() const override { return true; }

 private:
  SyncGate& gate_;
};

// Gates only the write-ahead log, so that opening and flushing are never blocked.
class GateFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  GateFileSystem(const std::shared_ptr<rocksdb::FileSystem>& base, SyncGate& gate)
      : FileSystemWrapper(base), gate_(gate) {}

  const char* Name() const override { return "GateFileSystem"; }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    if (status.ok() && name.ends_with(".log")) {
      *file = std::make_unique<GatedFile>(std::move(*file), gate_);
    }
    return status;
  }

 private:
  SyncGate& gate_;
};

// An in-memory environment with a gate.
class GatedMemory {
 public:
  GatedMemory()
      : memory_(rocksdb::NewMemEnv(rocksdb::Env::Default())),
        env_(rocksdb::NewCompositeEnv(
            std::make_shared<GateFileSystem>(memory_->GetFileSystem(), gate_))) {}

  rocksdb::Env* env() { return env_.get(); }
  SyncGate& gate() { return gate_; }

 private:
  SyncGate gate_;
  std::unique_ptr<rocksdb::Env> memory_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace eventhub

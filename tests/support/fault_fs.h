// The file system of FaultEnv; see there. Tests include fault_env.h, which does not include
// RocksDB.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "rocksdb/file_system.h"
#include "storage/base/mutex.h"
#include "tests/support/fault_env.h"

namespace eventhub {

// Forwards all calls to another file system, and tracks what is durable. Thread-safe.
class FaultFs final : public rocksdb::FileSystemWrapper {
 public:
  using Fault = FaultEnv::Fault;

  explicit FaultFs(const std::shared_ptr<rocksdb::FileSystem>& target)
      : FileSystemWrapper(target) {}

  const char* Name() const override { return "FaultFs"; }

  // See FaultEnv.
  void FailWrites(Fault fault, const std::string& suffix);
  void FailSyncs(Fault fault);
  void SetFreeSpace(uint64_t bytes);
  void HoldSyncs(const std::string& suffix);
  void ReleaseSyncs();
  int held_syncs() const;
  void Cut();
  void Forget();

  // The outcome of an append to an open file.
  struct Verdict {
    rocksdb::IOStatus status;
    bool half = false;  // The first half is written.
  };
  Verdict OnAppend(const std::string& path, size_t bytes);
  // BeforeSync waits while syncs are held; it returns whether to sync and, in `size`, how much will
  // be durable then. AfterSync records that.
  rocksdb::IOStatus BeforeSync(const std::string& path, uint64_t* size);
  void AfterSync(const std::string& path, uint64_t size);
  rocksdb::IOStatus OnDirectorySync(const std::string& path);

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus CreateDir(const std::string& path, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& path, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 uint64_t* free, rocksdb::IODebugContext* dbg) override;

  // These bypass all faults and are not tracked.
  std::string Read(const std::string& path) const;
  void Write(const std::string& path, const std::string& bytes);

 private:
  struct File {
    uint64_t size = 0;
    uint64_t synced = 0;
  };
  struct Rename {
    std::string from;
    std::string to;
    std::optional<std::string> replaced;  // The previous file at `to`.
  };

  // Returns an error if the power is cut, else OK.
  rocksdb::IOStatus CheckPower(const std::string& path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wrap(const std::string& path, std::unique_ptr<rocksdb::FSWritableFile>* file);
  void UndoRename(const Rename& rename) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar released_;
  Fault write_fault_ ABSL_GUARDED_BY(mutex_) = Fault::kNone;
  std::string write_fault_suffix_ ABSL_GUARDED_BY(mutex_);
  Fault sync_fault_ ABSL_GUARDED_BY(mutex_) = Fault::kNone;
  std::optional<uint64_t> free_space_ ABSL_GUARDED_BY(mutex_);
  bool cut_ ABSL_GUARDED_BY(mutex_) = false;
  bool hold_syncs_ ABSL_GUARDED_BY(mutex_) = false;
  std::string hold_suffix_ ABSL_GUARDED_BY(mutex_);
  int held_syncs_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, File> files_ ABSL_GUARDED_BY(mutex_);
  // Created since the last sync of their directory.
  std::set<std::string> new_entries_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> new_directories_ ABSL_GUARDED_BY(mutex_);
  std::vector<Rename> renames_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub

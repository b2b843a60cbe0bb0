#include "storage/memory_files.h"

#include <string>
#include <utility>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace eventhub {
namespace {

// RocksDB's file in memory does not say that it may be synced while it is written to, which the
// store requires of its write-ahead log. It may be: to sync it does nothing.
class SyncableFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;

  bool IsSyncThreadSafe() const override { return true; }
};

class MemoryFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;

  const char* Name() const override { return "MemoryFileSystem"; }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    if (status.ok()) *file = std::make_unique<SyncableFile>(std::move(*file));
    return status;
  }
};

}  // namespace

MemoryFiles::MemoryFiles()
    : memory_(rocksdb::NewMemEnv(rocksdb::Env::Default())),
      env_(rocksdb::NewCompositeEnv(std::make_shared<MemoryFileSystem>(memory_->GetFileSystem()))) {
}

MemoryFiles::~MemoryFiles() = default;

}  // namespace eventhub

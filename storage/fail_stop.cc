#include "storage/fail_stop.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "rocksdb/file_system.h"

namespace eventhub {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class FailStop::Log final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  Log(FailStop& owner, std::unique_ptr<rocksdb::FSWritableFile> target)
      : FSWritableFileOwnerWrapper(std::move(target)), owner_(owner) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* dbg) override {
    return Appended(FSWritableFileOwnerWrapper::Append(data, options, dbg));
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& info, IODebugContext* dbg) override {
    return Appended(FSWritableFileOwnerWrapper::Append(data, options, info, dbg));
  }
  IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options,
                     IODebugContext* dbg) override {
    return Appended(FSWritableFileOwnerWrapper::RangeSync(offset, bytes, options, dbg));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* dbg) override {
    return Synced(FSWritableFileOwnerWrapper::Sync(options, dbg));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    return Synced(FSWritableFileOwnerWrapper::Fsync(options, dbg));
  }

 private:
  IOStatus Appended(IOStatus status) {
    if (!status.ok()) owner_.Fail(status);
    return status;
  }
  IOStatus Synced(IOStatus status) {
    if (!status.ok()) owner_.FailInSync(status);
    return status;
  }

  FailStop& owner_;
};

class FailStop::Fs final : public rocksdb::FileSystemWrapper {
 public:
  Fs(FailStop& owner, const std::shared_ptr<rocksdb::FileSystem>& target)
      : FileSystemWrapper(target), owner_(owner) {}

  const char* Name() const override { return "FailStop"; }

  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* dbg) override {
    IOStatus status = target()->NewWritableFile(path, options, file, dbg);
    if (!absl::EndsWith(path, ".log")) return status;
    if (status.ok()) {
      *file = std::make_unique<Log>(owner_, std::move(*file));
    } else {
      owner_.Fail(status);
    }
    return status;
  }

 private:
  FailStop& owner_;
};

FailStop::FailStop(rocksdb::Env* env)
    : env_(rocksdb::NewCompositeEnv(std::make_shared<Fs>(*this, env->GetFileSystem()))) {}

FailStop::~FailStop() = default;

rocksdb::Status FailStop::Change(Operation change) const {
  return failed_.load(std::memory_order_acquire) ? failure() : change();
}

rocksdb::Status FailStop::Sync(Operation sync) {
  MutexLock lock(syncing_);
  return failed_.load(std::memory_order_acquire) ? failure() : sync();
}

void FailStop::Fail(const rocksdb::Status& status) {
  MutexLock lock(syncing_);
  FailInSync(status);
}

void FailStop::FailInSync(const rocksdb::Status& status) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return;
  failure_ = status;
  failed_.store(true, std::memory_order_release);
}

rocksdb::Status FailStop::failure() const {
  MutexLock lock(mutex_);
  return failure_;
}

}  // namespace eventhub

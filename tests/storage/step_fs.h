// A file system that counts the changes made to it and calls the test before one of them, so that a
// test can visit every point where a crash may occur.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "rocksdb/file_system.h"

namespace eventhub {

// Changes to RocksDB's info log (LOG) are not counted: it is written often and never read.
// Thread-safe.
class StepFs final : public rocksdb::FileSystemWrapper {
 public:
  // Calls `at_step` before change number `step`, counted from 1.
  StepFs(const std::shared_ptr<rocksdb::FileSystem>& target, int step,
         std::function<void()> at_step)
      : FileSystemWrapper(target), left_(step), at_step_(std::move(at_step)) {}

  const char* Name() const override { return "StepFs"; }

  // Counts anew: calls it before change number `step` from now on.
  void Arm(int step) { left_ = step; }

  // Returns whether `at_step` was called.
  bool reached() const { return left_ <= 0; }

  void Step() {
    if (--left_ == 0) at_step_();
  }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* dbg) override {
    if (IsAccount(path)) return target()->NewWritableFile(path, options, file, dbg);
    Step();
    rocksdb::IOStatus status = target()->NewWritableFile(path, options, file, dbg);
    if (status.ok()) *file = std::make_unique<File>(*this, std::move(*file));
    return status;
  }
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* dbg) override {
    rocksdb::IOStatus status = target()->NewDirectory(path, options, directory, dbg);
    if (status.ok()) *directory = std::make_unique<Directory>(*this, std::move(*directory));
    return status;
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override {
    if (!IsAccount(from)) Step();
    return target()->RenameFile(from, to, options, dbg);
  }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override {
    if (!IsAccount(path)) Step();
    return target()->DeleteFile(path, options, dbg);
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(StepFs& fs, std::unique_ptr<rocksdb::FSWritableFile> target)
        : FSWritableFileOwnerWrapper(std::move(target)), fs_(fs) {}

    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* dbg) override {
      fs_.Step();
      return target()->Append(data, options, dbg);
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& info,
                             rocksdb::IODebugContext* dbg) override {
      fs_.Step();
      return target()->Append(data, options, info, dbg);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* dbg) override {
      fs_.Step();
      return target()->Sync(options, dbg);
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* dbg) override {
      fs_.Step();
      return target()->Fsync(options, dbg);
    }

   private:
    StepFs& fs_;
  };

  class Directory final : public rocksdb::FSDirectoryWrapper {
   public:
    Directory(StepFs& fs, std::unique_ptr<rocksdb::FSDirectory> target)
        : FSDirectoryWrapper(std::move(target)), fs_(fs) {}

    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* dbg) override {
      fs_.Step();
      return FSDirectoryWrapper::Fsync(options, dbg);
    }
    rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions& options,
                                          rocksdb::IODebugContext* dbg,
                                          const rocksdb::DirFsyncOptions& directory) override {
      fs_.Step();
      return FSDirectoryWrapper::FsyncWithDirOptions(options, dbg, directory);
    }

   private:
    StepFs& fs_;
  };

  static bool IsAccount(const std::string& path) {
    return path.compare(path.rfind('/') + 1, 3, "LOG") == 0;
  }

  std::atomic<int> left_;
  const std::function<void()> at_step_;
};

}  // namespace eventhub

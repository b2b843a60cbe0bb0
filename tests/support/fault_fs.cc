#include "tests/support/fault_fs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace eventhub {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus ErrorOf(FaultEnv::Fault fault, const std::string& path) {
  switch (fault) {
    case FaultEnv::Fault::kNone:
      break;
    case FaultEnv::Fault::kIoError:
      return IOStatus::IOError("injected failure", path);
    case FaultEnv::Fault::kNoSpace:
      return IOStatus::NoSpace("injected lack of space", path);
  }
  return IOStatus::OK();
}

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string WithoutSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

class FaultFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultFile(FaultFs& fs, std::string path, std::unique_ptr<rocksdb::FSWritableFile> target)
      : FSWritableFileOwnerWrapper(std::move(target)), fs_(fs), path_(std::move(path)) {}

  using FSWritableFileOwnerWrapper::Append;
  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* dbg) override {
    const FaultFs::Verdict verdict = fs_.OnAppend(path_, data.size());
    if (verdict.status.ok()) return target()->Append(data, options, dbg);
    if (verdict.half) {
      const IOStatus half = target()->Append(Slice(data.data(), data.size() / 2), options, dbg);
      if (!half.ok()) return half;
    }
    return verdict.status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& /*info*/, IODebugContext* dbg) override {
    return Append(data, options, dbg);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* dbg) override {
    uint64_t size = 0;
    IOStatus status = fs_.BeforeSync(path_, &size);
    if (status.ok()) status = target()->Sync(options, dbg);
    if (status.ok()) fs_.AfterSync(path_, size);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    return Sync(options, dbg);
  }
  // A hint to the operating system that does not guarantee durability.
  IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  // RocksDB's in-memory files are, but do not report it.
  bool IsSyncThreadSafe() const override { return true; }

 private:
  FaultFs& fs_;
  const std::string path_;
};

class FaultDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  FaultDirectory(FaultFs& fs, std::string path, std::unique_ptr<rocksdb::FSDirectory> target)
      : FSDirectoryWrapper(std::move(target)), fs_(fs), path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    const IOStatus status = fs_.OnDirectorySync(path_);
    return status.ok() ? FSDirectoryWrapper::Fsync(options, dbg) : status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* dbg,
                               const rocksdb::DirFsyncOptions& directory) override {
    const IOStatus status = fs_.OnDirectorySync(path_);
    return status.ok() ? FSDirectoryWrapper::FsyncWithDirOptions(options, dbg, directory) : status;
  }

 private:
  FaultFs& fs_;
  const std::string path_;
};

}  // namespace

void FaultFs::FailWrites(Fault fault, const std::string& suffix) {
  MutexLock lock(mutex_);
  write_fault_ = fault;
  write_fault_suffix_ = suffix;
}

void FaultFs::FailSyncs(Fault fault) {
  MutexLock lock(mutex_);
  sync_fault_ = fault;
}

void FaultFs::SetFreeSpace(uint64_t bytes) {
  MutexLock lock(mutex_);
  free_space_ = bytes;
}

void FaultFs::HoldSyncs(const std::string& suffix) {
  MutexLock lock(mutex_);
  hold_suffix_ = suffix;
  hold_syncs_ = true;
}

void FaultFs::ReleaseSyncs() {
  MutexLock lock(mutex_);
  hold_syncs_ = false;
  released_.NotifyAll();
}

int FaultFs::held_syncs() const {
  MutexLock lock(mutex_);
  return held_syncs_;
}

void FaultFs::Cut() {
  MutexLock lock(mutex_);
  cut_ = true;
}

void FaultFs::Forget() {
  MutexLock lock(mutex_);
  std::reverse(renames_.begin(), renames_.end());
  for (const Rename& rename : std::exchange(renames_, {})) UndoRename(rename);
  const IOOptions options;
  for (const std::string& path : new_entries_) {
    target()->DeleteFile(path, options, nullptr);
    files_.erase(path);
  }
  for (const auto& [path, file] : files_) {
    if (file.synced < file.size) Write(path, Read(path).substr(0, file.synced));
  }
  // Deepest directories first. A forgotten directory takes its contents with it.
  for (auto it = new_directories_.rbegin(); it != new_directories_.rend(); ++it) {
    std::vector<std::string> children;
    target()->GetChildren(*it, options, &children, nullptr);
    for (const std::string& child : children) {
      target()->DeleteFile(*it + "/" + child, options, nullptr);
    }
    target()->DeleteDir(*it, options, nullptr);
  }
  files_.clear();
  new_entries_.clear();
  new_directories_.clear();
  cut_ = false;
}

void FaultFs::UndoRename(const Rename& rename) {
  target()->RenameFile(rename.to, rename.from, IOOptions(), nullptr);
  files_[rename.from] = files_[rename.to];
  files_.erase(rename.to);
  if (new_entries_.erase(rename.to) > 0) new_entries_.insert(rename.from);
  if (rename.replaced.has_value()) Write(rename.to, *rename.replaced);
}

// RocksDB asserts that a compaction can add a key to a table that it has begun; in a real power
// loss nobody would see that fail. So writes to tables appear to succeed, and are dropped like
// other unsynced data.
IOStatus FaultFs::CheckPower(const std::string& path) const {
  const bool table = absl::EndsWith(path, ".sst") || absl::EndsWith(path, ".blob");
  return cut_ && !table ? IOStatus::IOError("the power is cut", path) : IOStatus::OK();
}

FaultFs::Verdict FaultFs::OnAppend(const std::string& path, size_t bytes) {
  MutexLock lock(mutex_);
  if (cut_) {
    files_[path].size += bytes;
    return {CheckPower(path)};
  }
  if (write_fault_ != Fault::kNone && absl::EndsWith(path, write_fault_suffix_)) {
    const bool half = write_fault_ == Fault::kNoSpace;
    if (half) files_[path].size += bytes / 2;
    return {ErrorOf(write_fault_, path), half};
  }
  files_[path].size += bytes;
  return {IOStatus::OK()};
}

IOStatus FaultFs::BeforeSync(const std::string& path, uint64_t* size) {
  MutexLock lock(mutex_);
  *size = files_[path].size;
  if (absl::EndsWith(path, hold_suffix_)) {
    ++held_syncs_;
    while (hold_syncs_) released_.Wait(mutex_);
    --held_syncs_;
  }
  if (cut_) return CheckPower(path);
  return ErrorOf(sync_fault_, path);
}

void FaultFs::AfterSync(const std::string& path, uint64_t size) {
  MutexLock lock(mutex_);
  if (cut_) return;
  File& file = files_[path];
  file.synced = std::max(file.synced, size);
}

IOStatus FaultFs::OnDirectorySync(const std::string& path) {
  MutexLock lock(mutex_);
  if (cut_) return CheckPower(path);
  if (sync_fault_ != Fault::kNone) return ErrorOf(sync_fault_, path);
  const auto in_path = [&](const std::string& entry) { return ParentOf(entry) == path; };
  std::erase_if(new_entries_, in_path);
  std::erase_if(new_directories_, in_path);
  std::erase_if(renames_, [&](const Rename& rename) { return in_path(rename.to); });
  return IOStatus::OK();
}

void FaultFs::Wrap(const std::string& path, std::unique_ptr<rocksdb::FSWritableFile>* file) {
  *file = std::make_unique<FaultFile>(*this, path, std::move(*file));
}

IOStatus FaultFs::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                  std::unique_ptr<rocksdb::FSWritableFile>* file,
                                  IODebugContext* dbg) {
  MutexLock lock(mutex_);
  if (const IOStatus power = CheckPower(path); !power.ok()) return power;
  const bool is_new = !target()->FileExists(path, IOOptions(), nullptr).ok();
  const IOStatus status = target()->NewWritableFile(path, options, file, dbg);
  if (!status.ok()) return status;
  files_[path] = File();
  if (is_new) new_entries_.insert(path);
  Wrap(path, file);
  return status;
}

IOStatus FaultFs::ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                     std::unique_ptr<rocksdb::FSWritableFile>* file,
                                     IODebugContext* dbg) {
  MutexLock lock(mutex_);
  if (cut_) return CheckPower(path);
  if (!files_.contains(path)) {
    uint64_t size = 0;
    target()->GetFileSize(path, IOOptions(), &size, nullptr);
    files_[path] = {size, size};
  }
  const IOStatus status = target()->ReopenWritableFile(path, options, file, dbg);
  if (status.ok()) Wrap(path, file);
  return status;
}

IOStatus FaultFs::NewDirectory(const std::string& path, const IOOptions& options,
                               std::unique_ptr<rocksdb::FSDirectory>* directory,
                               IODebugContext* dbg) {
  const IOStatus status = target()->NewDirectory(path, options, directory, dbg);
  if (status.ok()) {
    *directory = std::make_unique<FaultDirectory>(*this, WithoutSlash(path), std::move(*directory));
  }
  return status;
}

IOStatus FaultFs::CreateDir(const std::string& path, const IOOptions& options,
                            IODebugContext* dbg) {
  MutexLock lock(mutex_);
  if (cut_) return CheckPower(path);
  const IOStatus status = target()->CreateDir(path, options, dbg);
  if (status.ok()) new_directories_.insert(WithoutSlash(path));
  return status;
}

IOStatus FaultFs::CreateDirIfMissing(const std::string& path, const IOOptions& options,
                                     IODebugContext* dbg) {
  if (target()->FileExists(path, options, dbg).ok()) return IOStatus::OK();
  return CreateDir(path, options, dbg);
}

IOStatus FaultFs::RenameFile(const std::string& from, const std::string& to,
                             const IOOptions& options, IODebugContext* dbg) {
  MutexLock lock(mutex_);
  if (cut_) return CheckPower(from);
  Rename rename{from, to, std::nullopt};
  if (target()->FileExists(to, options, dbg).ok()) rename.replaced = Read(to);
  const IOStatus status = target()->RenameFile(from, to, options, dbg);
  if (!status.ok()) return status;
  if (files_.contains(from)) {
    files_[to] = files_[from];
    files_.erase(from);
  }
  // Undoing the rename removes the new name; the entry itself may be new, too.
  if (new_entries_.erase(from) > 0) new_entries_.insert(to);
  renames_.push_back(std::move(rename));
  return status;
}

IOStatus FaultFs::DeleteFile(const std::string& path, const IOOptions& options,
                             IODebugContext* dbg) {
  MutexLock lock(mutex_);
  if (cut_) return CheckPower(path);
  files_.erase(path);
  new_entries_.erase(path);
  std::erase_if(renames_, [&](const Rename& rename) { return rename.to == path; });
  return target()->DeleteFile(path, options, dbg);
}

IOStatus FaultFs::GetFreeSpace(const std::string& path, const IOOptions& options, uint64_t* free,
                               IODebugContext* dbg) {
  MutexLock lock(mutex_);
  if (!free_space_.has_value()) return target()->GetFreeSpace(path, options, free, dbg);
  *free = *free_space_;
  return IOStatus::OK();
}

std::string FaultFs::Read(const std::string& path) const {
  std::string bytes;
  rocksdb::ReadFileToString(target(), path, &bytes);
  return bytes;
}

void FaultFs::Write(const std::string& path, const std::string& bytes) {
  rocksdb::WriteStringToFile(target(), bytes, path, /*should_sync=*/false);
}

}  // namespace eventhub

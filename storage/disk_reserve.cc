#include "storage/disk_reserve.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rocksdb/file_system.h"
#include "storage/base/status_macros.h"
#include "storage/rocksdb_status.h"

namespace eventhub {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// Space freed by others is detected by retrying.
constexpr absl::Duration kRetry = absl::Milliseconds(200);

constexpr size_t kZeros = size_t{1} << 20;

// Files are preallocated while at least this many times as much space is free. A log is
// preallocated for a whole write buffer, which is more than a nearly full disk has to spare.
constexpr uint64_t kPlenty = 8;

}  // namespace

// Exists while a write lacks space.
class DiskReserve::Shortage {
 public:
  explicit Shortage(DiskReserve& reserve) : reserve_(reserve) {
    reserve_.shortages_.fetch_add(1, std::memory_order_relaxed);
  }
  ~Shortage() { reserve_.shortages_.fetch_sub(1, std::memory_order_relaxed); }
  Shortage(const Shortage&) = delete;
  Shortage& operator=(const Shortage&) = delete;

 private:
  DiskReserve& reserve_;
};

class DiskReserve::File final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(DiskReserve& reserve, rocksdb::FileSystem& fs, std::string path, uint64_t size,
       std::unique_ptr<rocksdb::FSWritableFile> target)
      : FSWritableFileOwnerWrapper(std::move(target)),
        reserve_(reserve),
        fs_(fs),
        path_(std::move(path)),
        size_(size) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* dbg) override {
    const IOStatus status = target()->Append(data, options, dbg);
    return status.IsNoSpace() ? AppendRest(data, status, options, dbg)
                              : Appended(data.size(), status);
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& info, IODebugContext* dbg) override {
    const IOStatus status = target()->Append(data, options, info, dbg);
    return status.IsNoSpace() ? AppendRest(data, status, options, dbg)
                              : Appended(data.size(), status);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* dbg) override {
    size_ = size;
    return target()->Truncate(size, options, dbg);
  }
  // Preallocates space, unless the disk is short of it.
  void PrepareWrite(size_t offset, size_t len, const IOOptions& options,
                    IODebugContext* dbg) override {
    size_t block = 0;
    size_t last = 0;
    target()->GetPreallocationStatus(&block, &last);
    const bool preallocates = block > 0 && (offset + len + block - 1) / block > last;
    if (preallocates && !reserve_.HasPlenty(block)) return;
    target()->PrepareWrite(offset, len, options, dbg);
  }

 private:
  IOStatus Appended(size_t bytes, IOStatus status) {
    if (status.ok()) size_ += bytes;
    return status;
  }

  // A write that finds no space may have written a part of its data.
  IOStatus AppendRest(Slice rest, IOStatus status, const IOOptions& options, IODebugContext* dbg) {
    const Shortage shortage(reserve_);
    while (status.IsNoSpace()) {
      uint64_t size = 0;
      if (!fs_.GetFileSize(path_, options, &size, dbg).ok()) return status;
      if (size < size_ || size - size_ > rest.size()) return status;
      rest.remove_prefix(size - size_);
      // On close the file truncates itself to the size it knows.
      const IOStatus told = Truncate(size, options, dbg);
      if (!told.ok()) return told;
      if (!reserve_.AwaitSpace()) return status;
      status = Appended(rest.size(), target()->Append(rest, options, dbg));
    }
    return status;
  }

  DiskReserve& reserve_;
  rocksdb::FileSystem& fs_;
  const std::string path_;
  uint64_t size_;
};

class DiskReserve::Fs final : public rocksdb::FileSystemWrapper {
 public:
  Fs(DiskReserve& reserve, const std::shared_ptr<rocksdb::FileSystem>& target)
      : FileSystemWrapper(target), reserve_(reserve) {}

  const char* Name() const override { return "DiskReserve"; }

  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* dbg) override {
    IOStatus status = target()->NewWritableFile(path, options, file, dbg);
    if (status.IsNoSpace()) status = RetryNewFile(path, options, file, dbg, status);
    if (status.ok()) Wrap(path, 0, file);
    return status;
  }

  IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext* dbg) override {
    IOStatus status = target()->ReopenWritableFile(path, options, file, dbg);
    uint64_t size = 0;
    if (status.ok()) status = target()->GetFileSize(path, options.io_options, &size, dbg);
    if (status.ok()) Wrap(path, size, file);
    return status;
  }

 private:
  IOStatus RetryNewFile(const std::string& path, const rocksdb::FileOptions& options,
                        std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* dbg,
                        IOStatus status) {
    const Shortage shortage(reserve_);
    while (status.IsNoSpace() && reserve_.AwaitSpace()) {
      status = target()->NewWritableFile(path, options, file, dbg);
    }
    return status;
  }

  void Wrap(const std::string& path, uint64_t size,
            std::unique_ptr<rocksdb::FSWritableFile>* file) {
    *file = std::make_unique<File>(reserve_, *target(), path, size, std::move(*file));
  }

  DiskReserve& reserve_;
};

DiskReserve::DiskReserve(rocksdb::Env* env, std::string path, uint64_t bytes)
    : base_(env),
      path_(std::move(path)),
      bytes_(bytes),
      env_(rocksdb::NewCompositeEnv(std::make_shared<Fs>(*this, env->GetFileSystem()))) {}

DiskReserve::~DiskReserve() = default;

void DiskReserve::Serve() {
  MutexLock lock(mutex_);
  serving_ = true;
}

void DiskReserve::Stop() {
  MutexLock lock(mutex_);
  serving_ = false;
  changed_.NotifyAll();
}

bool DiskReserve::HasPlenty(uint64_t bytes) const {
  uint64_t free = 0;
  return base_->GetFreeSpace(path_.substr(0, path_.rfind('/')), &free).ok() &&
         free / kPlenty >= bytes;
}

bool DiskReserve::AwaitSpace() {
  if (Release()) return true;
  MutexLock lock(mutex_);
  if (!serving_) return false;
  changed_.WaitFor(mutex_, kRetry);
  return serving_;
}

bool DiskReserve::Release() {
  MutexLock lock(file_mutex_);
  uint64_t size = 0;
  if (bytes_ == 0 || !base_->GetFileSize(path_, &size).ok()) return false;
  return base_->DeleteFile(path_).ok() && size > 0;
}

absl::Status DiskReserve::Restore(const Cancellation& cancellation) {
  if (bytes_ == 0) return absl::OkStatus();
  uint64_t size = 0;
  {
    MutexLock lock(file_mutex_);
    if (base_->GetFileSize(path_, &size).ok() && size >= bytes_) return absl::OkStatus();
  }
  // Created under another name, so that an incomplete file never counts as the reserve.
  const std::string temporary = path_ + ".new";
  IOStatus status = Make(temporary, cancellation);
  if (status.ok()) {
    MutexLock lock(file_mutex_);
    status = base_->GetFileSystem()->RenameFile(temporary, path_, IOOptions(), nullptr);
  }
  if (!status.ok()) base_->DeleteFile(temporary).PermitUncheckedError();
  return cancellation.cancelled() ? absl::CancelledError("cancelled while creating the reserve")
                                  : FromRocksDb(status, absl::StrCat("create the reserve ", path_));
}

IOStatus DiskReserve::Make(const std::string& path, const Cancellation& cancellation) {
  rocksdb::FileSystem& fs = *base_->GetFileSystem();
  const IOOptions options;
  rocksdb::FileOptions file_options;
  file_options.fallocate_with_keep_size = false;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus status = fs.NewWritableFile(path, file_options, &file, nullptr);
  if (!status.ok()) return status;
  // Allocates without writing, where the file system supports that.
  uint64_t size = 0;
  const bool allocated = file->Allocate(0, bytes_, options, nullptr).ok() &&
                         fs.GetFileSize(path, options, &size, nullptr).ok() && size == bytes_;
  const std::string zeros(kZeros, '\0');
  for (uint64_t made = allocated ? bytes_ : 0; status.ok() && made < bytes_;) {
    if (cancellation.cancelled()) return IOStatus::Aborted("cancelled");
    const size_t piece = std::min<uint64_t>(zeros.size(), bytes_ - made);
    status = file->Append(Slice(zeros.data(), piece), options, nullptr);
    made += piece;
  }
  return status.ok() ? file->Close(options, nullptr) : status;
}

}  // namespace eventhub

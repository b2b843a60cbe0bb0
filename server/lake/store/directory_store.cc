#include "server/lake/store/directory_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr char kTemporaries[] = ".tmp";
constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;

absl::StatusCode CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case EISDIR:
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

absl::Status SystemError(int error, absl::string_view what, absl::string_view where) {
  return absl::Status(CodeOfErrno(error),
                      absl::StrCat("cannot ", what, " ", where, ": ", std::strerror(error)));
}

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&&) = delete;
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  bool is_open() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }
  int Release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

int OpenAt(int directory, const std::string& name, int flags, mode_t mode = 0) {
  int descriptor = -1;
  do {
    descriptor = openat(directory, name.c_str(), flags | O_CLOEXEC, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

int WriteAll(int descriptor, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

// Makes the directories above `name`.
absl::Status MakeParents(int root, absl::string_view name) {
  for (size_t slash = name.find('/'); slash != absl::string_view::npos;
       slash = name.find('/', slash + 1)) {
    const std::string parent(name.substr(0, slash));
    if (mkdirat(root, parent.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
      return SystemError(errno, "make the directory", parent);
    }
  }
  return absl::OkStatus();
}

// Makes the names durable that lead to `name`. It includes directories that were there before: the
// process that made one may have ended before it was durable.
absl::Status SyncParents(int root, absl::string_view name) {
  for (size_t slash = name.rfind('/');; slash = name.rfind('/', slash - 1)) {
    const bool is_root = slash == absl::string_view::npos;
    const std::string parent(is_root ? "." : name.substr(0, slash));
    const File directory(OpenAt(root, parent, O_RDONLY | O_DIRECTORY));
    if (!directory.is_open() || fsync(directory.get()) != 0) {
      return SystemError(errno, "sync the directory", parent);
    }
    if (is_root) return absl::OkStatus();
  }
}

enum class Placement { kReplace, kKeepOther };

// A file that has no name yet.
class Temporary final : public ObjectSink {
 public:
  static absl::StatusOr<std::unique_ptr<Temporary>> Make(int root, absl::string_view name) {
    RETURN_IF_ERROR(CheckObjectName(name));
    if (mkdirat(root, kTemporaries, kDirectoryMode) != 0 && errno != EEXIST) {
      return SystemError(errno, "make the directory", kTemporaries);
    }
    static std::atomic<uint64_t> count{0};
    // A process that had this id may have left its files.
    for (;;) {
      std::string path = absl::StrCat(kTemporaries, "/", getpid(), "-", count.fetch_add(1));
      File file(OpenAt(root, path, O_WRONLY | O_CREAT | O_EXCL, kFileMode));
      if (file.is_open()) {
        return std::make_unique<Temporary>(root, std::string(name), std::move(path),
                                           std::move(file));
      }
      if (errno != EEXIST) return SystemError(errno, "create", name);
    }
  }

  Temporary(int root, std::string name, std::string path, File file)
      : root_(root), name_(std::move(name)), path_(std::move(path)), file_(std::move(file)) {}
  ~Temporary() override { Abort(); }

  absl::Status Append(absl::string_view bytes) override {
    if (done_) return absl::FailedPreconditionError("the object is committed or aborted");
    const int error = WriteAll(file_.get(), bytes);
    return error == 0 ? absl::OkStatus() : SystemError(error, "write", name_);
  }

  absl::Status Commit() override { return Place(Placement::kReplace); }

  absl::Status Place(Placement placement) {
    if (done_) return absl::FailedPreconditionError("the object is committed or aborted");
    if (fsync(file_.get()) != 0) return SystemError(errno, "sync", name_);
    RETURN_IF_ERROR(MakeParents(root_, name_));
    if (placement == Placement::kReplace) {
      if (renameat(root_, path_.c_str(), root_, name_.c_str()) != 0) {
        return SystemError(errno, "store", name_);
      }
      done_ = true;
    } else {
      if (linkat(root_, path_.c_str(), root_, name_.c_str(), 0) != 0) {
        return SystemError(errno, "store", name_);
      }
      Abort();
    }
    const absl::Status synced = SyncParents(root_, name_);
    // It is visible, but may be gone after a power failure.
    return synced.ok() ? synced : absl::UnknownError(synced.message());
  }

  void Abort() override {
    if (!std::exchange(done_, true)) unlinkat(root_, path_.c_str(), 0);
  }

 private:
  const int root_;
  const std::string name_;
  const std::string path_;
  const File file_;
  bool done_ = false;
};

absl::Status StoreWhole(int root, absl::string_view name, absl::string_view bytes,
                        Placement placement) {
  absl::StatusOr<std::unique_ptr<Temporary>> file = Temporary::Make(root, name);
  if (!file.ok()) return file.status();
  RETURN_IF_ERROR((*file)->Append(bytes));
  return (*file)->Place(placement);
}

// Collects the names of a tree in the order of their bytes.
class Lister {
 public:
  Lister(int root, absl::string_view prefix, absl::string_view after, size_t limit)
      : root_(root), prefix_(prefix), after_(after), limit_(limit) {}

  // `folder` is empty, or ends with `/`. False: the page is full.
  absl::StatusOr<bool> Walk(const std::string& folder) {
    std::vector<std::string> entries;
    RETURN_IF_ERROR(Entries(folder, &entries));
    for (const std::string& entry : entries) {
      const std::string path = folder + entry;
      absl::StatusOr<bool> more = entry.back() == '/' ? Enter(path) : Take(path);
      if (!more.ok() || !*more) return more;
    }
    return true;
  }

  ObjectPage& page() { return page_; }

 private:
  absl::StatusOr<bool> Enter(const std::string& folder) {
    const bool matches = absl::StartsWith(folder, prefix_) || absl::StartsWith(prefix_, folder);
    const bool passed = after_ > folder && !absl::StartsWith(after_, folder);
    return matches && !passed ? Walk(folder) : true;
  }

  absl::StatusOr<bool> Take(const std::string& path) {
    if (!absl::StartsWith(path, prefix_) || path <= after_) return true;
    struct stat info {};
    if (fstatat(root_, path.c_str(), &info, 0) != 0) {
      if (errno == ENOENT) return true;  // Deleted meanwhile.
      return SystemError(errno, "look at", path);
    }
    if (!S_ISREG(info.st_mode)) return true;
    if (page_.objects.size() == limit_) {
      page_.more = true;
      return false;
    }
    page_.objects.push_back(
        {path, static_cast<uint64_t>(info.st_size), absl::TimeFromTimespec(info.st_mtim)});
    return true;
  }

  // What is in a folder, as it sorts within the names of objects: folders with their `/`.
  absl::Status Entries(const std::string& folder, std::vector<std::string>* entries) const {
    File directory(OpenAt(root_, folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY));
    if (!directory.is_open()) {
      if (errno == ENOENT || errno == ENOTDIR) return absl::OkStatus();
      return SystemError(errno, "list", folder);
    }
    DIR* const stream = fdopendir(directory.get());
    if (stream == nullptr) return SystemError(errno, "list", folder);
    directory.Release();
    const absl::Cleanup close = [stream] { closedir(stream); };
    for (;;) {
      errno = 0;
      const dirent* const entry = readdir(stream);
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name == "." || name == ".." || absl::StartsWith(name, kTemporaries)) continue;
      if (IsDirectory(folder + name, entry->d_type)) name += '/';
      entries->push_back(std::move(name));
    }
    if (errno != 0) return SystemError(errno, "list", folder);
    std::sort(entries->begin(), entries->end());
    return absl::OkStatus();
  }

  bool IsDirectory(const std::string& path, unsigned char type) const {
    if (type != DT_UNKNOWN && type != DT_LNK) return type == DT_DIR;
    struct stat info {};
    return fstatat(root_, path.c_str(), &info, 0) == 0 && S_ISDIR(info.st_mode);
  }

  const int root_;
  const absl::string_view prefix_;
  const absl::string_view after_;
  const size_t limit_;
  ObjectPage page_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DirectoryStore>> DirectoryStore::Open(const std::string& directory,
                                                                     Mode mode) {
  if (mode == Mode::kCreate && mkdir(directory.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    return SystemError(errno, "make the directory of the lake", directory);
  }
  const int root = OpenAt(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  if (root < 0) return SystemError(errno, "open the directory of the lake", directory);
  return std::unique_ptr<DirectoryStore>(new DirectoryStore(directory, root));
}

DirectoryStore::~DirectoryStore() { close(root_); }

absl::Status DirectoryStore::RemoveLeftovers() {
  const File directory(OpenAt(root_, kTemporaries, O_RDONLY | O_DIRECTORY));
  if (!directory.is_open()) {
    return errno == ENOENT ? absl::OkStatus() : SystemError(errno, "open", kTemporaries);
  }
  DIR* const stream = fdopendir(dup(directory.get()));
  if (stream == nullptr) return SystemError(errno, "list", kTemporaries);
  const absl::Cleanup close = [stream] { closedir(stream); };
  while (const dirent* const entry = readdir(stream)) {
    const absl::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (unlinkat(directory.get(), entry->d_name, 0) != 0 && errno != ENOENT) {
      return SystemError(errno, "remove", absl::StrCat(kTemporaries, "/", name));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ObjectSink>> DirectoryStore::Create(absl::string_view name) {
  return Temporary::Make(root_, name);
}

absl::Status DirectoryStore::PutIfAbsent(absl::string_view name, absl::string_view bytes) {
  return StoreWhole(root_, name, bytes, Placement::kKeepOther);
}

absl::Status DirectoryStore::Put(absl::string_view name, absl::string_view bytes) {
  return StoreWhole(root_, name, bytes, Placement::kReplace);
}

absl::StatusOr<std::string> DirectoryStore::Get(absl::string_view name, uint64_t offset,
                                                uint64_t length) const {
  RETURN_IF_ERROR(CheckObjectName(name));
  const File file(OpenAt(root_, std::string(name), O_RDONLY));
  if (!file.is_open()) return SystemError(errno, "open", name);
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return SystemError(errno, "look at", name);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is not an object"));
  }
  const auto size = static_cast<uint64_t>(info.st_size);
  if (offset > size) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " has ", size, " bytes: there is nothing at ", offset));
  }
  std::string bytes(std::min(length, size - offset), '\0');
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = pread(file.get(), bytes.data() + have, bytes.size() - have,
                              static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(errno, "read", name);
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

absl::StatusOr<uint64_t> DirectoryStore::Size(absl::string_view name) const {
  RETURN_IF_ERROR(CheckObjectName(name));
  struct stat info {};
  if (fstatat(root_, std::string(name).c_str(), &info, 0) != 0) {
    return SystemError(errno, "look at", name);
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is not an object"));
  }
  return static_cast<uint64_t>(info.st_size);
}

absl::StatusOr<ObjectPage> DirectoryStore::List(absl::string_view prefix, absl::string_view after,
                                                size_t limit) const {
  if (limit == 0) return absl::InvalidArgumentError("the limit of a list must be at least 1");
  Lister lister(root_, prefix, after, limit);
  if (absl::StatusOr<bool> walked = lister.Walk(""); !walked.ok()) return walked.status();
  return std::move(lister.page());
}

absl::Status DirectoryStore::Delete(absl::string_view name) {
  RETURN_IF_ERROR(CheckObjectName(name));
  if (unlinkat(root_, std::string(name).c_str(), 0) != 0) {
    return errno == ENOENT ? absl::OkStatus() : SystemError(errno, "delete", name);
  }
  return SyncParents(root_, name);
}

}  // namespace eventhub::lake

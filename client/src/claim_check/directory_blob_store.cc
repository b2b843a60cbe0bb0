#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/src/base/option_checks.h"
#include "eventhub/blob_store.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

constexpr size_t kSha256Bytes = 32;
constexpr absl::string_view kUriPrefix = "ni:///sha-256;";
// A blob that is being written. Not a name of a blob, whose digits are hexadecimal.
constexpr absl::string_view kWriting = "writing-";
// Held shared while a blob is put in its place, exclusively while one is deleted.
constexpr absl::string_view kLockName = "lock";

// Translates every error of the file system.
absl::Status FileStatus(int error, absl::string_view what, const std::string& path) {
  const std::string message = absl::StrCat("cannot ", what, " ", path, ": ", ::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

class File {
 public:
  static absl::StatusOr<File> Open(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    if (fd < 0) return FileStatus(errno, "open", path);
    return File(path, fd);
  }
  File(File&& other) noexcept : path_(other.path_), fd_(std::exchange(other.fd_, -1)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }

  absl::Status Write(std::string_view data) {
    while (!data.empty()) {
      const ssize_t written = ::write(fd_, data.data(), data.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return FileStatus(errno, "write", path_);
      data.remove_prefix(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Read(size_t size) {
    std::string data(size, '\0');
    size_t at = 0;
    while (at < size) {
      const ssize_t count = ::read(fd_, data.data() + at, size - at);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return FileStatus(errno, "read", path_);
      if (count == 0) break;
      at += static_cast<size_t>(count);
    }
    data.resize(at);
    return data;
  }
  absl::StatusOr<size_t> Size() const {
    struct stat found {};
    if (::fstat(fd_, &found) != 0) return FileStatus(errno, "look at", path_);
    return static_cast<size_t>(found.st_size);
  }
  absl::Status MarkUsed() {
    return ::futimens(fd_, nullptr) == 0 ? absl::OkStatus() : FileStatus(errno, "touch", path_);
  }
  absl::Status Sync() {
    return ::fsync(fd_) == 0 ? absl::OkStatus() : FileStatus(errno, "sync", path_);
  }
  // Until it is closed.
  absl::Status Lock(int kind) {
    while (::flock(fd_, kind) != 0) {
      if (errno != EINTR) return FileStatus(errno, "lock", path_);
    }
    return absl::OkStatus();
  }

 private:
  File(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  int fd_;
};

absl::Status SyncDirectory(const std::string& path) {
  ASSIGN_OR_RETURN(File directory, File::Open(path, O_RDONLY | O_DIRECTORY));
  return directory.Sync();
}

// Makes the directory, durably, unless it exists.
absl::Status MakeDirectory(const std::string& path, const std::string& parent) {
  if (::mkdir(path.c_str(), 0777) == 0) return SyncDirectory(parent);
  return errno == EEXIST ? absl::OkStatus() : FileStatus(errno, "make", path);
}

absl::StatusOr<File> LockDirectory(const std::string& directory, int kind) {
  ASSIGN_OR_RETURN(File file,
                   File::Open(absl::StrCat(directory, "/", kLockName), O_CREAT | O_RDWR));
  RETURN_IF_ERROR(file.Lock(kind));
  return file;
}

std::string Digest(std::string_view data) {
  std::string digest(kSha256Bytes, '\0');
  unsigned int size = 0;
  EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
             EVP_sha256(), nullptr);
  return digest;
}

std::string UriOfDigest(const std::string& digest) {
  return absl::StrCat(kUriPrefix, absl::WebSafeBase64Escape(digest));
}

std::optional<std::string> DigestOfUri(absl::string_view uri) {
  std::string digest;
  if (!absl::ConsumePrefix(&uri, kUriPrefix) || !absl::WebSafeBase64Unescape(uri, &digest) ||
      digest.size() != kSha256Bytes) {
    return std::nullopt;
  }
  return digest;
}

// The folder of a blob, and its file.
struct Place {
  Place(const std::string& directory, const std::string& digest)
      : folder(absl::StrCat(directory, "/", absl::BytesToHexString(digest.substr(0, 1)))),
        file(absl::StrCat(folder, "/", absl::BytesToHexString(digest))) {}

  const std::string folder;
  const std::string file;
};

absl::Status Rename(const std::string& from, const std::string& to) {
  return ::rename(from.c_str(), to.c_str()) == 0 ? absl::OkStatus()
                                                 : FileStatus(errno, "rename", from);
}

// Marks the blob as used; false if there is none of that size.
absl::StatusOr<bool> MarkUsed(const std::string& directory, const Place& place, size_t size) {
  ASSIGN_OR_RETURN(const File lock, LockDirectory(directory, LOCK_SH));
  absl::StatusOr<File> file = File::Open(place.file, O_RDONLY);
  if (absl::IsNotFound(file.status())) return false;
  RETURN_IF_ERROR(file.status());
  ASSIGN_OR_RETURN(const size_t found, file->Size());
  if (found != size) return false;
  RETURN_IF_ERROR(file->MarkUsed());
  RETURN_IF_ERROR(file->Sync());
  return true;
}

absl::Status WriteBlob(const std::string& directory, const Place& place,
                       const std::string& temporary, std::string_view data) {
  ASSIGN_OR_RETURN(File file, File::Open(temporary, O_CREAT | O_EXCL | O_WRONLY));
  RETURN_IF_ERROR(file.Write(data));
  RETURN_IF_ERROR(file.Sync());
  ASSIGN_OR_RETURN(const File lock, LockDirectory(directory, LOCK_SH));
  RETURN_IF_ERROR(Rename(temporary, place.file));
  return SyncDirectory(place.folder);
}

// Deletes a file that was last used before `before`.
absl::Status DeleteIfUnused(const std::string& directory, const std::string& path,
                            absl::Time before, DirectoryBlobStore::CleanUp& done) {
  ASSIGN_OR_RETURN(const File lock, LockDirectory(directory, LOCK_EX));
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? absl::OkStatus() : FileStatus(errno, "look at", path);
  }
  const auto bytes = static_cast<uint64_t>(found.st_size);
  if (absl::TimeFromTimespec(found.st_mtim) >= before) {
    ++done.kept;
    done.kept_bytes += bytes;
    return absl::OkStatus();
  }
  if (::unlink(path.c_str()) != 0) return FileStatus(errno, "delete", path);
  ++done.deleted;
  done.deleted_bytes += bytes;
  return absl::OkStatus();
}

bool IsBlobOrRemains(const std::string& name) {
  if (absl::StartsWith(name, kWriting)) return true;
  return name.size() == 2 * kSha256Bytes &&
         name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DirectoryBlobStore>> DirectoryBlobStore::Open(
    DirectoryBlobStoreOptions options) {
  if (options.directory.empty()) return absl::InvalidArgumentError("directory must be set");
  RETURN_IF_ERROR(CheckRange("max_blob_bytes", options.max_blob_bytes, 1, uint64_t{1} << 40));
  const std::filesystem::path parent = std::filesystem::path(options.directory + "/..");
  RETURN_IF_ERROR(MakeDirectory(options.directory, parent.string()));
  RETURN_IF_ERROR(LockDirectory(options.directory, LOCK_SH).status());
  return std::unique_ptr<DirectoryBlobStore>(new DirectoryBlobStore(std::move(options)));
}

DirectoryBlobStore::DirectoryBlobStore(DirectoryBlobStoreOptions options)
    : options_(std::move(options)) {}

absl::StatusOr<std::string> DirectoryBlobStore::Put(std::string_view data) {
  if (data.size() > options_.max_blob_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data of ", data.size(), " bytes is more than max_blob_bytes, ", options_.max_blob_bytes));
  }
  const std::string digest = Digest(data);
  const Place place(options_.directory, digest);
  ASSIGN_OR_RETURN(const bool exists, MarkUsed(options_.directory, place, data.size()));
  if (exists) return UriOfDigest(digest);
  RETURN_IF_ERROR(MakeDirectory(place.folder, options_.directory));
  absl::BitGen random;
  const std::string temporary =
      absl::StrCat(place.folder, "/", kWriting, absl::Hex(absl::Uniform<uint64_t>(random)));
  const absl::Status written = WriteBlob(options_.directory, place, temporary, data);
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return written;
  }
  return UriOfDigest(digest);
}

absl::StatusOr<std::string> DirectoryBlobStore::Get(std::string_view uri) {
  const std::optional<std::string> digest = DigestOfUri(absl::string_view(uri.data(), uri.size()));
  if (!digest) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", std::string(uri), "' is not the name of a blob in a directory"));
  }
  const Place place(options_.directory, *digest);
  ASSIGN_OR_RETURN(File file, File::Open(place.file, O_RDONLY));
  ASSIGN_OR_RETURN(const size_t size, file.Size());
  if (size > options_.max_blob_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        place.file, " has ", size, " bytes, more than max_blob_bytes, ", options_.max_blob_bytes));
  }
  ASSIGN_OR_RETURN(std::string data, file.Read(size));
  if (Digest(data) != *digest) {
    return absl::DataLossError(absl::StrCat(place.file, " is damaged"));
  }
  return data;
}

absl::StatusOr<DirectoryBlobStore::CleanUp> DirectoryBlobStore::DeleteUnusedSince(
    absl::Time before) {
  namespace fs = std::filesystem;
  CleanUp done;
  std::error_code error;
  for (fs::recursive_directory_iterator at(options_.directory, error), end; at != end;
       at.increment(error)) {
    if (error) break;
    if (at.depth() != 1 || !IsBlobOrRemains(at->path().filename().string())) continue;
    RETURN_IF_ERROR(DeleteIfUnused(options_.directory, at->path().string(), before, done));
  }
  if (error) return FileStatus(error.value(), "list", options_.directory);
  return done;
}

}  // namespace eventhub::client

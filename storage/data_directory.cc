#include "storage/data_directory.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rocksdb/env.h"
#include "storage/base/status_macros.h"
#include "storage/rocksdb_status.h"

namespace eventhub {
namespace {

constexpr char kFormatFile[] = "/EVENTHUB_FORMAT";
constexpr char kLockFile[] = "/LOCK";
constexpr char kDbDirectory[] = "/log";

absl::Status SyncDirectory(rocksdb::Env* env, const std::string& directory) {
  std::unique_ptr<rocksdb::Directory> handle;
  RETURN_IF_ERROR(FromRocksDb(env->NewDirectory(directory, &handle),
                              absl::StrCat("open directory ", directory)));
  return FromRocksDb(handle->Fsync(), absl::StrCat("sync directory ", directory));
}

bool HasOptions(rocksdb::Env* env, const std::string& db_path) {
  std::vector<std::string> children;
  return env->GetChildren(db_path, &children).ok() &&
         std::any_of(children.begin(), children.end(),
                     [](const std::string& name) { return absl::StartsWith(name, "OPTIONS-"); });
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(rocksdb::Env* env,
                                                                   const std::string& path) {
  std::unique_ptr<DataDirectory> directory(new DataDirectory(env, path));
  // The format has its own file, so that a newer store is refused before any other file is opened.
  RETURN_IF_ERROR(directory->CheckFormat().status());
  RETURN_IF_ERROR(directory->Make());
  RETURN_IF_ERROR(directory->Lock());
  // Check again: another process may have created the directory before this one got the lock.
  ASSIGN_OR_RETURN(const std::optional<int> format, directory->CheckFormat());
  if (!format.has_value()) RETURN_IF_ERROR(directory->Begin());
  directory->format_ = format.value_or(kFormat);
  return directory;
}

DataDirectory::~DataDirectory() {
  if (lock_ != nullptr) env_->UnlockFile(lock_);
}

std::string DataDirectory::db_path() const { return path_ + kDbDirectory; }

absl::Status DataDirectory::FinishUpgrade() { return Require(kFormat); }

absl::Status DataDirectory::Require(int format) {
  if (format_ >= format) return absl::OkStatus();
  RETURN_IF_ERROR(WriteFormat(format));
  format_ = format;
  return absl::OkStatus();
}

absl::Status DataDirectory::Begin() const {
  RETURN_IF_ERROR(
      FromRocksDb(env_->CreateDirIfMissing(db_path()), absl::StrCat("create ", db_path())));
  RETURN_IF_ERROR(Sync());
  return WriteFormat(kFormat);
}

absl::Status DataDirectory::Sync() const { return SyncDirectory(env_, path_); }

absl::Status DataDirectory::Make() const {
  if (!env_->FileExists(path_).IsNotFound()) return absl::OkStatus();
  RETURN_IF_ERROR(
      FromRocksDb(env_->CreateDirIfMissing(path_), absl::StrCat("create data directory ", path_)));
  const std::filesystem::path parent = std::filesystem::path(path_).parent_path();
  return SyncDirectory(env_, parent.empty() ? "." : parent.string());
}

// RocksDB has its own lock, but rotates its files before it acquires it.
absl::Status DataDirectory::Lock() {
  const std::string file = path_ + kLockFile;
  const rocksdb::Status status = env_->LockFile(file, &lock_);
  // Only the message distinguishes a held lock from a file that cannot be opened.
  if (status.IsIOError() && !absl::StrContains(status.ToString(), "open a file for lock")) {
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", path_, " is in use by another process"));
  }
  return FromRocksDb(status, absl::StrCat("lock ", file));
}

absl::StatusOr<bool> DataDirectory::HasLog(absl::string_view suffix) const {
  std::vector<std::string> children;
  const rocksdb::Status listed = env_->GetChildren(db_path(), &children);
  if (listed.IsNotFound() || listed.IsPathNotFound()) return false;
  RETURN_IF_ERROR(FromRocksDb(listed, absl::StrCat("list ", db_path())));
  return std::any_of(children.begin(), children.end(), [&](const std::string& name) {
    return name != "." && name != ".." && absl::EndsWith(name, suffix);
  });
}

absl::StatusOr<std::optional<int>> DataDirectory::CheckFormat() const {
  const std::string file = path_ + kFormatFile;
  if (env_->FileExists(file).IsNotFound()) {
    ASSIGN_OR_RETURN(const bool has_log, HasLog());
    if (!has_log) return std::nullopt;
    return absl::DataLossError(
        absl::StrCat(file, " is missing, but the log exists: restore that file, or a backup"));
  }
  // The directory of the log is created before the format is written.
  if (env_->FileExists(db_path()).IsNotFound()) {
    return absl::DataLossError(
        absl::StrCat(db_path(), " is missing, but ", file,
                     " exists: restore the log, or remove that file to start without any events"));
  }
  // RocksDB would consider the instance new, and delete unknown files. It creates logs and tables
  // after CURRENT.
  if (env_->FileExists(db_path() + "/CURRENT").IsNotFound()) {
    for (const absl::string_view suffix : {".log", ".sst", ".blob"}) {
      ASSIGN_OR_RETURN(const bool has_data, HasLog(suffix));
      if (!has_data) continue;
      return absl::DataLossError(absl::StrCat(
          db_path(), "/CURRENT is missing, but there are files ", suffix, ": restore a backup"));
    }
  }
  // RocksDB writes its options at the end of a start, and has a log from before that.
  ASSIGN_OR_RETURN(const bool has_log, HasLog(".log"));
  if (!has_log && HasOptions(env_, db_path())) {
    return absl::DataLossError(
        absl::StrCat(db_path(), " has no log, i.e. no file .log: restore a backup"));
  }
  std::string text;
  RETURN_IF_ERROR(
      FromRocksDb(rocksdb::ReadFileToString(env_, file, &text), absl::StrCat("read ", file)));
  int format = 0;
  if (!absl::SimpleAtoi(absl::StripSuffix(text, "\n"), &format) || format < 1) {
    return absl::DataLossError(
        absl::StrCat(file, " contains no format number: restore that file, or a backup"));
  }
  if (format > kNewestFormat) {
    return absl::FailedPreconditionError(absl::StrCat("data directory ", path_, " has format ",
                                                      format, "; this hub supports formats up to ",
                                                      kNewestFormat));
  }
  return format;
}

absl::Status DataDirectory::WriteFormat(int format) const {
  const std::string file = path_ + kFormatFile;
  const std::string temporary = file + ".new";
  RETURN_IF_ERROR(FromRocksDb(
      rocksdb::WriteStringToFile(env_, absl::StrCat(format, "\n"), temporary, /*should_sync=*/true),
      absl::StrCat("write ", temporary)));
  RETURN_IF_ERROR(FromRocksDb(env_->RenameFile(temporary, file), absl::StrCat("rename to ", file)));
  return Sync();
}

}  // namespace eventhub

#include "server/lake/columns/local_files.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{8} << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<LocalFiles>> LocalFiles::Create(const ObjectStore& store,
                                                               const std::string& location,
                                                               const std::string& temporary) {
  std::string directory = absl::StrCat(temporary, "/eventhub-lake-XXXXXX");
  if (mkdtemp(directory.data()) == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot make a directory in ", temporary, ": ", std::strerror(errno)));
  }
  const std::string root = absl::StrContains(location, "://") ? "" : location;
  return std::unique_ptr<LocalFiles>(new LocalFiles(store, root, std::move(directory)));
}

LocalFiles::LocalFiles(const ObjectStore& store, std::string root, std::string directory)
    : store_(store), root_(std::move(root)), directory_(std::move(directory)) {}

LocalFiles::~LocalFiles() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

absl::StatusOr<std::string> LocalFiles::Fetch(const std::string& name) {
  if (!root_.empty()) return absl::StrCat(root_, "/", name);
  std::string path = absl::StrCat(directory_, "/", absl::StrReplaceAll(name, {{"/", "_"}}));
  if (copies_.contains(path)) return path;
  RETURN_IF_ERROR(Copy(name, path));
  copies_.insert(path);
  return path;
}

absl::Status LocalFiles::Copy(const std::string& name, const std::string& path) const {
  ASSIGN_OR_RETURN(const uint64_t size, store_.Size(name));
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (uint64_t at = 0; at < size && file.good();) {
    ASSIGN_OR_RETURN(const std::string piece, store_.Get(name, at, kPieceBytes));
    if (piece.empty()) return absl::DataLossError(absl::StrCat(name, " became shorter"));
    file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
    at += piece.size();
  }
  file.close();
  if (file.good()) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("cannot write ", path));
}

void LocalFiles::Clear() {
  for (const std::string& path : copies_) std::remove(path.c_str());
  copies_.clear();
}

}  // namespace eventhub::lake

#include "server/main/access_hint.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace eventhub {
namespace {

namespace fs = std::filesystem;

// A store may have many files. If some are inaccessible, one of them is expected among the first.
constexpr int kMaxLooks = 10'000;

bool IsDenied(const fs::path& path) {
  std::error_code error;
  const int wanted = fs::is_directory(path, error) ? R_OK | W_OK | X_OK : R_OK | W_OK;
  return access(path.c_str(), wanted) != 0 && errno == EACCES;
}

// Returns the path, or its nearest ancestor that exists.
fs::path Existing(fs::path path) {
  std::error_code error;
  while (!fs::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  return path.empty() ? "." : path;
}

std::optional<fs::path> FindDenied(const fs::path& directory) {
  if (IsDenied(directory)) return directory;
  std::error_code error;
  int looks = 0;
  for (fs::recursive_directory_iterator it(directory, error), end;
       !error && it != end && ++looks < kMaxLooks; it.increment(error)) {
    if (IsDenied(it->path())) return it->path();
  }
  return std::nullopt;
}

}  // namespace

std::string AccessHint(const std::string& directory) {
  std::error_code error;
  const bool exists = fs::exists(directory, error);
  const std::optional<fs::path> denied =
      exists ? FindDenied(directory) : std::optional<fs::path>(Existing(directory));
  struct stat about {};
  if (!denied || !IsDenied(*denied) || stat(denied->c_str(), &about) != 0) return "";
  const std::string me = absl::StrCat(geteuid(), ":", getegid());
  return absl::StrCat(
      "; the hub runs as user ", me, ", and ", denied->string(), " belongs to ", about.st_uid, ":",
      about.st_gid, absl::StrFormat(" with mode %04o", about.st_mode & 07777), ": chown -R ", me,
      " ", exists ? directory : denied->string(),
      " (for a mounted directory, on the host), or run it as a user who may write there");
}

}  // namespace eventhub

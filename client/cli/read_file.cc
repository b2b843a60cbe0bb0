#include "client/cli/read_file.h"

#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"

namespace eventhub::cli {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(nullptr, &std::fclose);
  if (path != "-") {
    file.reset(std::fopen(path.c_str(), "rb"));
    if (file == nullptr) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  }
  std::FILE* const input = file == nullptr ? stdin : file.get();
  std::string text;
  char part[1 << 16];
  while (const size_t bytes = std::fread(part, 1, sizeof(part), input)) text.append(part, bytes);
  // E.g. of a directory, which can be opened.
  if (std::ferror(input) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(FileName(path), ": cannot be read"));
  }
  return text;
}

std::string FileName(const std::string& path) { return path == "-" ? "stdin" : path; }

}  // namespace eventhub::cli

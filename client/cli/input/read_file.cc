#include "client/cli/input/read_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
  // A directory, for example, can be opened but not read.
  if (std::ferror(input) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(FileName(path), ": cannot be read"));
  }
  return text;
}

uint64_t SizeOf(const std::vector<std::string>& paths) {
  uint64_t bytes = 0;
  for (const std::string& path : paths) {
    struct stat file {};
    const bool standard = path == "-";
    const int found = standard ? fstat(STDIN_FILENO, &file) : stat(path.c_str(), &file);
    if (found != 0 || !S_ISREG(file.st_mode)) return 0;
    // Another process may have read a part of standard input already.
    const off_t read = standard ? lseek(STDIN_FILENO, 0, SEEK_CUR) : 0;
    bytes += static_cast<uint64_t>(std::max<off_t>(file.st_size - read, 0));
  }
  return bytes;
}

std::string FileName(const std::string& path) { return path == "-" ? "stdin" : path; }

}  // namespace eventhub::cli

#include "tests/support/memory_cgroup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eventhub {
namespace {

bool WriteTo(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  return file.good();
}

// The parent of new groups, and the name of the file for the limit.
struct Hierarchy {
  const char* root;
  const char* limit_file;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MemoryCgroup>> MemoryCgroup::Create(size_t limit_bytes) {
  std::string why = "there are no control groups for memory";
  for (const Hierarchy& hierarchy : {Hierarchy{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                                     Hierarchy{"/sys/fs/cgroup", "memory.max"}}) {
    WriteTo(absl::StrCat(hierarchy.root, "/cgroup.subtree_control"), "+memory");
    const std::string directory = absl::StrCat(hierarchy.root, "/eventhub-test-", getpid());
    if (mkdir(directory.c_str(), 0755) != 0) {
      why = absl::StrCat("cannot make ", directory, ": ", strerror(errno));
      continue;
    }
    std::unique_ptr<MemoryCgroup> group(new MemoryCgroup(directory));
    if (WriteTo(absl::StrCat(directory, "/", hierarchy.limit_file), absl::StrCat(limit_bytes))) {
      return group;
    }
    why = absl::StrCat("cannot limit the memory of ", directory);
  }
  return absl::UnavailableError(why);
}

MemoryCgroup::~MemoryCgroup() { rmdir(directory_.c_str()); }

}  // namespace eventhub

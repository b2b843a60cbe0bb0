#include "server/main/machine_memory.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace eventhub {
namespace {

constexpr size_t kLeast = size_t{128} << 20;

// Returns the limit in a file; nullopt if there is none, or if it is the kernel's largest number,
// which means unlimited.
std::optional<size_t> LimitIn(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  uint64_t limit;
  if (!(file >> text) || !absl::SimpleAtoi(text, &limit) || limit >= (uint64_t{1} << 62)) {
    return std::nullopt;
  }
  return limit;
}

// Returns the lowest limit of a group and its ancestors. In a container, the group's directory may
// be mounted as the root, and then the group's path does not exist below it.
std::optional<size_t> LimitOfGroup(const std::string& mount, std::string group, const char* file) {
  std::optional<size_t> least;
  for (;;) {
    const std::optional<size_t> limit = LimitIn(absl::StrCat(mount, group, "/", file));
    if (limit.has_value()) least = std::min(least.value_or(*limit), *limit);
    if (group.empty()) return least;
    group.resize(group.rfind('/'));
  }
}

}  // namespace

MachineMemory ThisMachine(const std::string& root) {
  MachineMemory machine;
  std::ifstream meminfo(root + "/proc/meminfo");
  for (std::string line; std::getline(meminfo, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t kib;
    if (words.size() >= 2 && words[0] == "MemTotal:" && absl::SimpleAtoi(words[1], &kib)) {
      machine.physical = kib << 10;
    }
  }
  // A line has the form "NUMBER:CONTROLLERS:PATH"; version 2 names no controllers.
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3 || !absl::StartsWith(parts[2], "/")) continue;
    const std::string group = parts[2] == "/" ? "" : parts[2];
    std::optional<size_t> limit;
    if (parts[1].empty()) {
      limit = LimitOfGroup(root + "/sys/fs/cgroup", group, "memory.max");
    } else if (absl::StrContains(absl::StrCat(",", parts[1], ","), ",memory,")) {
      limit = LimitOfGroup(root + "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
    }
    if (!limit.has_value()) continue;
    machine.cgroup = std::min(machine.cgroup.value_or(*limit), *limit);
  }
  return machine;
}

size_t DefaultMemoryLimit(const MachineMemory& machine) {
  size_t limit = machine.physical / 2;
  if (machine.cgroup.has_value() && (*machine.cgroup < machine.physical || machine.physical == 0)) {
    limit = *machine.cgroup / 4 * 3;
  }
  return std::max(limit, kLeast);
}

}  // namespace eventhub

// Determines how much memory this process may use.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace eventhub {

struct MachineMemory {
  size_t physical = 0;
  // The limit of the process's control groups; nullopt if they set none.
  std::optional<size_t> cgroup;
};

// Reads /proc and the control groups, of version 2 or 1, under `root`, which is "" except in tests.
// Unreadable files set no limit.
MachineMemory ThisMachine(const std::string& root = "");

// Returns three quarters of a control group's limit: the kernel also counts socket buffers, and the
// page cache of files being read and written, towards the group. Without a limit, returns half of
// the physical memory, because a machine is shared with other processes.
size_t DefaultMemoryLimit(const MachineMemory& machine);

}  // namespace eventhub

// How much memory there is for this process.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace eventhub {

struct MachineMemory {
  size_t physical = 0;
  // What the control groups of this process allow; nullopt if they set no limit.
  std::optional<size_t> cgroup;
};

// Reads /proc and the control groups, of version 2 or 1, under `root`, which is "" but for tests.
// What cannot be read sets no limit.
MachineMemory ThisMachine(const std::string& root = "");

// Of a limit by a control group, a quarter is left to what the kernel counts to the group as well:
// socket buffers and files that are being read and written. A machine is shared with others.
size_t DefaultMemoryLimit(const MachineMemory& machine);

}  // namespace eventhub

// A control group with a memory limit, for a process under test.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace eventhub {

// Uses cgroup version 1 or 2 directly; needs root. The group is removed by the destructor; its
// processes must have ended before.
class MemoryCgroup {
 public:
  // UNAVAILABLE says why this machine cannot provide one.
  static absl::StatusOr<std::unique_ptr<MemoryCgroup>> Create(size_t limit_bytes);
  ~MemoryCgroup();

  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;

  // A process that writes "0" to this file joins the group.
  std::string procs_file() const { return directory_ + "/cgroup.procs"; }

 private:
  explicit MemoryCgroup(std::string directory) : directory_(std::move(directory)) {}

  const std::string directory_;
};

}  // namespace eventhub

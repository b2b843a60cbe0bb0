// Divides the process's file descriptors among their users.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"

namespace eventhub {

// The store may need a descriptor at the worst moment: to open a file during a flush. If clients'
// connections have used up all descriptors, the write fails, and with it the store. Therefore
// connections get only the remainder.
struct DescriptorPlan {
  size_t store_files = 0;  // Files that the store keeps open.
  size_t connections = 0;  // Concurrent connections.

  // Plans for a process that may open `limit` descriptors and wants to serve `wanted` connections.
  // Returns RESOURCE_EXHAUSTED, with advice, if `limit` is too low for a hub.
  static absl::StatusOr<DescriptorPlan> For(size_t limit, size_t wanted);
};

// Raises the process's descriptor limit as far as possible without privileges; returns the limit.
size_t RaiseDescriptorLimit();

}  // namespace eventhub

// Who may have how many of the process's file descriptors.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"

namespace eventhub {

// The store needs a descriptor at the worst moment: to open a file when it flushes. If clients'
// connections have taken the last one, that write fails, and with it the store. So connections get
// only what is left.
struct DescriptorPlan {
  size_t store_files = 0;  // Files that the store keeps open.
  size_t connections = 0;  // Connections that are served at a time.

  // Of a process that may have `limit` descriptors, and would serve `wanted` connections.
  // RESOURCE_EXHAUSTED: that is too few for a hub; says what to do.
  static absl::StatusOr<DescriptorPlan> For(size_t limit, size_t wanted);
};

// Has the process have as many descriptors as it can without privileges; returns how many.
size_t RaiseDescriptorLimit();

}  // namespace eventhub

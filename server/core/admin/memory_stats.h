// Reports the parts of the hub's memory, with findings for those that are nearly used up.
#pragma once

#include <cstddef>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/base/host_shares.h"

namespace eventhub {

// A part of the memory, in bytes.
struct MemoryUse {
  absl::string_view name;  // See v1::MemoryShare.
  size_t used;
  size_t limit;
};

// "12.3 MiB".
std::string MebiBytes(size_t bytes);

// Adds a part that may use all of its memory: a cache, or a queue.
void AddMemoryShare(const MemoryUse& use, v1::MemoryStats* stats);

// Adds a part that is short of memory when most of it is used, and then a finding, which ends with
// the result of `advice`: what holds the memory, and how to release it.
void AddMemoryShare(const MemoryUse& use, absl::FunctionRef<std::string()> advice,
                    v1::MemoryStats* stats);

// Names the host that holds the most units of a limit, at `unit` bytes each; empty if no host holds
// any.
std::string LargestHost(const HostShares& shares, size_t unit = 1);

}  // namespace eventhub

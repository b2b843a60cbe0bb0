// The parts of the hub's memory in reports, and what is said about those that are nearly used up.
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

// Adds a part that uses its memory as it should, however much that is: a cache, or a queue.
void AddMemoryShare(const MemoryUse& use, v1::MemoryStats* stats);

// Adds a part that is short of memory when most of it is used; then it is a finding, which ends
// with what `advice` returns: what holds the memory, and how to release it.
void AddMemoryShare(const MemoryUse& use, absl::FunctionRef<std::string()> advice,
                    v1::MemoryStats* stats);

// Names the host that holds the most of a limit of which a unit takes `unit` bytes; empty if nobody
// holds anything.
std::string LargestHost(const HostShares& shares, size_t unit = 1);

}  // namespace eventhub

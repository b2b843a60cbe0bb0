#include "server/rpc/memory_report.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/core/admin/memory_stats.h"
#include "server/rpc/allocator.h"
#include "server/rpc/memory_guard.h"

namespace eventhub {
namespace {

// The three parts that use the most.
std::string LargestShares(const v1::MemoryStats& memory) {
  std::vector<const v1::MemoryShare*> shares;
  for (const v1::MemoryShare& share : memory.shares()) shares.push_back(&share);
  const size_t count = std::min<size_t>(shares.size(), 3);
  std::partial_sort(shares.begin(), shares.begin() + static_cast<std::ptrdiff_t>(count),
                    shares.end(),
                    [](const auto* a, const auto* b) { return a->used_bytes() > b->used_bytes(); });
  shares.resize(count);
  return absl::StrJoin(shares, ", ", [](std::string* out, const v1::MemoryShare* share) {
    absl::StrAppend(out, share->name(), " ", MebiBytes(share->used_bytes()));
  });
}

}  // namespace

void MemoryReport::AddTo(v1::GetStatsResponse* stats) const {
  stats->set_in_flight_bytes(in_flight.in_flight_bytes());
  v1::MemoryStats& memory = *stats->mutable_memory();
  memory.set_limit_bytes(limit);
  const size_t used = AnonymousBytes();
  memory.set_process_bytes(used);
  AddMemoryShare({"in_flight", in_flight.in_flight_bytes(), in_flight.total_bytes()}, &memory);
  AddMemoryShare(
      {"frames", frames.used(), frames.limit()},
      [] { return "; readers and consumers that do not take their events hold them"; }, &memory);
  AddMemoryShare(
      {"streams", streams.open() * kStreamBytes, streams.most() * kStreamBytes},
      [this] { return LargestHost(streams.shares(), kStreamBytes); }, &memory);
  if (limit != 0 && static_cast<double>(used) >= kCriticalPart * static_cast<double>(limit)) {
    memory.add_findings(absl::StrCat(
        "the hub uses ", MebiBytes(used), " of ", MebiBytes(limit),
        " (--memory_limit), so new connections are refused, except for a few; the largest parts: ",
        LargestShares(memory)));
  }
  const ConnectionTable::Counters& counters = connections.counters();
  v1::ConnectionStats& of = *stats->mutable_connections();
  of.set_open(static_cast<uint32_t>(connections.size()));
  of.set_accepted(counters.accepted.value());
  of.set_refused(counters.refused.value());
  of.set_shed(counters.shed.value());
}

}  // namespace eventhub

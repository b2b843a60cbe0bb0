#include "server/rpc/memory_report.h"

#include "server/rpc/allocator.h"

namespace eventhub {

void MemoryReport::AddTo(v1::GetStatsResponse* stats) const {
  stats->set_in_flight_bytes(in_flight.in_flight_bytes());
  v1::MemoryStats& memory = *stats->mutable_memory();
  memory.set_limit_bytes(limit);
  memory.set_process_bytes(AnonymousBytes());
  const auto add = [&memory](const char* name, size_t used, size_t most) {
    v1::MemoryShare& share = *memory.add_shares();
    share.set_name(name);
    share.set_used_bytes(used);
    share.set_limit_bytes(most);
  };
  add("in_flight", in_flight.in_flight_bytes(), in_flight.total_bytes());
  add("frames", frames.used(), frames.limit());
  add("streams", streams.open() * kStreamBytes, streams.most() * kStreamBytes);
  const ConnectionTable::Counters& counters = connections.counters();
  v1::ConnectionStats& of = *stats->mutable_connections();
  of.set_open(static_cast<uint32_t>(connections.size()));
  of.set_accepted(counters.accepted.value());
  of.set_refused(counters.refused.value());
  of.set_shed(counters.shed.value());
}

}  // namespace eventhub

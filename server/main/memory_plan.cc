#include "server/main/memory_plan.h"

#include <algorithm>

#include "server/rpc/stream_limits.h"

namespace eventhub {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// The size of an idle partition, measured and rounded up.
constexpr size_t kPartitionBytes = 512;

// What an object that is being written takes per event, with a share of its buffers.
constexpr size_t kArchivedEventBytes = 64;

// Includes the buffers of the small columns, estimated as a quarter of the large one's.
size_t WriteMemory(size_t write_buffer) { return 4 * write_buffer + write_buffer; }

}  // namespace

MemoryPlan MemoryPlan::For(size_t limit, bool has_lake) {
  MemoryPlan plan;
  plan.limit = limit;
  plan.in_flight = std::min(limit / 8, 256 * kMiB);
  plan.copies = std::min(limit / 16, 256 * kMiB);
  plan.frames = std::min(limit / 8, 512 * kMiB);
  plan.tail_cache = std::min(limit / 16, 256 * kMiB);
  plan.write_buffer = std::min(limit / 32, 64 * kMiB);
  plan.block_cache = std::min(limit / 32, 128 * kMiB);
  plan.partitions = limit / 32 * 3;
  plan.pending = std::min(limit / 16, 256 * kMiB);
  plan.settlements = std::min(limit / 64, 128 * kMiB);
  plan.readers = std::min(limit / 32, 128 * kMiB);
  plan.producers = std::min(limit / 32, 128 * kMiB);
  plan.filters = std::min(limit / 32, 128 * kMiB);
  plan.links = std::min(limit / 128, 64 * kMiB);
  plan.streams = limit / 16;
  if (!has_lake) return plan;
  plan.archive = std::min(limit / 32, 128 * kMiB);
  plan.history = std::min(limit / 32, 64 * kMiB);
  plan.merge = std::clamp(limit / 64, 4 * kMiB, 64 * kMiB);
  return plan;
}

size_t MemoryPlan::Sum() const {
  return in_flight + copies + frames + tail_cache + WriteMemory(write_buffer) + block_cache +
         partitions + pending + settlements + readers + producers + filters + links + streams +
         archive + history + merge;
}

void MemoryPlan::ApplyTo(ServerOptions& server) const {
  server.memory_limit = limit;
  // When gRPC's quota is used up, it closes idle connections of any client, and ends calls that may
  // already have taken effect. Therefore the quota is only the last resort; the guard acts before
  // it.
  server.transport_bytes = limit;
  server.publish_limits.total_bytes = in_flight;
  server.publish_limits.connection_bytes = in_flight_per_connection;
  server.frame_bytes = frames;
  server.max_streams = streams / kStreamBytes;
  server.broker.max_partitions = partitions / kPartitionBytes;
  server.broker.tail_cache_bytes = tail_cache;
  server.broker.copy_bytes = copies;
  server.broker.pending_bytes = pending;
  server.broker.request_bytes = settlements;
  server.broker.reader_bytes = readers;
  server.broker.producer_bytes = producers;
  server.broker.filter_bytes = filters;
  server.broker.link_bytes = links;
  if (server.broker.archive.has_value()) {
    server.broker.history_bytes = history;
    const size_t object = archive / static_cast<size_t>(server.archiver.threads);
    ObjectLimits& limits = server.broker.archive->limits;
    limits.events = std::clamp<uint64_t>(object / kArchivedEventBytes, 10'000, limits.events);
  }
  server.broker.store.write_buffer_bytes = write_buffer;
  server.broker.store.write_memory_bytes = WriteMemory(write_buffer);
  server.broker.store.block_cache_bytes = block_cache;
}

}  // namespace eventhub

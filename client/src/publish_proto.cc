#include "client/src/publish_proto.h"

namespace eventhub::client {

void SetResult(const v1::PublishResult& result, PublishReply& reply) {
  reply.placements.reserve(static_cast<size_t>(result.placements_size()));
  for (const v1::Placement& placement : result.placements()) {
    reply.placements.push_back({placement.partition(), placement.base_offset(), placement.count()});
  }
  if (result.has_keyless_partition()) reply.keyless_partition = result.keyless_partition();
  reply.partition_count = result.partition_count();
  reply.duplicate = result.duplicate();
}

}  // namespace eventhub::client

#include "client/src/publish_proto.h"

#include "client/src/proto_time.h"

namespace eventhub::client {

void SetResult(const v1::PublishResult& result, PublishReply& reply) {
  reply.placements.reserve(static_cast<size_t>(result.placements_size()));
  for (const v1::Placement& placement : result.placements()) {
    reply.placements.push_back({placement.partition(), placement.base_offset(), placement.count()});
  }
  if (result.has_keyless_partition()) reply.keyless_partition = result.keyless_partition();
  reply.partition_count = result.partition_count();
  reply.duplicate = result.duplicate();
  for (const v1::DuplicateEvent& event : result.duplicates()) {
    DuplicateEvent duplicate{.event_index = event.event_index()};
    if (event.has_partition()) duplicate.partition = event.partition();
    if (event.has_offset()) duplicate.offset = event.offset();
    reply.duplicates.push_back(duplicate);
  }
  for (const v1::DelayedPlacement& event : result.delayed()) {
    reply.delayed.push_back({.event_index = event.event_index(),
                             .delay_id = event.delay_id(),
                             .due_time = FromProto(event.due_time())});
  }
}

}  // namespace eventhub::client

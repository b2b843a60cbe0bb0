#include "client/src/publish/publish_proto.h"

namespace eventhub::client {

void SetResult(const v1::PublishResult& result, PublishReply& reply) {
  reply.placements.reserve(static_cast<size_t>(result.placements_size()));
  for (const v1::Placement& placement : result.placements()) {
    reply.placements.push_back(
        {placement.partition(), placement.base_offset(), placement.count(), placement.run()});
  }
  if (result.has_keyless_partition()) reply.keyless_partition = result.keyless_partition();
  reply.partition_count = result.partition_count();
  reply.duplicate = result.duplicate();
  for (const v1::DelayedPlacement& delayed : result.delayed()) {
    const absl::Time due = absl::FromUnixSeconds(delayed.due_time().seconds()) +
                           absl::Nanoseconds(delayed.due_time().nanos());
    reply.delayed.push_back({delayed.event_index(), delayed.delay_id(), due});
  }
  for (const v1::DuplicateEvent& event : result.duplicates()) {
    DuplicatePlacement& duplicate = reply.duplicates.emplace_back();
    duplicate.event_index = event.event_index();
    if (event.has_partition()) duplicate.partition = event.partition();
    if (event.has_offset()) duplicate.offset = event.offset();
  }
}

}  // namespace eventhub::client

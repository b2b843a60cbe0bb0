#include "client/src/publish/locate.h"

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "client/src/publish/event_key.h"
#include "eventhub/partition.h"
#include "proto/wire/field_reader.h"

namespace eventhub::client {
namespace {

// The position of the next event in a partition.
struct Cursor {
  int64_t offset;
  uint32_t left;
};

// The common case: all events went to one partition, so none needs to be looked at.
std::optional<std::vector<PublishedEvent>> LocateIn(const Placement& placement, size_t count,
                                                    bool duplicate) {
  if (placement.count != count) return std::nullopt;
  std::vector<PublishedEvent> located(count);
  int64_t offset = placement.base_offset;
  for (PublishedEvent& event : located) {
    event.partition = placement.partition;
    event.offset = offset++;
    event.duplicate = duplicate;
  }
  return located;
}

// Locates `count` events; `next_key` returns the partition key of the next event, and is called
// once for each.
template <typename NextKey>
std::optional<std::vector<PublishedEvent>> Locate(size_t count, const PublishReply& reply,
                                                  NextKey next_key) {
  const bool one = reply.placements.size() == 1;
  if (one && reply.delayed.empty() && reply.duplicates.empty()) {
    return LocateIn(reply.placements.front(), count, reply.duplicate);
  }
  absl::flat_hash_map<uint32_t, Cursor> cursors;
  for (const Placement& placement : reply.placements) {
    cursors[placement.partition] = {placement.base_offset, placement.count};
  }
  std::vector<PublishedEvent> located(count);
  auto delayed = reply.delayed.begin();
  auto duplicate = reply.duplicates.begin();
  for (size_t index = 0; index < count; ++index) {
    const std::string_view key = next_key();
    PublishedEvent& event = located[index];
    event.duplicate = reply.duplicate;
    if (delayed != reply.delayed.end() && delayed->event_index == index) {
      event.delayed = EventDelay{delayed->delay_id, delayed->due_time};
      ++delayed;
      continue;
    }
    if (duplicate != reply.duplicates.end() && duplicate->event_index == index) {
      event.deduplicated = true;
      event.partition = duplicate->partition.value_or(0);
      event.offset = duplicate->offset.value_or(-1);
      ++duplicate;
      continue;
    }
    std::optional<uint32_t> partition = reply.keyless_partition;
    if (one) {
      partition = reply.placements.front().partition;
    } else if (!key.empty()) {
      if (reply.partition_count == 0) return std::nullopt;
      partition = PartitionFor(key, reply.partition_count);
    }
    if (!partition) return std::nullopt;
    const auto cursor = cursors.find(*partition);
    if (cursor == cursors.end() || cursor->second.left == 0) return std::nullopt;
    --cursor->second.left;
    event.partition = *partition;
    event.offset = cursor->second.offset++;
  }
  if (delayed != reply.delayed.end() || duplicate != reply.duplicates.end()) return std::nullopt;
  return located;
}

}  // namespace

std::optional<std::vector<PublishedEvent>> LocateEvents(std::string_view body, size_t count,
                                                        const PublishReply& reply) {
  wire::FieldReader field(body);
  return Locate(count, reply, [&field] {
    field.Next();
    return PartitionKey(field.bytes());
  });
}

std::optional<std::vector<PublishedEvent>> LocateEvents(const std::vector<v1::Event>& events,
                                                        const PublishReply& reply) {
  auto next = events.begin();
  return Locate(events.size(), reply,
                [&next] { return std::string_view((next++)->partition_key()); });
}

}  // namespace eventhub::client

#include "client/src/locate.h"

#include "absl/container/flat_hash_map.h"
#include "client/src/wire.h"
#include "eventhub/partition.h"

namespace eventhub::client {
namespace {

constexpr uint32_t kPartitionKeyField = 6;

struct Cursor {
  int64_t next_offset;
  uint32_t left;
};

std::string_view PartitionKey(std::string_view event) {
  FieldScanner field(event);
  std::string_view key;
  while (field.Next()) {
    if (field.number == kPartitionKeyField && field.type == FieldScanner::kLength) {
      key = field.bytes;
    }
  }
  return key;
}

}  // namespace

std::optional<std::vector<PublishedEvent>> LocateEvents(std::string_view body,
                                                        absl::Span<const Placement> placements,
                                                        std::optional<uint32_t> keyless_partition,
                                                        uint32_t partitions) {
  absl::flat_hash_map<uint32_t, Cursor> cursors;
  for (const Placement& placement : placements) {
    cursors[placement.partition] = {placement.base_offset, placement.count};
  }
  std::vector<PublishedEvent> located;
  FieldScanner field(body);
  while (field.Next()) {
    uint32_t partition = placements.empty() ? 0 : placements.front().partition;
    if (placements.size() > 1) {
      const std::string_view key = PartitionKey(field.bytes);
      if (key.empty() && !keyless_partition) return std::nullopt;
      partition = key.empty() ? *keyless_partition : PartitionFor(key, partitions);
    }
    const auto cursor = cursors.find(partition);
    if (cursor == cursors.end() || cursor->second.left == 0) return std::nullopt;
    --cursor->second.left;
    located.push_back({.partition = partition, .offset = cursor->second.next_offset++});
  }
  return located;
}

}  // namespace eventhub::client

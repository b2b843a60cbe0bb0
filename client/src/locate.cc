#include "client/src/locate.h"

#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "client/src/event_key.h"
#include "client/src/wire.h"
#include "eventhub/partition.h"

namespace eventhub::client {
namespace {

// Where the next event of a partition is.
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

PublishedEvent Place(const DuplicateEvent& event) {
  return {.partition = event.partition.value_or(0),
          .offset = event.partition ? event.offset.value_or(-1) : -1,
          .was_there = true};
}

PublishedEvent Place(const DelayedPlacement& event) {
  return {.offset = -1,
          .delayed = std::make_shared<const DelayedPlace>(
              DelayedPlace{.delay_id = event.delay_id, .due_time = event.due_time})};
}

// Goes through the events of a request that were not appended, by their index.
template <typename T>
class Exceptions {
 public:
  explicit Exceptions(const std::vector<T>& events) : next_(events.begin()), end_(events.end()) {}

  // Where event `index` is, if it is one of them. Indices are asked for in their order.
  std::optional<PublishedEvent> Find(size_t index) {
    if (next_ == end_ || next_->event_index != index) return std::nullopt;
    return Place(*next_++);
  }
  bool done() const { return next_ == end_; }

 private:
  typename std::vector<T>::const_iterator next_;
  const typename std::vector<T>::const_iterator end_;
};

// The partition of an event that was appended; nullopt if the reply does not say.
std::optional<uint32_t> PartitionOf(std::string_view event, const PublishReply& reply) {
  // All are in one, also if the request named it.
  if (reply.placements.size() == 1) return reply.placements.front().partition;
  const std::string_view key = PartitionKey(event);
  if (key.empty()) return reply.keyless_partition;
  if (reply.partition_count == 0) return std::nullopt;
  return PartitionFor(key, reply.partition_count);
}

}  // namespace

std::optional<std::vector<PublishedEvent>> LocateEvents(std::string_view body, size_t count,
                                                        const PublishReply& reply) {
  if (reply.placements.size() == 1 && reply.duplicates.empty() && reply.delayed.empty()) {
    return LocateIn(reply.placements.front(), count, reply.duplicate);
  }
  absl::flat_hash_map<uint32_t, Cursor> cursors;
  for (const Placement& placement : reply.placements) {
    cursors[placement.partition] = {placement.base_offset, placement.count};
  }
  Exceptions duplicates(reply.duplicates);
  Exceptions delayed(reply.delayed);
  std::vector<PublishedEvent> located;
  located.reserve(count);
  FieldScanner field(body);
  while (field.Next()) {
    std::optional<PublishedEvent> place = duplicates.Find(located.size());
    if (!place) place = delayed.Find(located.size());
    if (!place) {
      const std::optional<uint32_t> partition = PartitionOf(field.bytes, reply);
      if (!partition) return std::nullopt;
      const auto cursor = cursors.find(*partition);
      if (cursor == cursors.end() || cursor->second.left == 0) return std::nullopt;
      --cursor->second.left;
      place = PublishedEvent{.partition = *partition, .offset = cursor->second.offset++};
    }
    place->duplicate = reply.duplicate;
    located.push_back(*std::move(place));
  }
  // An index that is out of order, or that no event has.
  if (!duplicates.done() || !delayed.done()) return std::nullopt;
  return located;
}

}  // namespace eventhub::client

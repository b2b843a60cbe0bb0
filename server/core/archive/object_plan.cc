#include "server/core/archive/object_plan.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// Events of a partition that are not archived.
struct Pending {
  PartitionLog* log;
  LogPosition from;
  LogPosition to;
  uint64_t missing;  // Deleted events before `from`.
  absl::Time oldest;
};

LogBounds BoundsOf(const Pending& pending) {
  LogBounds bounds;
  bounds.start = pending.from.offset;
  bounds.start_bytes = pending.from.bytes_before;
  bounds.end = pending.to.offset;
  bounds.end_bytes = pending.to.bytes_before;
  return bounds;
}

absl::StatusOr<std::vector<Pending>> FindPending(const Topic& topic,
                                                 const std::vector<ArchivePosition>& positions,
                                                 const LogStore& store) {
  std::vector<Pending> found;
  const std::shared_ptr<const TopicView> view = topic.view();
  for (PartitionLog* log : view->partitions) {
    const size_t index = log->id().value();
    const LogPosition position = index < positions.size() ? positions[index].to : LogPosition();
    const LogPosition start{log->start(), log->start_bytes()};
    const LogPosition end = log->end_position();
    if (position.offset > end.offset) {
      return absl::DataLossError(
          absl::StrCat("topic ", topic.name(), ", partition ", index, " ends at offset ",
                       end.offset.value(), ", but its events before offset ",
                       position.offset.value(), " are archived: the log has lost events"));
    }
    Pending pending{log, std::max(position.offset, start.offset) == start.offset ? start : position,
                    end, 0, absl::InfiniteFuture()};
    if (pending.from.offset == end.offset) continue;
    if (start.offset > position.offset) {
      pending.missing = static_cast<uint64_t>(start.offset - position.offset);
    }
    ASSIGN_OR_RETURN(const BatchInfo first,
                     store.FindBatch(topic.id(), log->id(), pending.from.offset));
    pending.oldest = first.header.append_time();
    found.push_back(pending);
  }
  std::sort(found.begin(), found.end(),
            [](const Pending& a, const Pending& b) { return a.oldest < b.oldest; });
  return found;
}

// Cuts off what was appended in later hours, and what exceeds the limits, which are not 0.
absl::Status Cut(Pending& pending, absl::Time hour_end, const ObjectLimits& left,
                 const LogStore& store) {
  const TopicId topic = pending.log->topic();
  const PartitionId partition = pending.log->id();
  if (pending.log->last_append_time() >= hour_end) {
    ASSIGN_OR_RETURN(pending.to, store.SeekTime(topic, partition, BoundsOf(pending), hour_end));
  }
  if (pending.to.bytes_before - pending.from.bytes_before > left.bytes) {
    ASSIGN_OR_RETURN(pending.to, store.SeekBytes(topic, partition, BoundsOf(pending),
                                                 pending.from.bytes_before + left.bytes));
  }
  const int64_t events = static_cast<int64_t>(left.events);
  if (pending.to.offset - pending.from.offset > events) {
    ASSIGN_OR_RETURN(const BatchInfo last,
                     store.FindBatch(topic, partition, pending.from.offset + (events - 1)));
    pending.to = EndOf(last.base, last.header);
  }
  return absl::OkStatus();
}

}  // namespace

int64_t HourOf(absl::Time time) {
  return absl::ToInt64Hours(absl::Floor(time - absl::UnixEpoch(), absl::Hours(1)));
}

absl::StatusOr<std::optional<ObjectPlan>> PlanObject(const Topic& topic,
                                                     const std::vector<ArchivePosition>& positions,
                                                     const LogStore& store,
                                                     const ObjectLimits& limits) {
  ASSIGN_OR_RETURN(std::vector<Pending> all, FindPending(topic, positions, store));
  if (all.empty()) return std::nullopt;
  ObjectPlan plan;
  stored::ArchiveObject& object = plan.object;
  object.set_hour(HourOf(all.front().oldest));
  const absl::Time hour_end = absl::UnixEpoch() + absl::Hours(object.hour() + 1);
  ObjectLimits left = limits;
  for (Pending& pending : all) {
    if (pending.oldest >= hour_end || left.bytes == 0 || left.events == 0) break;
    if (static_cast<size_t>(object.ranges_size()) == limits.ranges) break;
    const Offset end = pending.to.offset;
    RETURN_IF_ERROR(Cut(pending, hour_end, left, store));
    plan.more |= pending.to.offset < end;
    left.bytes -= std::min(left.bytes, pending.to.bytes_before - pending.from.bytes_before);
    left.events -=
        std::min(left.events, static_cast<uint64_t>(pending.to.offset - pending.from.offset));
    stored::ArchiveRange& range = *object.add_ranges();
    range.set_partition(pending.log->id().value());
    range.set_from(pending.from.offset.value());
    range.set_from_bytes(pending.from.bytes_before);
    range.set_to(pending.to.offset.value());
    range.set_to_bytes(pending.to.bytes_before);
    range.set_missing(pending.missing);
  }
  std::sort(object.mutable_ranges()->begin(), object.mutable_ranges()->end(),
            [](const stored::ArchiveRange& a, const stored::ArchiveRange& b) {
              return a.partition() < b.partition();
            });
  plan.more |= static_cast<size_t>(object.ranges_size()) < all.size();
  return plan;
}

}  // namespace eventhub

#include "server/core/topic_append.h"

#include <utility>

#include "server/core/delayed/delayed_table.h"
#include "server/core/errors.h"

namespace eventhub {

absl::Status AdmitAppend(const TopicAppend& append) {
  const Topic& topic = *append.topic;
  if (topic.closing()) return TopicNotFound(topic.name());
  if (!append.expected.has_value()) return absl::OkStatus();
  const PartitionLog& log = *append.publish.appends.front().log;
  if (log.next_offset() == *append.expected) return absl::OkStatus();
  return OffsetMismatch(topic.name(), log.id(), *append.expected, log.next_offset());
}

absl::Status SettleAppend(TopicAppend&) { return absl::OkStatus(); }

void CarryOutAppend(TopicAppend& append, CommitBuilder& commit) {
  v1::PublishResult& result = append.publish.result;
  for (PartitionAppend& run : append.publish.appends) {
    const uint32_t partition = run.log->id().value();
    const Offset base =
        commit.Append(*run.log, std::move(run.events), run.count, append.publish.types);
    if (result.placements_size() > 0) {
      v1::Placement& last = *result.mutable_placements()->rbegin();
      if (last.partition() == partition) {  // Nothing else can have come in between.
        last.set_count(last.count() + run.count);
        continue;
      }
    }
    v1::Placement& placement = *result.add_placements();
    placement.set_partition(partition);
    placement.set_base_offset(base.value());
    placement.set_count(run.count);
  }
  CheckedPublish& publish = append.publish;
  if (publish.delayed.empty()) return;
  publish.delayed_table->Accept(append.topic, publish.delayed, commit, &result);
}

void CountAppend(const TopicAppend& append) {
  TopicCounters& counters = append.topic->counters();
  counters.published_events.fetch_add(append.publish.count, std::memory_order_relaxed);
  counters.published_bytes.fetch_add(append.publish.bytes, std::memory_order_relaxed);
}

}  // namespace eventhub

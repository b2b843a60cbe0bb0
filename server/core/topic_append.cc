#include "server/core/topic_append.h"

#include <utility>

#include "server/core/delayed/delayed_table.h"
#include "server/core/errors.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr absl::Duration kTopicFullRetry = absl::Seconds(1);

}  // namespace

absl::Status CheckRoom(const Topic& topic) {
  const uint64_t limit = topic.full_at();
  if (topic.held_bytes() < limit) return absl::OkStatus();
  return TopicFull(topic.name(), topic.held_bytes(), limit, kTopicFullRetry);
}

Offset AppendRun(Topic& topic, PartitionAppend& run, const TypeSummary& types,
                 CommitBuilder& commit) {
  const size_t bytes = run.events.size();
  if (topic.keeps_nothing()) return commit.Pass(*run.log, bytes, run.count);
  topic.AddHeld(static_cast<int64_t>(bytes));
  return commit.Append(*run.log, std::move(run.events), run.count, types);
}

absl::Status AdmitAppend(const TopicAppend& append) {
  const Topic& topic = *append.topic;
  if (topic.closing()) return TopicNotFound(topic.name());
  RETURN_IF_ERROR(CheckRoom(topic));
  if (!append.expected.has_value()) return absl::OkStatus();
  const PartitionLog& log = *append.publish.appends.front().log;
  if (log.next_offset() == *append.expected) return absl::OkStatus();
  return OffsetMismatch(topic.name(), log.id(), *append.expected, log.next_offset());
}

absl::Status SettleAppend(TopicAppend& append, const CommitBuilder& commit) {
  const Topic& topic = *append.topic;
  std::unique_ptr<RoutePlan>& plan = append.publish.routes;
  if (topic.routes() == nullptr) {
    plan.reset();
    return absl::OkStatus();
  }
  if (plan == nullptr || plan->set.get() != topic.routes()) {  // There was none, or it is outdated.
    plan = PlanRoutes(topic.view()->routes, append.publish.appends,
                      append.publish.result.partition_count());
  }
  return SettleRoutes(*plan, commit.now());
}

void CarryOutAppend(TopicAppend& append, CommitBuilder& commit) {
  v1::PublishResult& result = append.publish.result;
  append.unkept = append.topic->keeps_nothing();
  for (PartitionAppend& run : append.publish.appends) {
    const uint32_t partition = run.log->id().value();
    const Offset base = AppendRun(*append.topic, run, append.publish.types, commit);
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
  if (publish.routes != nullptr) CarryOutRoutes(*publish.routes, publish.types, commit);
  if (publish.delayed.empty()) return;
  publish.delayed_table->Accept(append.topic, publish.delayed, commit, &result);
}

void CountAppend(const TopicAppend& append) {
  TopicCounters& counters = append.topic->counters();
  counters.published_events.fetch_add(append.publish.count, std::memory_order_relaxed);
  counters.published_bytes.fetch_add(append.publish.bytes, std::memory_order_relaxed);
  const RoutePlan* const plan = append.publish.routes.get();
  if (append.unkept) {
    counters.unrouted_events.fetch_add(plan != nullptr ? plan->untaken : append.publish.count,
                                       std::memory_order_relaxed);
  }
  if (plan != nullptr) CountRoutes(*plan);
}

}  // namespace eventhub

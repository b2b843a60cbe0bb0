#include "server/core/publish/topic_append.h"

#include <algorithm>
#include <utility>

#include "server/core/base/errors.h"
#include "server/core/publish/deduplication.h"
#include "server/core/publish/delayed_table.h"
#include "server/core/topic/topic_log.h"
#include "server/core/topic/topic_settings.h"
#include "storage/base/check.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// Looks up the events that the topic already received.
absl::Status LookUpDuplicates(TopicAppend& append, const CommitBuilder& commit) {
  CheckedPublish& publish = append.publish;
  if (publish.identities == nullptr) return absl::OkStatus();
  const absl::Duration window = DeduplicationWindowOf(append.topic->pending());
  if (window == absl::ZeroDuration()) {  // The window was removed after the request was checked.
    publish.identities.reset();
    return absl::OkStatus();
  }
  return LookUpIdentities(append.topic->identities(), window, commit.now(),
                          publish.identities.get());
}

bool IsCurrent(const TopicAppend& append) {
  const RouteSet* const routes = append.topic->routes();
  const RoutePlan* const plan = append.publish.routes.get();
  return routes == nullptr || append.topic->closing() ||
         (plan != nullptr && plan->set.get() == routes);
}

void SetRenewing(TopicAppend& append, bool renewing) {
  if (append.renewing == renewing) return;
  append.renewing = renewing;
  append.topic->AddPlanRenewals(renewing ? 1 : -1);
}

// Removes the events that the topic already received, and their copies.
void LeaveOutDuplicates(TopicAppend& append, const CommitBuilder& commit) {
  const uint32_t count = append.publish.count;
  DropDuplicates(append.topic->identities(), &append.publish);
  if (append.publish.routes == nullptr || append.publish.count == count) return;
  PlanSubset(append);
  // A subset fits where all fitted; the rest of the commit does not affect that.
  if (!SettleRoutes(*append.publish.routes, commit.now()).ok()) PlanSubset(append);
}

}  // namespace

size_t PieceOf(size_t bytes, const Topic& topic) {
  const std::shared_ptr<const TopicView> view = topic.view();
  if (view->routes == nullptr) return bytes;
  if (topic.copies() != nullptr) bytes = std::min(bytes, topic.copies()->limit());
  return bytes / (1 + view->routes->fan_out());
}

void RenewPlan(TopicAppend& append) {
  CheckedPublish& publish = append.publish;
  const std::shared_ptr<const TopicView> view = append.topic->view();
  if (publish.routes != nullptr && publish.routes->set == view->routes) return;
  publish.records -= RecordsOfCopies(publish.routes.get());
  publish.routes.reset();  // Its memory is free for the new plan.
  publish.deferred = false;
  if (view->routes == nullptr) return;
  publish.routes = PlanRoutes(view->routes, publish.appends, publish.result.partition_count(),
                              publish.accepted ? PlanFor::kAccepted : PlanFor::kPublisher,
                              append.topic->copies(),
                              publish.may_shrink ? std::make_unique<FilterResults>() : nullptr);
  const size_t records = publish.records + RecordsOfCopies(publish.routes.get());
  if (records > kMaxRequestRecords && !publish.accepted) {
    RefusePlan(*publish.routes, TooManyRecords(append.topic->name(), records, kMaxRequestRecords));
  } else {
    publish.records = records;
  }
}

void PlanSubset(TopicAppend& append) {
  std::unique_ptr<RoutePlan>& plan = append.publish.routes;
  if (plan == nullptr) return;
  const std::shared_ptr<const RouteSet> set = plan->set;
  std::unique_ptr<FilterResults> results = std::move(plan->results);
  plan.reset();  // Its memory is free for the new plan.
  plan = PlanRoutes(set, append.publish.appends, append.publish.result.partition_count(),
                    append.publish.accepted ? PlanFor::kAccepted : PlanFor::kSubset,
                    append.topic->copies(), std::move(results));
}

bool PlansAreCurrent(absl::Span<const TopicAppend> appends) {
  return std::all_of(appends.begin(), appends.end(), IsCurrent);
}

void BeginRenewal(absl::Span<TopicAppend> appends) {
  // Requests that are planned for the first time come all the time: changes do not wait for them.
  for (const TopicAppend& append : appends) {
    if (append.publish.deferred) return;
  }
  for (TopicAppend& append : appends) SetRenewing(append, true);
}

void EndRenewal(absl::Span<TopicAppend> appends) {
  for (TopicAppend& append : appends) SetRenewing(append, false);
}

absl::Status AdmitAppend(const TopicAppend& append, const CommitBuilder& commit) {
  const Topic& topic = *append.topic;
  if (topic.closing()) return TopicNotFound(topic.name());
  RETURN_IF_ERROR(CheckNotFull(topic));
  if (!append.expected.has_value()) return absl::OkStatus();
  return CheckExpected(topic, *append.publish.appends.front().log, *append.expected,
                       append.expected_run, commit);
}

absl::Status SettleAppend(TopicAppend& append, const CommitBuilder& commit) {
  RETURN_IF_ERROR(LookUpDuplicates(append, commit));
  const Topic& topic = *append.topic;
  std::unique_ptr<RoutePlan>& plan = append.publish.routes;
  if (topic.routes() == nullptr) {
    plan.reset();
    return absl::OkStatus();
  }
  EVENTHUB_CHECK(IsCurrent(append), "plans are renewed before they are carried out");
  return SettleRoutes(*plan, commit.now());
}

void ApplyAppend(TopicAppend& append, CommitBuilder& commit) {
  CheckedPublish& publish = append.publish;
  v1::PublishResult& result = publish.result;
  append.unkept = append.topic->keeps_nothing();
  for (const std::shared_ptr<DataKey>& key : publish.keys) append.topic->keys()->Save(*key, commit);
  if (publish.identities != nullptr) LeaveOutDuplicates(append, commit);
  for (PartitionAppend& run : append.publish.appends) {
    const uint32_t partition = run.log->id().value();
    const Offset base = AppendRun(*append.topic, run, append.publish.types, commit);
    if (result.placements_size() > 0) {
      v1::Placement& last = *result.mutable_placements()->rbegin();
      if (last.partition() == partition) {  // Nothing else can have been appended in between.
        last.set_count(last.count() + run.count);
        continue;
      }
    }
    v1::Placement& placement = *result.add_placements();
    placement.set_partition(partition);
    placement.set_base_offset(base.value());
    placement.set_count(run.count);
    placement.set_run(commit.store().runs().current(append.topic->id()));
  }
  if (publish.routes != nullptr) ApplyRoutes(*publish.routes, publish.types, commit);
  if (!publish.delayed.empty()) {
    publish.delayed_table->Accept(append.topic, publish.delayed, commit, &result);
  }
  if (publish.identities != nullptr) {
    RecordIdentities(append.topic->identities(), DeduplicationWindowOf(append.topic->pending()),
                     commit, &publish);
  }
}

void CountAppend(const TopicAppend& append) {
  TopicCounters& counters = append.topic->counters();
  counters.published_events.Add(append.publish.count);
  counters.published_bytes.Add(append.publish.bytes);
  counters.duplicate_events.Add(static_cast<uint64_t>(append.publish.result.duplicates_size()));
  const RoutePlan* const plan = append.publish.routes.get();
  if (append.unkept) {
    counters.unrouted_events.Add(plan != nullptr ? plan->untaken : append.publish.count);
  }
  if (plan != nullptr) CountRoutes(*plan);
}

}  // namespace eventhub

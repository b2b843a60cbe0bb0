// Appending to a topic: one pipeline for all sources (requests, transactions, dead letters, routes,
// links, delayed events).
//
//   1. AdmitAppend     Checks that the topic can accept the events. May refuse.
//   2. SettleAppend    Looks up events that the topic already received (`deduplication_window`).
//                      Checks that the targets can accept the copies. May refuse, without side
//                      effects; nothing is refused after it.
//   3. ApplyAppend  Omits events that the topic already received, appends the rest and its
//                      copies. Cannot fail.
//
// Until step 3 nothing changes that a later refusal would have to undo. An operation that appends
// to several topics takes all of its appends through steps 1 and 2 before it carries out the first.
// CountAppend follows when the outcome of the commit is known.
//
// Filters do not run on the commit thread: a task asks before step 1 whether its plans are current
// (CommitTask::readiness), and if not, they are renewed elsewhere.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/core/publish/publish_request.h"
#include "server/core/topic/topic.h"
#include "storage/commit_builder.h"

namespace eventhub {

// Events to append to one topic.
struct TopicAppend {
  std::shared_ptr<Topic> topic;
  // The required next offset of their only partition.
  std::optional<Offset> expected{};
  // The required run of the event before that offset; 0: any.
  uint64_t expected_run = 0;
  CheckedPublish publish{};
  bool renewing = false;  // Counted in Topic::plan_renewals.
  bool unkept = false;    // Set when it was carried out on a topic that keeps nothing.
};

// The size of a piece of events that were accepted before, so that with its copies it has at most
// `bytes`. The same for a number of events.
size_t PieceOf(size_t bytes, const Topic& topic);

// Plans the copies that routes make of the events, again if there is a plan that is outdated. Any
// thread, but not the commit thread, since filters run.
void RenewPlan(TopicAppend& append);

// All functions below except CountAppend run on the commit thread.

// Whether the plans of all appends of a task are current. If not, RenewPlan is to be called for
// each, between the functions below. Then the routes do not change, unless some append had no plan
// yet (CheckedPublish::deferred).
bool PlansAreCurrent(absl::Span<const TopicAppend> appends);
void BeginRenewal(absl::Span<TopicAppend> appends);
void EndRenewal(absl::Span<TopicAppend> appends);

// Plans the copies of the events of `append` that are left, by what filters decided for all
// (CheckedPublish::may_shrink).
void PlanSubset(TopicAppend& append);

// NOT_FOUND: the topic is being deleted. RESOURCE_EXHAUSTED: it is full. ABORTED: `expected` or
// `expected_run` does not hold. DATA_LOSS: the store is damaged.
absl::Status AdmitAppend(const TopicAppend& append, const CommitBuilder& commit);

// The plan is current. FAILED_PRECONDITION, RESOURCE_EXHAUSTED: see SettleRoutes. DATA_LOSS: the
// store is damaged.
absl::Status SettleAppend(TopicAppend& append, const CommitBuilder& commit);

// Appends the events that the topic has not received, stores the delayed ones, and fills in their
// places.
void ApplyAppend(TopicAppend& append, CommitBuilder& commit);

// Counts the appended events, if the commit succeeded.
void CountAppend(const TopicAppend& append);

}  // namespace eventhub

// How events get into a topic: one pipeline for everything that appends (requests, transactions,
// dead letters, routes, links, delayed events).
//
//   1. AdmitAppend   Can the topic take it? Refuses.
//   2. SettleAppend  Looks up what the topic has had (`deduplication_window`). Routes: is their
//   plan
//                    current, can the targets take the copies? Refuses, with nothing done; after it
//                    nothing is refused any more.
//   3. CarryOutAppend  Leaves out what the topic has had, appends the rest and its copies. Cannot
//                    fail.
//
// Until step 3 nothing is changed that a later refusal would have to take back. What appends to
// several topics together takes all of its appends through steps 1 and 2 before the first is
// carried out. Afterwards, when the commit is known to have succeeded or not, CountAppend.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "server/core/publish/publish_request.h"
#include "server/core/topic/topic.h"
#include "storage/commit_builder.h"

namespace eventhub {

// Events on their way into one topic.
struct TopicAppend {
  std::shared_ptr<Topic> topic;
  // What the next offset of their only partition has to be.
  std::optional<Offset> expected{};
  // The run of the event before that; 0: any.
  uint64_t expected_run = 0;
  CheckedPublish publish{};
  bool unkept = false;  // It was carried out into a topic that keeps nothing.
};

// From here on all is for the commit thread but CountAppend.

// NOT_FOUND: the topic is being deleted. RESOURCE_EXHAUSTED: it is full. ABORTED: `expected` or
// `expected_run` does not hold. DATA_LOSS: the store is damaged.
absl::Status AdmitAppend(const TopicAppend& append, const CommitBuilder& commit);

// FAILED_PRECONDITION, RESOURCE_EXHAUSTED: see SettleRoutes. DATA_LOSS: the store is damaged.
absl::Status SettleAppend(TopicAppend& append, const CommitBuilder& commit);

// Appends the events that the topic has not had, puts the delayed ones aside, and fills in where
// they are.
void CarryOutAppend(TopicAppend& append, CommitBuilder& commit);

// Counts what was appended, if the commit succeeded.
void CountAppend(const TopicAppend& append);

}  // namespace eventhub

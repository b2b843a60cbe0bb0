// The way of events into a topic: one pipeline for all that append, whatever they are (requests,
// transactions, dead letters, and what else comes).
//
//   1. AdmitAppend   Can the topic take it? Refuses.
//   2. Deduplicate   (Where a topic drops what it has had: between 1 and 3, in SettleAppend. What
//                    it drops leaves `publish.appends` before routes are settled.)
//   3. SettleAppend  Refuses, if need be; after it nothing can be refused any more.
//   4. CarryOutAppend      Appends. Cannot fail.
//
// Until step 4 nothing is changed that a later refusal would have to take back. What appends to
// several topics together takes all of its appends through steps 1 to 3 before the first is carried
// out. Afterwards, when the commit is known to have succeeded or not, CountAppend.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "server/core/publish_request.h"
#include "server/core/topic.h"
#include "storage/commit_builder.h"

namespace eventhub {

// Events on their way into one topic.
struct TopicAppend {
  std::shared_ptr<Topic> topic;
  // What the next offset of their only partition has to be.
  std::optional<Offset> expected;
  CheckedPublish publish;
};

// All on the commit thread but CountAppend.

// NOT_FOUND: the topic is being deleted. ABORTED: `expected` does not hold.
absl::Status AdmitAppend(const TopicAppend& append);

absl::Status SettleAppend(TopicAppend& append);

// Appends the events, puts the delayed ones aside, and fills in where they are.
void CarryOutAppend(TopicAppend& append, CommitBuilder& commit);

// Counts what was appended, if the commit succeeded.
void CountAppend(const TopicAppend& append);

}  // namespace eventhub

// The commit that moves a link on: what it read is appended, and where it is then is written, in
// one write. This is how each remote event is appended once, whatever breaks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/core/link/link.h"
#include "server/core/publish/topic_append.h"
#include "storage/base/shared_bytes.h"
#include "storage/log_writer.h"

namespace eventhub {

// A link goes on in one partition of the remote topic.
struct LinkMove {
  uint32_t partition = 0;
  std::optional<int64_t> from;  // Where it has to be; not set: it was not in that partition yet.
  int64_t to = 0;
  SharedBytes events;  // To append, as fields of a request; may be empty.
  uint64_t lost_events = 0;
  uint64_t refused_events = 0;
  uint64_t run = 0;  // Of the event before `to`; 0: not known.
};

struct LinkStep {
  std::shared_ptr<Link> link;
  uint64_t generation = 0;  // Of the settings that it was read by.

  // Set: first forget the positions, which are of another topic, and take this one for theirs.
  std::optional<LinkOrigin> origin;
  // From now on, a partition without a position is new.
  bool started = false;
  // How many partitions the remote topic has; if the local one has as many, each goes to its like.
  uint32_t remote_partitions = 0;

  std::vector<LinkMove> moves;
  LinkProgress progress;  // Counted when it is done, with what was appended.
};

// OK, or why nothing of the step was done: ABORTED if the link is not where the step begins, or not
// what it was read by; else what the local topic refused the events for. Must not block.
using LinkStepDone = absl::AnyInvocable<void(const absl::Status&) &&>;

class LinkStepTask final : public CommitTask {
 public:
  // `appends` has one of each move that has events, in their order.
  LinkStepTask(LinkStep step, std::vector<TopicAppend> appends, LinkStepDone done);

  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  size_t bytes() const override { return bytes_; }
  bool synced() const override { return synced_; }

 private:
  // All that may refuse the step, which changes nothing.
  absl::Status Settle(const CommitBuilder& commit);
  absl::Status CheckPositions() const;
  void CarryOut(CommitBuilder& commit);

  LinkStep step_;
  std::vector<TopicAppend> appends_;
  LinkStepDone done_;
  bool synced_ = false;
  size_t bytes_ = 0;
  absl::Status refused_;
};

// Finds the events of the step's moves valid for the local topic, as events that are published, and
// takes out, and counts as refused, what it can never take. Other errors: those of publishing.
absl::StatusOr<std::vector<TopicAppend>> CheckStep(LinkStep& step, DelayedTable& delayed);

}  // namespace eventhub

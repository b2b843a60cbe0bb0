// The commit that advances a link: it appends the events that were read and stores the new position
// in one write. So each remote event is appended exactly once, whatever fails.
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

// The progress of a link in one partition of the remote topic.
struct LinkMove {
  uint32_t partition = 0;
  // The position that the link must have; unset: none in that partition yet.
  std::optional<int64_t> from;
  int64_t to = 0;
  SharedBytes events;  // The events to append, as fields of a request; may be empty.
  uint64_t lost_events = 0;
  uint64_t refused_events = 0;
  uint64_t run = 0;  // The run of the event before `to`; 0: unknown.
};

struct LinkStep {
  std::shared_ptr<Link> link;
  uint64_t generation = 0;  // The generation of the settings used for reading.

  // If set: first clear the positions, which belong to another topic, and set this origin.
  std::optional<LinkOrigin> origin;
  // From this step on, a partition without a position is new.
  bool started = false;
  // The number of partitions of the remote topic. If the local topic has the same number, events
  // keep their partition.
  uint32_t remote_partitions = 0;

  std::vector<LinkMove> moves;
  LinkProgress progress;  // Counted when the step is done, together with what was appended.
};

// OK, or why no part of the step was done: ABORTED if the link is not at the position or generation
// that the step expects; otherwise the local topic's error for the events. Must not block.
using LinkStepDone = absl::AnyInvocable<void(const absl::Status&) &&>;

class LinkStepTask final : public CommitTask {
 public:
  // `appends` holds one entry for each move that has events, in the same order.
  LinkStepTask(LinkStep step, std::vector<TopicAppend> appends, LinkStepDone done);

  Readiness readiness() override;
  void Renew() override;
  void BeginRenewal() override { eventhub::BeginRenewal(absl::MakeSpan(appends_)); }
  void EndRenewal() override { eventhub::EndRenewal(absl::MakeSpan(appends_)); }
  void Refuse() override;
  uint64_t renewal_lane() const override { return step_.link->topic()->id().value(); }
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  size_t bytes() const override { return bytes_; }
  bool synced() const override { return synced_; }

 private:
  // Performs every check that may refuse the step; changes nothing on refusal.
  absl::Status Settle(const CommitBuilder& commit);
  absl::Status CheckPositions() const;
  void CountBytes();
  void Apply(CommitBuilder& commit);

  LinkStep step_;
  std::vector<TopicAppend> appends_;
  LinkStepDone done_;
  bool synced_ = false;
  size_t bytes_ = 0;
  absl::Status refused_;
};

// Validates the events of the step's moves for the local topic, like published events. Removes
// those that the topic can never accept and counts them as refused. Other errors: those of
// publishing.
absl::StatusOr<std::vector<TopicAppend>> CheckStep(LinkStep& step, DelayedTable& delayed);

}  // namespace eventhub

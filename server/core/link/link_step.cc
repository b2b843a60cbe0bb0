#include "server/core/link/link_step.h"

#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "proto/wire/field_reader.h"
#include "server/core/base/errors.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// A copy of the region without the event at `index`.
SharedBytes WithoutEvent(const SharedBytes& events, uint32_t index) {
  wire::FieldReader event(events.view());
  for (uint32_t i = 0; i <= index; ++i) {
    if (!event.Next()) return {};
  }
  return SharedBytes::Copy(absl::StrCat(event.before(), event.after()));
}

}  // namespace

absl::StatusOr<std::vector<TopicAppend>> CheckStep(LinkStep& step, DelayedTable& delayed) {
  const std::shared_ptr<Topic>& topic = step.link->topic();
  const bool same_partitions = topic->view()->partitions.size() == step.remote_partitions;
  std::vector<TopicAppend> appends;
  for (LinkMove& move : step.moves) {
    while (!move.events.empty()) {
      PublishRequest request;
      request.accepted = true;  // Accepted by the remote hub; the worker checked the size.
      if (same_partitions) request.head.set_partition(move.partition);
      request.events = move.events;
      absl::StatusOr<CheckedPublish> append =
          CheckPublish(request, *topic, delayed, /*budget=*/nullptr);
      if (append.ok()) {
        appends.push_back({.topic = topic, .publish = *std::move(append)});
        break;
      }
      const std::optional<v1::ErrorDetail> detail = DetailOf(append.status());
      if (!absl::IsInvalidArgument(append.status()) || !detail || !detail->has_event_index()) {
        return append.status();
      }
      move.events = WithoutEvent(move.events, detail->event_index());
      ++move.refused_events;
    }
  }
  return appends;
}

LinkStepTask::LinkStepTask(LinkStep step, std::vector<TopicAppend> appends, LinkStepDone done)
    : step_(std::move(step)), appends_(std::move(appends)), done_(std::move(done)) {
  for (const TopicAppend& append : appends_) synced_ |= append.publish.synced;
  CountBytes();
}

void LinkStepTask::CountBytes() {
  bytes_ = 0;
  for (const TopicAppend& append : appends_) bytes_ += BytesOf(append.publish);
}

CommitTask::Readiness LinkStepTask::readiness() {
  return PlansAreCurrent(absl::MakeConstSpan(appends_)) ? Readiness::kReady : Readiness::kOutdated;
}

void LinkStepTask::Renew() {
  for (TopicAppend& append : appends_) RenewPlan(append);
  CountBytes();
}

void LinkStepTask::Refuse() { refused_ = ShuttingDown(kShutdownRetry); }

void LinkStepTask::Prepare(CommitBuilder& commit) {
  refused_ = Settle(commit);
  if (refused_.ok()) Apply(commit);
}

absl::Status LinkStepTask::Settle(const CommitBuilder& commit) {
  RETURN_IF_ERROR(CheckPositions());
  for (TopicAppend& append : appends_) {
    RETURN_IF_ERROR(AdmitAppend(append, commit));
    RETURN_IF_ERROR(SettleAppend(append, commit));
  }
  return absl::OkStatus();
}

absl::Status LinkStepTask::CheckPositions() const {
  const Link& link = *step_.link;
  if (link.closing() || link.pending().generation != step_.generation) {
    return absl::AbortedError(absl::StrCat("link ", link.name(), " was changed"));
  }
  // A step may move the link several times in one partition.
  absl::btree_map<uint32_t, int64_t> reached;
  const auto position_in = [&](uint32_t partition) -> std::optional<int64_t> {
    const auto moved = reached.find(partition);
    if (moved != reached.end()) return moved->second;
    if (step_.origin.has_value()) return std::nullopt;
    const auto& positions = link.pending().positions;
    const auto position = positions.find(partition);
    if (position == positions.end()) return std::nullopt;
    return position->second.next_offset;
  };
  for (const LinkMove& move : step_.moves) {
    if (position_in(move.partition) != move.from) {
      return absl::AbortedError(absl::StrCat("link ", link.name(),
                                             " is at another position in partition ",
                                             move.partition, " of the remote topic"));
    }
    reached[move.partition] = move.to;
  }
  return absl::OkStatus();
}

void LinkStepTask::Apply(CommitBuilder& commit) {
  Link& link = *step_.link;
  if (step_.origin.has_value()) link.Restart(*step_.origin, commit);
  if (step_.started && !link.pending().record.started()) {
    stored::Link record = link.pending().record;
    record.set_started(true);
    link.SetRecord(record, commit);
  }
  for (TopicAppend& append : appends_) ApplyAppend(append, commit);
  for (const LinkMove& move : step_.moves) {
    LinkPosition position;
    const auto present = link.pending().positions.find(move.partition);
    if (present != link.pending().positions.end()) position = present->second;
    position.MoveTo({move.to, move.run});
    position.lost_events += move.lost_events;
    position.refused_events += move.refused_events;
    link.SetPosition(move.partition, position, commit);
  }
}

void LinkStepTask::Done(const absl::Status& status) {
  Link& link = *step_.link;
  if (const absl::Status outcome = OutcomeOf(refused_, status); !outcome.ok()) {
    if (!appends_.empty()) {
      link.topic()->counters().refused_requests.Add();
    }
    std::move(done_)(outcome);
    return;
  }
  for (const TopicAppend& append : appends_) {
    CountAppend(append);
    step_.progress.appended_events += append.publish.count;
    step_.progress.appended_bytes += append.publish.bytes;
  }
  link.monitor().AddProgress(step_.progress);
  std::move(done_)(absl::OkStatus());
}

}  // namespace eventhub

#include "server/core/publish/append_task.h"

#include <utility>

#include "server/core/base/errors.h"
#include "storage/base/status_macros.h"

namespace eventhub {

AppendTask::AppendTask(const v1::PublishStreamRequest& head, TopicAppend append, PublishDone done)
    : producer_{head.producer_id(), head.producer_epoch(), head.sequence()},
      append_(std::move(append)),
      done_(std::move(done)) {}

CommitTask::Readiness AppendTask::readiness() {
  return PlansAreCurrent(absl::MakeConstSpan(&append_, 1)) ? Readiness::kReady
                                                           : Readiness::kOutdated;
}

void AppendTask::Prepare(CommitBuilder& commit) {
  const absl::StatusOr<bool> admitted = Admit(commit);
  if (!admitted.ok()) {
    refused_ = admitted.status();
  } else if (*admitted) {
    ApplyAppend(append_, commit);
    if (!producer_.id.empty()) {
      append_.topic->producers().Record(producer_, append_.publish.result, commit);
    }
  }
}

absl::StatusOr<bool> AppendTask::Admit(const CommitBuilder& commit) {
  Topic& topic = *append_.topic;
  if (topic.closing()) return TopicNotFound(topic.name());
  // This comes first: an accepted request stays accepted, even if the topic would refuse it now.
  if (!producer_.id.empty()) {
    ASSIGN_OR_RETURN(const bool is_new,
                     topic.producers().Admit(producer_, commit, &append_.publish.result));
    if (!is_new) return false;
  }
  RETURN_IF_ERROR(AdmitAppend(append_, commit));
  RETURN_IF_ERROR(SettleAppend(append_, commit));
  return true;
}

void AppendTask::Done(const absl::Status& status) {
  if (const absl::Status outcome = OutcomeOf(refused_, status); !outcome.ok()) {
    append_.topic->counters().refused_requests.Add();
    std::move(done_)(outcome);
    return;
  }
  if (!append_.publish.result.duplicate()) CountAppend(append_);
  std::move(done_)(std::move(append_.publish.result));
}

}  // namespace eventhub

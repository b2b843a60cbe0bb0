#include "server/core/topic/topic_tasks.h"

#include <utility>

#include "server/core/base/errors.h"

namespace eventhub {

CreateTopicTask::CreateTopicTask(TopicStore& topics, v1::Topic settings, TopicDone done)
    : topics_(topics), settings_(std::move(settings)), done_(std::move(done)) {}

CommitTask::Readiness CreateTopicTask::readiness() {
  return topics_.MayChange(settings_.name()) ? Readiness::kReady : Readiness::kBlocked;
}

void CreateTopicTask::Refuse() { topic_ = ShuttingDown(kShutdownRetry); }

void CreateTopicTask::Prepare(CommitBuilder& commit) { topic_ = topics_.Add(settings_, commit); }

void CreateTopicTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(topic_.status(), status);
  if (!outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  topics_.catalog().Add(*topic_);
  std::move(done_)(settings_);
}

ExpireProducersTask::ExpireProducersTask(std::shared_ptr<Topic> topic,
                                         std::vector<std::string> producers, absl::Time since,
                                         StatusDone done)
    : topic_(std::move(topic)),
      producers_(std::move(producers)),
      since_(since),
      done_(std::move(done)) {}

void ExpireProducersTask::Prepare(CommitBuilder& commit) {
  if (topic_->closing()) return;
  for (const std::string& producer : producers_) {
    refused_ = topic_->producers().Expire(producer, since_, commit);
    if (!refused_.ok()) return;
  }
}

void ExpireProducersTask::Done(const absl::Status& status) {
  std::move(done_)(OutcomeOf(refused_, status));
}

}  // namespace eventhub

#include "server/core/topic_changes.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/errors.h"
#include "server/core/link/link_catalog.h"
#include "server/core/topic_settings.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// The outcome of a change: that of Prepare, or that of the commit.
absl::Status Outcome(const absl::Status& refused, const absl::Status& committed) {
  if (!refused.ok()) return refused;
  return committed.ok() ? committed : StoreFailed(committed);
}

}  // namespace

absl::StatusOr<std::shared_ptr<Topic>> AddTopic(TopicStore& topics, const v1::Topic& settings,
                                                CommitBuilder& commit) {
  const std::string& name = settings.name();
  const std::shared_ptr<Topic> present = topics.catalog.Find(name);
  const bool exists = present != nullptr && !present->closing();
  if (exists || !topics.catalog.Reserve(name)) return TopicExists(name);
  const TopicId id = topics.next_id;
  topics.next_id = TopicId(id.value() + 1);
  std::string next_id;
  AppendLittle32(&next_id, topics.next_id.value());
  commit.Put(Column::kMeta, kNextTopicIdKey, next_id);
  commit.Put(Column::kMeta, TopicKey(id), EncodeTopicRecord(settings));
  auto topic = std::make_shared<Topic>(id, name, topics.store);
  topic->Apply(settings, std::vector<LogBounds>(settings.partitions()));
  topic->set_pending(settings);
  return topic;
}

CreateTopicTask::CreateTopicTask(TopicStore& topics, v1::Topic settings, TopicDone done)
    : topics_(topics), settings_(std::move(settings)), done_(std::move(done)) {}

void CreateTopicTask::Prepare(CommitBuilder& commit) {
  topic_ = AddTopic(topics_, settings_, commit);
}

void CreateTopicTask::Done(const absl::Status& status) {
  // Of a commit that failed before Prepare, the topic is not set.
  const absl::Status outcome = status.ok() ? topic_.status() : Outcome({}, status);
  if (!outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  topics_.catalog.Add(*topic_);
  std::move(done_)(settings_);
}

UpdateTopicTask::UpdateTopicTask(std::shared_ptr<Topic> topic, v1::UpdateTopicRequest request,
                                 TopicDone done)
    : topic_(std::move(topic)), request_(std::move(request)), done_(std::move(done)) {}

void UpdateTopicTask::Prepare(CommitBuilder& commit) { refused_ = Update(commit); }

absl::Status UpdateTopicTask::Update(CommitBuilder& commit) {
  if (topic_->closing()) return TopicNotFound(topic_->name());
  const v1::Topic& current = topic_->pending();
  ASSIGN_OR_RETURN(settings_,
                   ChangedTopicSettings(current, request_.topic(), request_.update_mask()));
  added_partitions_ = settings_.partitions() - current.partitions();
  commit.Put(Column::kMeta, TopicKey(topic_->id()), EncodeTopicRecord(settings_));
  topic_->set_pending(settings_);
  return absl::OkStatus();
}

void UpdateTopicTask::Done(const absl::Status& status) {
  const absl::Status outcome = Outcome(refused_, status);
  if (!outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  topic_->Apply(settings_, std::vector<LogBounds>(added_partitions_));
  std::move(done_)(settings_);
}

DeleteTopicTask::DeleteTopicTask(TopicStore& topics, SubscriptionCatalog& subscriptions,
                                 const LinkCatalog& links, std::shared_ptr<Topic> topic,
                                 bool with_subscriptions, StatusDone done)
    : topics_(topics),
      subscriptions_(subscriptions),
      links_(links),
      topic_(std::move(topic)),
      with_subscriptions_(with_subscriptions),
      done_(std::move(done)) {}

void DeleteTopicTask::Prepare(CommitBuilder& commit) { refused_ = Delete(commit); }

absl::Status DeleteTopicTask::Delete(CommitBuilder& commit) {
  if (topic_->closing()) return TopicNotFound(topic_->name());
  const auto subscriptions = subscriptions_.PendingOf(*topic_);
  if (!subscriptions.empty() && !with_subscriptions_) {
    return TopicInUse(topic_->name(),
                      absl::StrCat("has subscriptions: ", JoinNames(subscriptions)));
  }
  const auto users = subscriptions_.PendingWithDeadLettersIn(*topic_);
  if (!users.empty()) {
    return TopicInUse(topic_->name(),
                      absl::StrCat("takes the dead letters of subscriptions: ", JoinNames(users)));
  }
  if (const std::string links = links_.NamesInto(*topic_); !links.empty()) {
    return TopicInUse(topic_->name(), absl::StrCat("is what links append to: ", links));
  }
  for (const std::shared_ptr<Subscription>& subscription : subscriptions) {
    subscriptions_.Delete(*subscription, commit);
  }
  deleted_subscriptions_ = subscriptions;
  topic_->set_closing();
  commit.DeleteTopic(topic_->id());
  return absl::OkStatus();
}

void DeleteTopicTask::Done(const absl::Status& status) {
  const absl::Status outcome = Outcome(refused_, status);
  if (outcome.ok()) {
    topics_.catalog.Remove(*topic_);
    topic_->SetDeleted();
    for (PartitionLog* partition : topic_->view()->partitions) {
      topics_.cache.Drop(partition->tail());
    }
    for (const auto& subscription : deleted_subscriptions_) subscriptions_.Remove(*subscription);
  }
  std::move(done_)(outcome);
}

TrimTask::TrimTask(std::shared_ptr<Topic> topic, Cuts cuts, StatusDone done)
    : topic_(std::move(topic)), cuts_(std::move(cuts)), done_(std::move(done)) {}

void TrimTask::Prepare(CommitBuilder& commit) {
  if (topic_->closing()) return;
  for (const auto& [log, start] : cuts_) commit.Trim(*log, start);
}

void TrimTask::Done(const absl::Status& status) { std::move(done_)(Outcome({}, status)); }

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
  std::move(done_)(Outcome(refused_, status));
}

}  // namespace eventhub

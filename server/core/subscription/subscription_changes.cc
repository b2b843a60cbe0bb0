#include "server/core/subscription/subscription_changes.h"

#include "server/core/base/errors.h"
#include "server/core/subscription/subscription_settings.h"
#include "server/core/topic/start_position.h"
#include "server/core/topic/topic_log.h"
#include "server/core/topic/topic_settings.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {

CreateSubscriptionTask::CreateSubscriptionTask(const SubscriptionContext& context,
                                               TopicStore& topics, SubscriptionCatalog& catalog,
                                               std::shared_ptr<Topic> topic,
                                               v1::Subscription settings, std::vector<Offset> start,
                                               bool named, SubscriptionDone done)
    : context_(context),
      topics_(topics),
      catalog_(catalog),
      topic_(std::move(topic)),
      settings_(std::move(settings)),
      start_(std::move(start)),
      named_(named),
      done_(std::move(done)) {}

void CreateSubscriptionTask::Prepare(CommitBuilder& commit) { refused_ = Create(commit); }

absl::Status CreateSubscriptionTask::Create(CommitBuilder& commit) {
  if (topic_->closing()) return TopicNotFound(topic_->name());
  if (topic_->keeps_nothing()) return TopicKeepsNothing(topic_->name());
  if (catalog_.IsPending(settings_.name())) return SubscriptionExists(settings_.name());
  RETURN_IF_ERROR(ConfirmStarts());
  RETURN_IF_ERROR(CheckFilterMemory(settings_.filter(), context_.filter_memory));
  const size_t cost = TopicStore::CostOf(topic_->pending());
  RETURN_IF_ERROR(topics_.Take(cost));
  if (const absl::Status added = AddDeadLetterTopic(commit); !added.ok()) {
    topics_.Return(cost);
    return added;
  }
  stored::Subscription record;
  record.set_version(1);
  record.set_topic_id(topic_->id().value());
  *record.mutable_settings() = settings_;
  record.set_last_used_micros(absl::ToUnixMicros(commit.now()));
  subscription_ = std::make_shared<Subscription>(context_, catalog_.TakeId(commit), topic_, record);
  subscription_->Start(start_);
  subscription_->PutRecord(commit);
  commit.AddHook(subscription_);
  catalog_.AddPending(subscription_);
  return absl::OkStatus();
}

absl::Status CreateSubscriptionTask::ConfirmStarts() {
  const std::shared_ptr<const TopicView> view = topic_->view();
  for (size_t p = 0; p < start_.size(); ++p) {
    ASSIGN_OR_RETURN(start_[p],
                     ConfirmStart(start_[p], named_, topic_->name(), *view->partitions[p]));
  }
  return absl::OkStatus();
}

absl::Status CreateSubscriptionTask::AddDeadLetterTopic(CommitBuilder& commit) {
  ASSIGN_OR_RETURN(const v1::Topic settings,
                   NewTopicSettings(DeadLetterTopicFor(settings_), topics_.limits(), commit.now()));
  absl::StatusOr<std::shared_ptr<Topic>> topic = topics_.Add(settings, commit);
  if (absl::IsAlreadyExists(topic.status())) {
    // The catalog may not have the topic yet.
    const std::shared_ptr<Topic> known = topics_.Find(settings.name());
    return known == nullptr ? absl::OkStatus() : CheckKeepsLetters(*known);
  }
  RETURN_IF_ERROR(topic.status());
  dead_letter_topic_ = *std::move(topic);
  return absl::OkStatus();
}

void CreateSubscriptionTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(refused_, status);
  if (!outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  if (dead_letter_topic_ != nullptr) topics_.catalog().Add(dead_letter_topic_);
  catalog_.Add(subscription_);
  std::move(done_)(settings_);
}

DeleteSubscriptionTask::DeleteSubscriptionTask(TopicStore& topics, SubscriptionCatalog& catalog,
                                               std::shared_ptr<Subscription> subscription,
                                               StatusDone done, absl::Time unless_used_since)
    : topics_(topics),
      catalog_(catalog),
      subscription_(std::move(subscription)),
      done_(std::move(done)),
      unless_used_since_(unless_used_since) {}

void DeleteSubscriptionTask::Prepare(CommitBuilder& commit) {
  if (subscription_->submitted().closing) {
    refused_ = SubscriptionNotFound(subscription_->name());
    return;
  }
  used_ = subscription_->last_used() > unless_used_since_;
  if (used_) return;
  topics_.Return(TopicStore::CostOf(subscription_->topic()->pending()));
  catalog_.Delete(*subscription_, commit);
}

void DeleteSubscriptionTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(refused_, status);
  if (outcome.ok() && !used_) catalog_.Remove(*subscription_);
  std::move(done_)(outcome);
}

ChangeSubscriptionTask::ChangeSubscriptionTask(std::shared_ptr<Subscription> subscription,
                                               Change change, StatusDone done)
    : subscription_(std::move(subscription)), change_(std::move(change)), done_(std::move(done)) {}

void ChangeSubscriptionTask::Prepare(CommitBuilder& commit) {
  refused_ = subscription_->submitted().closing ? SubscriptionNotFound(subscription_->name())
                                                : change_(commit);
}

void ChangeSubscriptionTask::Done(const absl::Status& status) {
  std::move(done_)(OutcomeOf(refused_, status));
}

}  // namespace eventhub

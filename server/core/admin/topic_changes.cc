#include "server/core/admin/topic_changes.h"

#include <utility>

#include "server/core/admin/topic_users.h"
#include "server/core/base/errors.h"
#include "server/core/link/link_catalog.h"
#include "server/core/subscription/subscription.h"
#include "server/core/topic/topic_log.h"
#include "server/core/topic/topic_settings.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

template <typename Objects>
std::vector<std::string> NamesOf(const Objects& objects) {
  std::vector<std::string> names;
  for (const auto& object : objects) names.push_back(object->name());
  return names;
}

}  // namespace

UpdateTopicTask::UpdateTopicTask(TopicStore& topics, SubscriptionCatalog& subscriptions,
                                 std::shared_ptr<Topic> topic, v1::UpdateTopicRequest request,
                                 TopicDone done)
    : topics_(topics),
      subscriptions_(subscriptions),
      topic_(std::move(topic)),
      request_(std::move(request)),
      done_(std::move(done)) {}

void UpdateTopicTask::Prepare(CommitBuilder& commit) { refused_ = Update(commit); }

absl::Status UpdateTopicTask::Update(CommitBuilder& commit) {
  if (topic_->closing()) return TopicNotFound(topic_->name());
  const v1::Topic& current = topic_->pending();
  ASSIGN_OR_RETURN(
      v1::Topic changed,
      ChangedTopicSettings(current, request_.topic(), request_.update_mask(), topics_.limits()));
  RETURN_IF_ERROR(topics_.RequireFormatFor(changed));
  const uint32_t added = changed.partitions() - current.partitions();
  settings_ = std::make_shared<const v1::Topic>(std::move(changed));
  emptied_ = settings_->retention().none() && !current.retention().none();
  if (emptied_) {
    TopicUsers users;
    users.subscriptions = NamesOf(subscriptions_.PendingOf(*topic_));
    users.dead_letters_of = NamesOf(subscriptions_.PendingWithDeadLettersIn(*topic_));
    ASSIGN_OR_RETURN(const SubscriptionCatalog::Subscriptions holders,
                     subscriptions_.PendingWithOpenLettersIn(topics_.store(), *topic_, true));
    users.open_letters_of = NamesOf(holders);
    if (const std::string use = users.KeepEvents(); !use.empty()) {
      return TopicInUse(topic_->name(), use);
    }
    RETURN_IF_ERROR(users.CheckNoLetters(topic_->name()));
    // Who switches archiving off at the same time says that the rest may be lost.
    const uint64_t unarchived = CountUnarchived(*topic_);
    if (unarchived > 0 && (settings_->archive() || !settings_->has_archive())) {
      return NotArchived(topic_->name(), unarchived);
    }
  }
  if (added != 0) {
    RETURN_IF_ERROR(topics_.Take(added * (1 + subscriptions_.PendingOf(*topic_).size())));
  }
  if (emptied_) Empty(commit);
  added_partitions_ = added;
  commit.Put(Column::kMeta, TopicKey(topic_->id()), EncodeTopicRecord(*settings_));
  topic_->SetPending(settings_);
  return absl::OkStatus();
}

void UpdateTopicTask::Empty(CommitBuilder& commit) {
  topic_->NotePurge();  // Tells readers before their events are trimmed.
  const std::shared_ptr<const TopicView> view = topic_->view();
  for (PartitionLog* log : view->partitions) {
    if (log->next_offset() > log->next_start().offset) {
      TrimLog(*topic_, *log, log->next_position(), commit);
    }
  }
}

void UpdateTopicTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(refused_, status);
  if (!outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  topic_->Apply(settings_, std::vector<LogBounds>(added_partitions_));
  if (emptied_) {
    topic_->NotePurge();  // And readers that opened meanwhile.
    const std::shared_ptr<const TopicView> view = topic_->view();
    for (PartitionLog* log : view->partitions) topics_.cache().Drop(log->tail());
  }
  std::move(done_)(*settings_);
}

DeleteTopicTask::DeleteTopicTask(TopicStore& topics, RouteTable& routes,
                                 SubscriptionCatalog& subscriptions, const LinkCatalog& links,
                                 std::shared_ptr<Topic> topic, v1::DeleteTopicRequest request,
                                 StatusDone done)
    : topics_(topics),
      routes_(routes),
      subscriptions_(subscriptions),
      links_(links),
      topic_(std::move(topic)),
      request_(std::move(request)),
      done_(std::move(done)) {}

CommitTask::Readiness DeleteTopicTask::readiness() {
  return topics_.MayChange(topic_->name()) ? Readiness::kReady : Readiness::kBlocked;
}

void DeleteTopicTask::Refuse() { refused_ = ShuttingDown(kShutdownRetry); }

void DeleteTopicTask::Prepare(CommitBuilder& commit) { refused_ = Delete(commit); }

absl::Status DeleteTopicTask::CheckUnused(
    const SubscriptionCatalog::Subscriptions& subscriptions) const {
  const RouteIndex& routes = routes_.pending();
  const std::string& name = topic_->name();
  TopicUsers users;
  if (!request_.delete_subscriptions()) users.subscriptions = NamesOf(subscriptions);
  users.dead_letters_of = NamesOf(subscriptions_.PendingWithDeadLettersIn(*topic_));
  ASSIGN_OR_RETURN(const SubscriptionCatalog::Subscriptions holders,
                   subscriptions_.PendingWithOpenLettersIn(topics_.store(), *topic_,
                                                           !request_.discard_dead_letters()));
  users.open_letters_of = NamesOf(holders);
  users.links = links_.NamesInto(*topic_);
  if (!request_.delete_routes()) users.routes = NamesOf(routes.From(name));
  for (const RouteIndex::RoutePtr& route : routes.To(name)) {
    if (FailsWithout(route->settings(), name)) users.failing_routes.push_back(route->name());
  }
  return users.CheckDelete(name);
}

absl::Status DeleteTopicTask::Delete(CommitBuilder& commit) {
  if (topic_->closing()) return TopicNotFound(topic_->name());
  const auto subscriptions = subscriptions_.PendingOf(*topic_);
  RETURN_IF_ERROR(CheckUnused(subscriptions));
  const uint64_t unarchived = request_.drop_unarchived() ? 0 : CountUnarchived(*topic_);
  if (unarchived > 0) return NotArchived(topic_->name(), unarchived);
  deleted_routes_ = routes_.pending().From(topic_->name());
  for (const RouteIndex::RoutePtr& route : deleted_routes_) {
    routes_.Delete(route->name(), commit);
  }
  for (const std::shared_ptr<Subscription>& subscription : subscriptions) {
    subscriptions_.Delete(*subscription, commit);
  }
  deleted_subscriptions_ = subscriptions;
  topics_.Return(subscriptions.size() * TopicStore::CostOf(topic_->pending()));
  topics_.Close(*topic_, commit);
  return absl::OkStatus();
}

void DeleteTopicTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(refused_, status);
  if (outcome.ok()) {
    topics_.catalog().Remove(*topic_);
    for (const RouteIndex::RoutePtr& route : deleted_routes_) routes_.Remove(route->name());
    topic_->SetDeleted();
    const std::shared_ptr<const TopicView> view = topic_->view();
    for (PartitionLog* partition : view->partitions) {
      topics_.cache().Drop(partition->tail());
    }
    for (const auto& subscription : deleted_subscriptions_) subscriptions_.Remove(*subscription);
  }
  std::move(done_)(outcome);
}

}  // namespace eventhub

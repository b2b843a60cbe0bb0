#include "server/core/topic/topic_changes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/link/link_catalog.h"
#include "server/core/subscription/subscription.h"
#include "server/core/topic/topic_settings.h"
#include "server/core/topic/topic_users.h"
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

void TrimLog(Topic& topic, PartitionLog& log, const LogPosition& start, CommitBuilder& commit,
             absl::Span<const Offset> batches = {}) {
  const uint64_t bytes = start.bytes_before - log.next_start().bytes_before;
  topic.AddHeld(-static_cast<int64_t>(bytes));
  commit.Trim(log, start, batches);
}

}  // namespace

absl::Status TopicStore::Take(size_t more) {
  if (partitions + more > max_partitions) {
    return TooManyPartitions(more, partitions, max_partitions);
  }
  partitions += more;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Topic>> AddTopic(TopicStore& topics, const v1::Topic& settings,
                                                CommitBuilder& commit) {
  const std::string& name = settings.name();
  const std::shared_ptr<Topic> present = topics.catalog.Find(name);
  const bool exists = present != nullptr && !present->closing();
  if (exists) return TopicExists(name);
  if (!topics.catalog.Reserve(name)) return TopicExists(name);
  if (const absl::Status room = topics.Take(TopicStore::CostOf(settings)); !room.ok()) {
    topics.catalog.Unreserve(name);
    return room;
  }
  const TopicId id = topics.next_id;
  topics.next_id = TopicId(id.value() + 1);
  std::string next_id;
  AppendLittle32(&next_id, topics.next_id.value());
  commit.Put(Column::kMeta, kNextTopicIdKey, next_id);
  commit.Put(Column::kMeta, TopicKey(id), EncodeTopicRecord(settings));
  auto topic = topics.catalog.Make(id, name, topics.store);
  const auto shared = std::make_shared<const v1::Topic>(settings);
  topic->Apply(shared, std::vector<LogBounds>(settings.partitions()));
  topic->SetPending(shared);
  topics.routes.TopicAdded(topic);
  return topic;
}

CreateTopicTask::CreateTopicTask(TopicStore& topics, v1::Topic settings, TopicDone done)
    : topics_(topics), settings_(std::move(settings)), done_(std::move(done)) {}

void CreateTopicTask::Prepare(CommitBuilder& commit) {
  topic_ = AddTopic(topics_, settings_, commit);
}

void CreateTopicTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(topic_.status(), status);
  if (!outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  topics_.catalog.Add(*topic_);
  std::move(done_)(settings_);
}

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
  ASSIGN_OR_RETURN(v1::Topic changed, ChangedTopicSettings(current, request_.topic(),
                                                           request_.update_mask(), topics_.limits));
  const uint32_t added = changed.partitions() - current.partitions();
  settings_ = std::make_shared<const v1::Topic>(std::move(changed));
  emptied_ = settings_->retention().none() && !current.retention().none();
  if (emptied_) {
    TopicUsers users;
    users.subscriptions = NamesOf(subscriptions_.PendingOf(*topic_));
    users.dead_letters_of = NamesOf(subscriptions_.PendingWithDeadLettersIn(*topic_));
    ASSIGN_OR_RETURN(const SubscriptionCatalog::Subscriptions holders,
                     subscriptions_.PendingWithOpenLettersIn(topics_.store, *topic_, true));
    users.open_letters_of = NamesOf(holders);
    if (const std::string use = users.KeepEvents(); !use.empty()) {
      return TopicInUse(topic_->name(), use);
    }
    RETURN_IF_ERROR(users.CheckNoLetters(topic_->name()));
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
  topic_->NotePurge();  // Readers of what goes are told so before it does.
  for (PartitionLog* log : topic_->view()->partitions) {
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
    topic_->NotePurge();  // And those who came in between.
    for (PartitionLog* log : topic_->view()->partitions) topics_.cache.Drop(log->tail());
  }
  std::move(done_)(*settings_);
}

DeleteTopicTask::DeleteTopicTask(TopicStore& topics, SubscriptionCatalog& subscriptions,
                                 const LinkCatalog& links, std::shared_ptr<Topic> topic,
                                 v1::DeleteTopicRequest request, StatusDone done)
    : topics_(topics),
      subscriptions_(subscriptions),
      links_(links),
      topic_(std::move(topic)),
      request_(std::move(request)),
      done_(std::move(done)) {}

void DeleteTopicTask::Prepare(CommitBuilder& commit) { refused_ = Delete(commit); }

absl::Status DeleteTopicTask::CheckUnused(
    const SubscriptionCatalog::Subscriptions& subscriptions) const {
  const RouteIndex& routes = topics_.routes.pending();
  const std::string& name = topic_->name();
  TopicUsers users;
  if (!request_.delete_subscriptions()) users.subscriptions = NamesOf(subscriptions);
  users.dead_letters_of = NamesOf(subscriptions_.PendingWithDeadLettersIn(*topic_));
  ASSIGN_OR_RETURN(const SubscriptionCatalog::Subscriptions holders,
                   subscriptions_.PendingWithOpenLettersIn(topics_.store, *topic_,
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
  deleted_routes_ = topics_.routes.pending().From(topic_->name());
  for (const RouteIndex::RoutePtr& route : deleted_routes_) {
    topics_.routes.Delete(route->name(), commit);
  }
  for (const std::shared_ptr<Subscription>& subscription : subscriptions) {
    subscriptions_.Delete(*subscription, commit);
  }
  deleted_subscriptions_ = subscriptions;
  topics_.partitions -= (1 + subscriptions.size()) * TopicStore::CostOf(topic_->pending());
  topic_->set_closing();
  topics_.routes.TopicClosed(topic_->name());
  commit.DeleteTopic(topic_->id());
  return absl::OkStatus();
}

void DeleteTopicTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(refused_, status);
  if (outcome.ok()) {
    topics_.catalog.Remove(*topic_);
    for (const RouteIndex::RoutePtr& route : deleted_routes_) topics_.routes.Remove(route->name());
    topic_->SetDeleted();
    for (PartitionLog* partition : topic_->view()->partitions) {
      topics_.cache.Drop(partition->tail());
    }
    for (const auto& subscription : deleted_subscriptions_) subscriptions_.Remove(*subscription);
  }
  std::move(done_)(outcome);
}

TrimTask::TrimTask(const SubscriptionCatalog& subscriptions, std::shared_ptr<Topic> topic,
                   TrimPlan plan, StatusDone done)
    : subscriptions_(subscriptions),
      topic_(std::move(topic)),
      plan_(std::move(plan)),
      done_(std::move(done)) {}

std::vector<NeededFrom> TrimTask::Needed() const {
  std::vector<NeededFrom> needed;
  for (const TrimPlan::Cut& cut : plan_.cuts) needed.push_back({cut.log->id()});
  if (!plan_.settings->retention().keep_until_acked()) return needed;
  for (const auto& subscription : subscriptions_.PendingOf(*topic_)) subscription->LowerTo(needed);
  return needed;
}

void TrimTask::Prepare(CommitBuilder& commit) {
  if (plan_.cuts.empty() || topic_->closing()) return;
  if (plan_.settings.get() != &topic_->pending()) return;
  const std::vector<NeededFrom> needed = Needed();
  for (size_t i = 0; i < needed.size(); ++i) {
    const TrimPlan::Cut& cut = plan_.cuts[i];
    if (needed[i].first < std::min(cut.needed, cut.start.offset)) continue;
    // Unless the topic was emptied since.
    if (cut.start.offset <= cut.log->next_start().offset) continue;
    TrimLog(*topic_, *cut.log, cut.start, commit, cut.batches);
  }
}

void TrimTask::Done(const absl::Status& status) { std::move(done_)(OutcomeOf({}, status)); }

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

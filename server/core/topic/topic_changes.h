// The commits that create, change, delete and trim topics. They go through the same queue as
// publishes, so each of them has a definite place among the events.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/route/route_table.h"
#include "server/core/subscription/subscription_catalog.h"
#include "server/core/topic/topic.h"
#include "server/core/topic/topic_catalog.h"
#include "server/core/topic/topic_settings.h"
#include "server/core/topic/trim_plan.h"
#include "storage/log_writer.h"

namespace eventhub {

class LinkCatalog;
struct NeededFrom;

using TopicDone = absl::AnyInvocable<void(absl::StatusOr<v1::Topic>) &&>;
using StatusDone = absl::AnyInvocable<void(absl::Status) &&>;

// What the changes work on; outlives them.
struct TopicStore {
  const LogStore& store;
  TopicCatalog& catalog;
  TailCache& cache;
  RouteTable& routes;
  const size_t max_partitions;
  const TopicLimits limits;
  // Commit thread only.

  // The id of the topic that is created next.
  TopicId next_id;
  // Partitions of all topics, and what else costs memory, in partitions: see CostOf.
  size_t partitions = 0;

  // What a topic, and each subscription of it, which has a cursor for each partition, costs.
  static size_t CostOf(const v1::Topic& topic) { return 4 + size_t{topic.partitions()}; }

  // Counts so many more; RESOURCE_EXHAUSTED if there cannot be.
  absl::Status Take(size_t more);
};

// Writes a new topic of these settings, which are checked and complete, with the commit; it becomes
// known by TopicCatalog::Add once that is done. ALREADY_EXISTS if there is one of that name, or is
// about to be.
absl::StatusOr<std::shared_ptr<Topic>> AddTopic(TopicStore& topics, const v1::Topic& settings,
                                                CommitBuilder& commit);

// A change of a topic's metadata: small, and synced.
class TopicChange : public CommitTask {
 public:
  size_t bytes() const override { return 0; }
  bool synced() const override { return true; }
};

class CreateTopicTask final : public TopicChange {
 public:
  // `settings` are checked and complete.
  CreateTopicTask(TopicStore& topics, v1::Topic settings, TopicDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  TopicStore& topics_;
  const v1::Topic settings_;
  TopicDone done_;
  absl::StatusOr<std::shared_ptr<Topic>> topic_;
};

class UpdateTopicTask final : public TopicChange {
 public:
  UpdateTopicTask(TopicStore& topics, SubscriptionCatalog& subscriptions,
                  std::shared_ptr<Topic> topic, v1::UpdateTopicRequest request, TopicDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  absl::Status Update(CommitBuilder& commit);
  void Empty(CommitBuilder& commit);

  TopicStore& topics_;
  SubscriptionCatalog& subscriptions_;
  const std::shared_ptr<Topic> topic_;
  const v1::UpdateTopicRequest request_;
  TopicDone done_;
  TopicSettings settings_;
  uint32_t added_partitions_ = 0;
  bool emptied_ = false;
  absl::Status refused_;
};

class DeleteTopicTask final : public TopicChange {
 public:
  // The request says what goes with it; all else keeps it.
  DeleteTopicTask(TopicStore& topics, SubscriptionCatalog& subscriptions, const LinkCatalog& links,
                  std::shared_ptr<Topic> topic, v1::DeleteTopicRequest request, StatusDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  absl::Status Delete(CommitBuilder& commit);
  absl::Status CheckUnused(const SubscriptionCatalog::Subscriptions& subscriptions) const;

  TopicStore& topics_;
  SubscriptionCatalog& subscriptions_;
  const LinkCatalog& links_;
  const std::shared_ptr<Topic> topic_;
  const v1::DeleteTopicRequest request_;
  StatusDone done_;
  absl::Status refused_;
  std::vector<std::shared_ptr<Subscription>> deleted_subscriptions_;
  std::vector<RouteIndex::RoutePtr> deleted_routes_;
};

// Cuts off the beginnings of some partitions, unless the plan does not hold any more: after a
// change of the topic's settings nothing is cut, and with keep_until_acked nothing of a partition
// that a subscription needs from an earlier event on than when the plan was made. The next plan
// knows.
class TrimTask final : public TopicChange {
 public:
  TrimTask(const SubscriptionCatalog& subscriptions, std::shared_ptr<Topic> topic, TrimPlan plan,
           StatusDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  // By the order of cuts: what the topic's subscriptions need now.
  std::vector<NeededFrom> Needed() const;

  const SubscriptionCatalog& subscriptions_;
  const std::shared_ptr<Topic> topic_;
  const TrimPlan plan_;
  StatusDone done_;
};

// Forgets producers that were not active since a time. What a power loss undoes is done again.
class ExpireProducersTask final : public TopicChange {
 public:
  ExpireProducersTask(std::shared_ptr<Topic> topic, std::vector<std::string> producers,
                      absl::Time since, StatusDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  bool synced() const override { return false; }

 private:
  const std::shared_ptr<Topic> topic_;
  const std::vector<std::string> producers_;
  const absl::Time since_;
  StatusDone done_;
  absl::Status refused_;
};

}  // namespace eventhub

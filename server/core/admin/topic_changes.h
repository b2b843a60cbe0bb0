// The commits that change or delete a topic together with its users: subscriptions, routes, links.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/route/route_table.h"
#include "server/core/subscription/subscription_catalog.h"
#include "server/core/topic/topic.h"
#include "server/core/topic/topic_store.h"
#include "server/core/topic/topic_tasks.h"

namespace eventhub {

class LinkCatalog;

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
  // The request says which users are deleted with the topic; any other user prevents the deletion.
  DeleteTopicTask(TopicStore& topics, RouteTable& routes, SubscriptionCatalog& subscriptions,
                  const LinkCatalog& links, std::shared_ptr<Topic> topic,
                  v1::DeleteTopicRequest request, StatusDone done);
  Readiness readiness() override;
  bool outdates() const override { return true; }
  void Refuse() override;
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  absl::Status Delete(CommitBuilder& commit);
  absl::Status CheckUnused(const SubscriptionCatalog::Subscriptions& subscriptions) const;

  TopicStore& topics_;
  RouteTable& routes_;
  SubscriptionCatalog& subscriptions_;
  const LinkCatalog& links_;
  const std::shared_ptr<Topic> topic_;
  const v1::DeleteTopicRequest request_;
  StatusDone done_;
  absl::Status refused_;
  std::vector<std::shared_ptr<Subscription>> deleted_subscriptions_;
  std::vector<RouteIndex::RoutePtr> deleted_routes_;
};

}  // namespace eventhub

// The commits that create, change, move and delete subscriptions.
#pragma once

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_catalog.h"
#include "server/core/topic/topic_tasks.h"
#include "storage/log_writer.h"

namespace eventhub {

using SubscriptionDone = absl::AnyInvocable<void(absl::StatusOr<v1::Subscription>) &&>;

class CreateSubscriptionTask final : public TopicChange {
 public:
  // `settings` are checked and complete; `start` holds the resolved offset of each partition;
  // `named`: the request names an offset.
  CreateSubscriptionTask(const SubscriptionContext& context, TopicStore& topics,
                         SubscriptionCatalog& catalog, std::shared_ptr<Topic> topic,
                         v1::Subscription settings, std::vector<Offset> start, bool named,
                         SubscriptionDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  absl::Status Create(CommitBuilder& commit);
  absl::Status ConfirmStarts();
  absl::Status AddDeadLetterTopic(CommitBuilder& commit);

  const SubscriptionContext& context_;
  TopicStore& topics_;
  SubscriptionCatalog& catalog_;
  const std::shared_ptr<Topic> topic_;
  const v1::Subscription settings_;
  std::vector<Offset> start_;
  const bool named_;
  SubscriptionDone done_;
  // Set if it is created together with the subscription.
  std::shared_ptr<Topic> dead_letter_topic_;
  std::shared_ptr<Subscription> subscription_;
  absl::Status refused_;
};

class DeleteSubscriptionTask final : public TopicChange {
 public:
  // Deletes nothing, and returns OK, if the subscription was used after `unless_used_since`.
  DeleteSubscriptionTask(TopicStore& topics, SubscriptionCatalog& catalog,
                         std::shared_ptr<Subscription> subscription, StatusDone done,
                         absl::Time unless_used_since = absl::InfiniteFuture());
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  TopicStore& topics_;
  SubscriptionCatalog& catalog_;
  const std::shared_ptr<Subscription> subscription_;
  StatusDone done_;
  const absl::Time unless_used_since_;
  bool used_ = false;
  absl::Status refused_;
};

// Any other change of one subscription: runs `change` on the commit thread, unless the subscription
// is deleted by then (NOT_FOUND). `change` may refuse, with nothing changed.
class ChangeSubscriptionTask final : public TopicChange {
 public:
  using Change = absl::AnyInvocable<absl::Status(CommitBuilder& commit)>;

  ChangeSubscriptionTask(std::shared_ptr<Subscription> subscription, Change change,
                         StatusDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  const std::shared_ptr<Subscription> subscription_;
  Change change_;
  StatusDone done_;
  absl::Status refused_;
};

}  // namespace eventhub

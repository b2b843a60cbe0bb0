// Subscriptions made, looked at, changed and deleted.
#include <algorithm>
#include <optional>
#include <utility>

#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/subscription/subscription_settings.h"
#include "server/core/subscription/subscription_status.h"
#include "server/core/subscription/subscriptions.h"
#include "server/core/topic/start_position.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {

void Subscriptions::Create(const v1::CreateSubscriptionRequest& request, SubscriptionDone done) {
  const auto prepare = [&]() -> absl::StatusOr<std::unique_ptr<CommitTask>> {
    const std::string& name = request.subscription().topic();
    if (name.empty()) return InvalidField("subscription.topic", "is required");
    const std::shared_ptr<Topic> topic = topics_.catalog().Find(name);
    if (topic == nullptr) return TopicNotFound(name);
    const std::shared_ptr<const TopicView> view = topic->view();
    if (view->settings->retention().none()) return TopicKeepsNothing(name);
    ASSIGN_OR_RETURN(
        v1::Subscription settings,
        NewSubscriptionSettings(request.subscription(), *view->settings, context_.clock.Now()));
    v1::StartPosition start = request.start();
    if (start.position_case() == v1::StartPosition::POSITION_NOT_SET) start.set_latest(true);
    std::vector<Offset> offsets;
    for (PartitionLog* log : view->partitions) {
      ASSIGN_OR_RETURN(const Offset offset, ResolveStart(start, name, *log, context_.store));
      offsets.push_back(offset);
    }
    return std::make_unique<CreateSubscriptionTask>(context_, topics_, catalog_, topic,
                                                    std::move(settings), std::move(offsets),
                                                    start.has_offset(), std::move(done));
  };
  absl::StatusOr<std::unique_ptr<CommitTask>> task = prepare();
  if (!task.ok()) {
    std::move(done)(task.status());
    return;
  }
  writer_.Submit(*std::move(task));
}

void Subscriptions::Update(const v1::UpdateSubscriptionRequest& request, SubscriptionDone done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("subscription.name", request.subscription().name());
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  Change<v1::Subscription>(
      *subscription,
      [this, subscription = *subscription, request](CommitBuilder& commit,
                                                    v1::Subscription* response) -> absl::Status {
        const v1::Subscription& current = subscription->pending_settings();
        ASSIGN_OR_RETURN(
            const v1::Subscription settings,
            ChangedSubscriptionSettings(current, request.subscription(), request.update_mask()));
        const std::string& letters = settings.dead_letter_topic();
        if (letters != current.dead_letter_topic()) {
          const std::shared_ptr<Topic> topic = topics_.catalog().Find(letters);
          if (topic == nullptr || topic->closing()) return TopicNotFound(letters);
          if (topic->keeps_nothing()) return TopicKeepsNothing(letters);
        }
        if (!SameFilter(current, settings)) {
          RETURN_IF_ERROR(CheckFilterMemory(settings, context_.filter_memory));
        }
        subscription->Apply(commit, settings);
        *response = settings;
        return absl::OkStatus();
      },
      std::move(done));
}

void Subscriptions::Delete(const std::string& name, StatusDone done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription = FindSubscription("name", name);
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  writer_.Submit(std::make_unique<DeleteSubscriptionTask>(
      topics_, catalog_, *std::move(subscription), std::move(done)));
}

absl::StatusOr<v1::GetSubscriptionResponse> Subscriptions::Get(
    const v1::GetSubscriptionRequest& request) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   FindSubscription("name", request.name()));
  v1::GetSubscriptionResponse response;
  *response.mutable_subscription() = subscription->settings();
  std::vector<v1::SubscriptionPartition> partitions;
  *response.mutable_stats() = StatsOf(context_, *subscription, &partitions);
  const std::vector<v1::ConsumerInfo> consumers = subscription->Consumers();
  for (std::string& finding :
       Findings(context_, *subscription, response.stats(), partitions, consumers)) {
    response.add_findings(std::move(finding));
  }
  std::sort(partitions.begin(), partitions.end(), [](const auto& a, const auto& b) {
    return std::make_pair(b.lag_events(), a.partition()) <
           std::make_pair(a.lag_events(), b.partition());
  });
  partitions.resize(std::min(partitions.size(), PageSize(request.max_partitions())));
  for (v1::SubscriptionPartition& p : partitions) *response.add_partitions() = std::move(p);
  for (const v1::ConsumerInfo& consumer : consumers) *response.add_consumers() = consumer;
  return response;
}

absl::StatusOr<v1::ListSubscriptionsResponse> Subscriptions::List(
    const v1::ListSubscriptionsRequest& request) const {
  const size_t size = PageSize(request.page_size());
  v1::ListSubscriptionsResponse response;
  std::string after = request.page_token();
  for (;;) {
    const SubscriptionCatalog::Subscriptions page = catalog_.List(after, size);
    for (const std::shared_ptr<Subscription>& subscription : page) {
      if (!request.topic().empty() && subscription->topic()->name() != request.topic()) continue;
      if (static_cast<size_t>(response.subscriptions_size()) == size) {
        response.set_next_page_token(
            response.subscriptions(response.subscriptions_size() - 1).subscription().name());
        return response;
      }
      v1::SubscriptionSummary& summary = *response.add_subscriptions();
      *summary.mutable_subscription() = subscription->settings();
      *summary.mutable_stats() = StatsOf(context_, *subscription, nullptr);
      summary.set_consumers(static_cast<uint32_t>(subscription->consumer_count()));
    }
    if (page.size() < size) return response;
    after = page.back()->name();
  }
}

}  // namespace eventhub

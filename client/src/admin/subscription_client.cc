#include "eventhub/subscription_client.h"

#include <utility>

#include "client/src/admin/all_pages.h"

namespace eventhub::client {

SubscriptionClient::SubscriptionClient(std::shared_ptr<Connection> connection, AdminOptions options)
    : connection_(std::move(connection)), options_(options) {}

absl::StatusOr<Subscription> SubscriptionClient::CreateSubscription(
    const Subscription& subscription, StartPosition start) {
  return connection_->subscriptions().CreateSubscription(subscription, start, options_.timeout);
}

absl::StatusOr<SubscriptionDescription> SubscriptionClient::GetSubscription(
    const std::string& name, uint32_t max_partitions) {
  return connection_->subscriptions().GetSubscription(name, max_partitions, options_.timeout);
}

absl::StatusOr<std::vector<SubscriptionSummary>> SubscriptionClient::ListSubscriptions(
    const std::string& topic) {
  return AllPages<SubscriptionSummary>([&](const std::string& token) {
    return connection_->subscriptions().ListSubscriptions(topic, kPageSize, token,
                                                          options_.timeout);
  });
}

absl::StatusOr<Subscription> SubscriptionClient::UpdateSubscription(
    const std::string& name, const SubscriptionUpdate& update) {
  return connection_->subscriptions().UpdateSubscription(name, update, options_.timeout);
}

absl::Status SubscriptionClient::DeleteSubscription(const std::string& name) {
  return connection_->subscriptions().DeleteSubscription(name, options_.timeout);
}

absl::StatusOr<std::vector<PartitionMove>> SubscriptionClient::Seek(const std::string& name,
                                                                    const SeekTarget& target,
                                                                    bool dry_run) {
  if (target.start && !target.snapshot.empty()) {
    return absl::InvalidArgumentError(
        "a seek goes to a start position or to a snapshot, not to both");
  }
  return connection_->subscriptions().SeekSubscription(name, target, dry_run, options_.timeout);
}

absl::StatusOr<ReplayResult> SubscriptionClient::Replay(const std::string& name,
                                                        const ReplaySpec& spec, bool dry_run) {
  return connection_->subscriptions().ReplaySubscription(name, spec, dry_run, options_.timeout);
}

absl::StatusOr<uint64_t> SubscriptionClient::CancelReplays(const std::string& name) {
  return connection_->subscriptions().CancelReplays(name, options_.timeout);
}

absl::StatusOr<Snapshot> SubscriptionClient::CreateSnapshot(const std::string& subscription,
                                                            const std::string& name) {
  return connection_->subscriptions().CreateSnapshot(subscription, name, options_.timeout);
}

absl::StatusOr<std::vector<Snapshot>> SubscriptionClient::ListSnapshots(
    const std::string& subscription) {
  return connection_->subscriptions().ListSnapshots(subscription, options_.timeout);
}

absl::Status SubscriptionClient::DeleteSnapshot(const std::string& subscription,
                                                const std::string& name) {
  return connection_->subscriptions().DeleteSnapshot(subscription, name, options_.timeout);
}

absl::Status SubscriptionClient::ListDeadLetters(const std::string& subscription,
                                                 const DeadLetterSelector& selector, bool with_data,
                                                 absl::FunctionRef<bool(DeadLetter)> visit) {
  // Events with data may be large.
  constexpr uint32_t kPageSizeWithData = 100;
  return VisitPages(
      [&](const std::string& token) {
        return connection_->dead_letters().ListDeadLetters(
            subscription, selector, with_data, with_data ? kPageSizeWithData : kPageSize, token,
            options_.timeout);
      },
      visit);
}

absl::StatusOr<RedriveResult> SubscriptionClient::RedriveDeadLetters(
    const std::string& subscription, const DeadLetterSelector& selector, bool dry_run) {
  return connection_->dead_letters().RedriveDeadLetters(subscription, selector, dry_run,
                                                        options_.timeout);
}

absl::StatusOr<uint64_t> SubscriptionClient::DiscardDeadLetters(const std::string& subscription,
                                                                const DeadLetterSelector& selector,
                                                                bool dry_run) {
  return connection_->dead_letters().DiscardDeadLetters(subscription, selector, dry_run,
                                                        options_.timeout);
}

}  // namespace eventhub::client

#include "server/core/subscription/cursor_tasks.h"

#include <utility>

#include "server/core/errors.h"
#include "server/core/subscription/parking.h"

namespace eventhub {

SettleTask::SettleTask(const SubscriptionContext& context,
                       std::shared_ptr<Subscription> subscription,
                       std::shared_ptr<Consumer> consumer, v1::ConsumeRequest request, bool synced)
    : context_(context),
      subscription_(std::move(subscription)),
      consumer_(std::move(consumer)),
      request_(std::move(request)),
      synced_(synced) {}

void SettleTask::Prepare(CommitBuilder& commit) {
  parked_ = subscription_->SettleIn(commit, *consumer_, request_, &settlement_);
}

void SettleTask::Done(const absl::Status& status) {
  if (!status.ok()) settlement_ = RefuseAll(request_, StoreFailed(status));
  settlement_.set_correlation_id(request_.correlation_id());
  if (!status.ok() || parked_.empty()) {
    subscription_->Settled(consumer_, std::move(settlement_));
    return;
  }
  // It is settled when the events are in the dead-letter topic.
  StartParking(context_, subscription_, std::move(parked_),
               [subscription = subscription_, consumer = consumer_, request = request_,
                settlement = std::move(settlement_)](const absl::Status& parked) mutable {
                 if (!parked.ok()) {
                   settlement = RefuseAll(request, StoreFailed(parked));
                   settlement.set_correlation_id(request.correlation_id());
                 }
                 subscription->Settled(consumer, std::move(settlement));
               });
}

}  // namespace eventhub

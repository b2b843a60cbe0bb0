#include "server/core/subscription/cursor_tasks.h"

#include <utility>

#include "server/core/base/errors.h"
#include "server/core/subscription/dead_letter/parking.h"

namespace eventhub {

SettleTask::SettleTask(const SubscriptionContext& context,
                       std::shared_ptr<Subscription> subscription,
                       std::shared_ptr<Settling> settling)
    : context_(context), subscription_(std::move(subscription)), settling_(std::move(settling)) {}

void SettleTask::Prepare(CommitBuilder& commit) {
  prepared_ = true;
  SettleQueue& queue = subscription_->settle_queue();
  if (settling_ == nullptr) {
    queue.continues = false;
  } else {
    queue.Add(std::move(settling_));
  }
  size_t& left = queue.WorkLeft(commit.number());
  while (!queue.empty() && left > 0) {
    synced_ |= queue.first()->synced;
    if (!subscription_->SettleIn(commit, *queue.first(), &left)) break;
    settled_.push_back(queue.Take());
  }
  if (queue.empty() || queue.continues) return;
  queue.continues = true;
  context_.writer.Submit(std::make_unique<SettleTask>(context_, subscription_, nullptr));
}

void SettleTask::Done(const absl::Status& status) {
  if (status.ok()) {
    for (const std::shared_ptr<Settling>& settling : settled_) Answer(*settling);
    return;
  }
  if (!prepared_ && settling_ != nullptr) {
    settled_.push_back(std::move(settling_));
  } else if (!prepared_) {
    // The writer has stopped, so the rest of the request is not carried out.
    SettleQueue& queue = subscription_->settle_queue();
    while (!queue.empty()) settled_.push_back(queue.Take());
  }
  for (const std::shared_ptr<Settling>& settling : settled_) Refuse(*settling, status);
}

void SettleTask::Refuse(Settling& settling, const absl::Status& status) {
  settling.settlement = RefuseAll(settling.request, StoreFailed(status));
  settling.settlement.set_correlation_id(settling.request.correlation_id());
  subscription_->Settled(settling.consumer, std::move(settling.settlement));
}

void SettleTask::Answer(Settling& settling) {
  settling.settlement.set_correlation_id(settling.request.correlation_id());
  if (settling.parked.empty()) {
    subscription_->Settled(settling.consumer, std::move(settling.settlement));
    return;
  }
  // It is settled when the events are in the dead-letter topic.
  StartParking(
      context_, subscription_, std::move(settling.parked),
      [subscription = subscription_, consumer = settling.consumer, request = settling.request,
       settlement = std::move(settling.settlement)](const absl::Status& parked) mutable {
        if (!parked.ok()) {
          settlement = RefuseAll(request, StoreFailed(parked));
          settlement.set_correlation_id(request.correlation_id());
        }
        subscription->Settled(consumer, std::move(settlement));
      });
}

}  // namespace eventhub

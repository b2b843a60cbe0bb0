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
    for (const std::shared_ptr<Settling>& settling : settled_) Answer(settling);
    return;
  }
  if (!prepared_ && settling_ != nullptr) {
    settled_.push_back(std::move(settling_));
  } else if (!prepared_) {
    // The writer has stopped, so the rest of the request is not carried out.
    SettleQueue& queue = subscription_->settle_queue();
    while (!queue.empty()) settled_.push_back(queue.Take());
  }
  for (const std::shared_ptr<Settling>& settling : settled_) RefuseSettling(*settling, status);
}

void SettleTask::RefuseSettling(Settling& settling, const absl::Status& status) {
  subscription_->Settled(
      settling.consumer,
      SettleAnswer(settling.request.correlation_id(),
                   RefuseAll(settling.request, StoreFailed(status)), std::move(settling.memory)));
}

void SettleTask::Answer(const std::shared_ptr<Settling>& settling) {
  if (settling->parked.empty()) {
    subscription_->Settled(settling->consumer,
                           SettleAnswer(settling->request.correlation_id(),
                                        std::move(settling->refused), std::move(settling->memory)));
    return;
  }
  // It is settled when the events are in the dead-letter topic.
  std::vector<Parked> parked = std::move(settling->parked);
  StartParking(
      context_, subscription_, std::move(parked),
      [subscription = subscription_, settling](const absl::Status& outcome) {
        RefusedRanges refused = outcome.ok() ? std::move(settling->refused)
                                             : RefuseAll(settling->request, StoreFailed(outcome));
        subscription->Settled(settling->consumer,
                              SettleAnswer(settling->request.correlation_id(), std::move(refused),
                                           std::move(settling->memory)));
      });
}

}  // namespace eventhub

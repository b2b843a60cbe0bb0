// Commit tasks for the requests of consumers.
#pragma once

#include <memory>
#include <vector>

#include "eventhub/v1/hub.pb.h"
#include "server/core/subscription/subscription.h"
#include "storage/log_writer.h"

namespace eventhub {

// Carries out acks, nacks and extensions in the order of submission. Adds a few small records to a
// commit, usually one that other tasks need anyway. What exceeds one commit continues in the next.
class SettleTask final : public CommitTask {
 public:
  // `settling`: a request; null: continues with those in the subscription's queue.
  SettleTask(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
             std::shared_ptr<Settling> settling);

  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  size_t bytes() const override { return 0; }
  bool synced() const override { return synced_; }

 private:
  void RefuseSettling(Settling& settling, const absl::Status& status);
  void Answer(const std::shared_ptr<Settling>& settling);

  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  std::shared_ptr<Settling> settling_;  // Until it is in the queue.
  bool synced_ = false;                 // Set if a request that it carries out asks for it.
  bool prepared_ = false;
  std::vector<std::shared_ptr<Settling>> settled_;  // By this commit.
};

// Writes the changes made by deliveries. Nobody waits for it, and a power loss may revert it.
class FlushTask final : public CommitTask {
 public:
  explicit FlushTask(std::shared_ptr<Subscription> subscription)
      : subscription_(std::move(subscription)) {}

  void Prepare(CommitBuilder& commit) override { commit.AddHook(subscription_); }
  void Done(const absl::Status&) override {}
  size_t bytes() const override { return 0; }
  bool synced() const override { return false; }

 private:
  const std::shared_ptr<Subscription> subscription_;
};

// Records that the subscription was in use until now.
class TouchTask final : public CommitTask {
 public:
  explicit TouchTask(std::shared_ptr<Subscription> subscription)
      : subscription_(std::move(subscription)) {}

  void Prepare(CommitBuilder& commit) override {
    if (!subscription_->submitted().closing) subscription_->Touch(commit);
  }
  void Done(const absl::Status&) override {}
  size_t bytes() const override { return 0; }
  bool synced() const override { return false; }

 private:
  const std::shared_ptr<Subscription> subscription_;
};

}  // namespace eventhub

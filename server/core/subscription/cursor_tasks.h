// The commits that consumers bring about.
#pragma once

#include <memory>
#include <vector>

#include "eventhub/v1/hub.pb.h"
#include "server/core/subscription/subscription.h"
#include "storage/log_writer.h"

namespace eventhub {

// Carries out acks, nacks and extensions. Costs the commit it is in a few small records, and never
// one of its own while anything else is to be written.
class SettleTask final : public CommitTask {
 public:
  SettleTask(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
             std::shared_ptr<Consumer> consumer, v1::ConsumeRequest request, bool synced);

  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  size_t bytes() const override { return 0; }
  bool synced() const override { return synced_; }

 private:
  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  const std::shared_ptr<Consumer> consumer_;
  const v1::ConsumeRequest request_;
  const bool synced_;
  v1::Settlement settlement_;
  std::vector<Parked> parked_;
};

// Writes what deliveries changed. Nobody waits for it, and a power loss may take it back.
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

// Notes that the subscription was used until now.
class TouchTask final : public CommitTask {
 public:
  explicit TouchTask(std::shared_ptr<Subscription> subscription)
      : subscription_(std::move(subscription)) {}

  void Prepare(CommitBuilder& commit) override {
    if (!subscription_->closing()) subscription_->Touch(commit);
  }
  void Done(const absl::Status&) override {}
  size_t bytes() const override { return 0; }
  bool synced() const override { return false; }

 private:
  const std::shared_ptr<Subscription> subscription_;
};

}  // namespace eventhub

// The commit that carries a trim out.
#pragma once

#include <memory>
#include <vector>

#include "server/core/maintenance/trim_plan.h"
#include "server/core/subscription/subscription_catalog.h"
#include "server/core/topic/topic_tasks.h"

namespace eventhub {

struct NeededFrom;

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

}  // namespace eventhub

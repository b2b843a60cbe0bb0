// The commit that applies a trim.
#pragma once

#include <memory>
#include <vector>

#include "server/core/maintenance/trim_plan.h"
#include "server/core/subscription/subscription_catalog.h"
#include "server/core/topic/topic_tasks.h"

namespace eventhub {

struct NeededFrom;

// Trims the starts of some partitions, unless the plan is outdated: after a change of the topic's
// settings nothing is trimmed, and with keep_until_acked nothing of a partition in which a
// subscription needs an earlier event than when the plan was made. The next plan takes the change
// into account.
class TrimTask final : public TopicChange {
 public:
  TrimTask(const SubscriptionCatalog& subscriptions, std::shared_ptr<Topic> topic, TrimPlan plan,
           StatusDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  // What the topic's subscriptions need now, in the order of cuts.
  std::vector<NeededFrom> Needed() const;

  const SubscriptionCatalog& subscriptions_;
  const std::shared_ptr<Topic> topic_;
  const TrimPlan plan_;
  StatusDone done_;
};

}  // namespace eventhub

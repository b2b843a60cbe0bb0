// Finds changes that must be confirmed, because they delete data for good or move keys.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "eventhub/subscription_client.h"
#include "eventhub/topology.h"

namespace eventhub::cli {

// Phrases that follow "it": `deletes events appended more than 7d ago`. Empty if the change can be
// undone.
using Risks = std::vector<std::string>;

// The risks of an update.
Risks RisksOf(const client::Topic& from, const client::Topic& to);
Risks RisksOf(const client::Subscription& from, const client::Subscription& to);
Risks RisksOf(const client::Route& from, const client::Route& to);

// Asks on the terminal before an update with risks: `command` is `topics update`, and `what`
// `topic 'orders'`. OK at once if there are none. A usage error if there is no terminal; CANCELLED
// if the user declines.
absl::Status ConfirmUpdate(const std::string& command, const std::string& what, const Risks& risks);

// The risks of the changes that make a hub's topology `wanted`.
class PlanRisks {
 public:
  explicit PlanRisks(client::Topology wanted);

  // Finds the open dead letters of the subscriptions that `plan` deletes.
  absl::Status FindDeadLetters(client::SubscriptionClient& client, const client::ApplyResult& plan);

  Risks Of(const client::TopologyChange& change) const;

 private:
  using Deleted = std::pair<client::TopologyChange::Kind, std::string>;

  const client::Topology wanted_;
  std::map<Deleted, std::string> letters_;
};

}  // namespace eventhub::cli

// Finds what a change deletes for good or moves, which has to be confirmed.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "eventhub/subscription_client.h"
#include "eventhub/topology.h"

namespace eventhub::cli {

// In words, each of them after "it": `deletes events appended more than 7d ago`. Empty if the
// change can be taken back.
using Risks = std::vector<std::string>;

// Of an update from one to the other.
Risks RisksOf(const client::Topic& from, const client::Topic& to);
Risks RisksOf(const client::Subscription& from, const client::Subscription& to);
Risks RisksOf(const client::Route& from, const client::Route& to);

// Asks on the terminal before an update with risks: `command` is `topics update`, and `what`
// `topic 'orders'`. OK at once if there are none. A usage error if there is no terminal; CANCELLED
// if the answer is no.
absl::Status ConfirmUpdate(const std::string& command, const std::string& what, const Risks& risks);

// Those of the changes by which a hub becomes `wanted`.
class PlanRisks {
 public:
  explicit PlanRisks(client::Topology wanted);

  // Finds the dead letters that are open in what `plan` deletes, and what becomes of them.
  absl::Status FindDeadLetters(client::SubscriptionClient& client, const client::ApplyResult& plan);

  Risks Of(const client::TopologyChange& change) const;

  // The deletions that the hub will refuse, each a sentence; known after FindDeadLetters.
  const std::vector<std::string>& refusals() const { return refusals_; }

 private:
  using Deleted = std::pair<client::TopologyChange::Kind, std::string>;

  const client::Topology wanted_;
  std::map<Deleted, std::string> letters_;
  std::vector<std::string> refusals_;
};

}  // namespace eventhub::cli

#include "server/core/subscription/dispatch/assignment.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace eventhub {
namespace {

struct Share {
  ConsumerId consumer;
  size_t held = 0;
  size_t quota = 0;
};

std::vector<Share> CountShares(const std::vector<ConsumerId>& owners,
                               const std::vector<ConsumerId>& consumers) {
  absl::flat_hash_map<ConsumerId, size_t> held;
  for (const ConsumerId owner : owners) ++held[owner];
  std::vector<Share> shares;
  for (const ConsumerId consumer : consumers) shares.push_back({consumer, held[consumer]});
  // Consumers with the most partitions keep the remainder.
  std::sort(shares.begin(), shares.end(), [](const Share& a, const Share& b) {
    return std::pair(b.held, a.consumer) < std::pair(a.held, b.consumer);
  });
  for (size_t i = 0; i < shares.size(); ++i) {
    const bool odd = i < owners.size() % shares.size();
    shares[i].quota = owners.size() / shares.size() + (odd ? 1 : 0);
  }
  return shares;
}

}  // namespace

std::vector<ConsumerId> PlanAssignment(const std::vector<ConsumerId>& owners,
                                       const std::vector<ConsumerId>& consumers) {
  std::vector<ConsumerId> plan(owners.size());
  if (consumers.empty()) return plan;
  std::vector<Share> shares = CountShares(owners, consumers);
  absl::flat_hash_map<ConsumerId, size_t> left;
  for (const Share& share : shares) left[share.consumer] = share.quota;
  for (size_t p = 0; p < owners.size(); ++p) {
    const auto it = left.find(owners[p]);
    if (it == left.end() || it->second == 0) continue;
    plan[p] = owners[p];
    --it->second;
  }
  size_t next = 0;
  for (ConsumerId& owner : plan) {
    if (owner != ConsumerId()) continue;
    while (left[shares[next].consumer] == 0) next = (next + 1) % shares.size();
    owner = shares[next].consumer;
    --left[owner];
    next = (next + 1) % shares.size();
  }
  return plan;
}

}  // namespace eventhub

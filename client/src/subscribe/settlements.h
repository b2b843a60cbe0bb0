// Outcomes that were sent to the hub, until it settles them.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "eventhub/position.h"
#include "eventhub/subscriber.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// Consecutive events of one request, with the same kind of outcome.
struct SentOutcome {
  PartitionRange at{};
  uint64_t events = 0;
  Outcome::Kind kind = Outcome::Kind::kAck;
};

// Thread-compatible.
class Settlements {
 public:
  // How the hub settled the outcomes of one request, in events.
  struct Result {
    uint64_t acked = 0;
    uint64_t nacked = 0;
    uint64_t parked = 0;   // Of `nacked`.
    uint64_t skipped = 0;  // Of `nacked`.
    uint64_t lease_lost = 0;
    uint64_t failed = 0;
  };

  // Adds a request that the hub will settle; it may contain only extensions.
  void Add(uint64_t correlation_id, std::vector<SentOutcome> outcomes);

  // Applies the hub's answer. All zero if the request is unknown.
  Result Settle(const v1::Settlement& settlement);

  // The connection broke. Returns how many outcomes are in doubt.
  uint64_t Lose();

  // Unsettled requests, and the events of their outcomes.
  size_t requests() const { return sent_.size(); }
  uint64_t events() const { return events_; }

 private:
  absl::flat_hash_map<uint64_t, std::vector<SentOutcome>> sent_;
  uint64_t events_ = 0;
};

}  // namespace eventhub::client

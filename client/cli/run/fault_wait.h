// Waits until faults that were resubmitted are settled.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/fault_client.h"

namespace eventhub::cli {

// What became of faults.
struct SettledFaults {
  uint64_t resolved = 0;
  uint64_t failed_again = 0;
  uint64_t discarded = 0;
  uint64_t unsettled = 0;  // Their events are still on their way, or in work.
  uint64_t gone = 0;       // The hub does not know them anymore.
};

// The faults that a resubmit selects. Thread-compatible.
class FaultWait {
 public:
  // `client` must outlive it.
  explicit FaultWait(client::FaultClient& client) : client_(client) {}

  // Before the resubmit: remembers the open faults that are selected.
  absl::Status Remember(const std::string& subscription,
                        const client::DeadLetterSelector& selector);

  // After it, once: waits until those of them that were resubmitted are settled, for at most
  // `timeout`, and shows the progress. While the hub cannot be reached it goes on, too; then
  // returns that error when the time is over.
  absl::StatusOr<SettledFaults> Await(absl::Duration timeout);

 private:
  // By fault: how often it had failed.
  using Failures = std::unordered_map<std::string, uint32_t>;

  // How many are resubmitted and not settled.
  absl::StatusOr<uint64_t> CountUnsettled();
  absl::StatusOr<SettledFaults> Classify();

  client::FaultClient& client_;
  std::unordered_map<std::string, Failures> faults_;  // By subscription.
};

}  // namespace eventhub::cli

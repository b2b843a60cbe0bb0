// Builds the requests of a subscriber's stream, and decides when they are sent.
#pragma once

#include <cstdint>
#include <string>

#include "client/src/subscribe/lease_table.h"
#include "client/src/subscribe/settlements.h"
#include "eventhub/subscriber.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// Guarded by the subscriber's mutex. Outcomes and extensions come from the LeaseTable; this class
// adds credit, opening and leaving, and remembers which outcomes the hub has not settled.
class ConsumeRequests {
 public:
  // Both must outlive this object.
  ConsumeRequests(const SubscriberOptions& options, LeaseTable& leases)
      : options_(options), leases_(leases), credit_(options.credit) {}

  // The next request opens the stream. `subscription_id` of the former stream; 0: there was none.
  void Open(uint64_t subscription_id);
  // The next request says that the consumer leaves.
  void Leave() { leave_due_ = true; }
  // The next request sets the credit; none while paused.
  void SetCredit(const Credit& credit);
  void SetPaused(bool paused);
  bool paused() const { return paused_; }

  // Whether Next has something that should be sent now.
  bool Due() const;

  // The next request, encoded. Counts what it contains in `counters`.
  std::string Next(SubscriberCounters& counters);

  // The hub settled a request; leases hear of the outcomes that it refused.
  void OnSettled(const v1::Settlement& settlement, SubscriberCounters& counters);

  // The stream is gone. Returns how many outcomes were sent and not settled: they are in doubt.
  uint64_t OnStreamLost() { return settlements_.Lose(); }

  // Outcomes sent and not settled.
  uint64_t unsettled() const { return settlements_.events(); }

 private:
  void AddOpen(v1::ConsumeRequest& request) const;
  void AddCredit(v1::ConsumeRequest& request) const;
  void AddOutcomes(v1::ConsumeRequest& request, SubscriberCounters& counters);

  const SubscriberOptions& options_;
  LeaseTable& leases_;
  Credit credit_;
  bool paused_ = false;
  bool open_due_ = false;
  bool credit_due_ = false;
  bool leave_due_ = false;
  uint64_t subscription_id_ = 0;
  uint64_t next_correlation_id_ = 1;
  Settlements settlements_;
};

}  // namespace eventhub::client

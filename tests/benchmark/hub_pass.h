// One pass over a topic, by a reader or by the consumer of a subscription: the building block of
// several modes of hub_bench.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "eventhub/event_batch.h"
#include "eventhub/subscription.h"
#include "tests/benchmark/hub_bench.h"
#include "tests/benchmark/measure.h"

namespace eventhub::benchmark {

// A hub that sends nothing for this long is considered broken.
inline constexpr absl::Duration kNextTimeout = absl::Seconds(30);

struct Received {
  int64_t events = 0;
  int64_t bytes = 0;
  // Includes filtered events.
  int64_t scanned = 0;
  double seconds = 0;

  Received& operator+=(const Received& other);
};

// The rates of the received events; each name begins with `prefix`.
Result Rates(const std::string& prefix, const Received& received);

// Returns the pass with the median rate; at least one pass is required.
Received MedianPass(std::vector<Received> passes);

// Reads and counts each event of the batch.
absl::Status Count(const client::EventBatch& batch, bool parse, Received& received);

// Publishes `events` events with one publisher, until all are acknowledged.
absl::Status PublishAll(const HubOptions& options);

// Reads the topic from its start to its end.
absl::StatusOr<Received> ReadPass(const HubOptions& options,
                                  const std::shared_ptr<client::Connection>& connection);

// Consumes a subscription with one consumer until all deliverable events are acked and the hub has
// confirmed the acks: a STREAM batch by batch, a QUEUE event by event. Events that wait for a retry
// remain. Returns an error if unexpected events arrive.
absl::StatusOr<Received> ConsumePass(const HubOptions& options,
                                     const std::shared_ptr<client::Connection>& connection,
                                     const std::string& subscription);

}  // namespace eventhub::benchmark

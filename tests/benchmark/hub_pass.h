// One pass over a topic, by a plain reader or by the consumer of a subscription: what several
// modes of hub_bench are made of.
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

// A hub that sends nothing for so long does not work.
inline constexpr absl::Duration kNextTimeout = absl::Seconds(30);

struct Received {
  int64_t events = 0;
  int64_t bytes = 0;
  // What a filter left out included.
  int64_t scanned = 0;
  double seconds = 0;

  Received& operator+=(const Received& other);
};

// The rates of what was received; each name begins with `prefix`.
Result Rates(const std::string& prefix, const Received& received);

// That of several passes which has the median rate; at least one.
Received MedianPass(std::vector<Received> passes);

// Looks at each event of the batch, and counts it.
absl::Status Count(const client::EventBatch& batch, bool parse, Received& received);

// Publishes `events` events with one publisher, until all are acknowledged.
absl::Status PublishAll(const HubOptions& options);

// Reads the topic from its start to its end.
absl::StatusOr<Received> ReadPass(const HubOptions& options,
                                  const std::shared_ptr<client::Connection>& connection);

// Consumes a subscription with one consumer, until all that may be delivered is acked, and the hub
// has confirmed it: a STREAM batch by batch, a QUEUE event by event. Events that wait for a retry
// stay. An error if other than what was to be delivered came.
absl::StatusOr<Received> ConsumePass(const HubOptions& options,
                                     const std::shared_ptr<client::Connection>& connection,
                                     const std::string& subscription);

}  // namespace eventhub::benchmark

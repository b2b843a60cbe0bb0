// Implements `eventhub bench`: publishes to a temporary topic, reads it back, and deletes it.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cli/frame/command.h"
#include "eventhub/topic.h"

namespace eventhub::cli {

struct BenchOptions {
  uint64_t events = 1'000'000;
  // The size of the data of each event.
  uint64_t size = 100;
  uint32_t partitions = 1;
  // Each has its own connection.
  uint32_t producers = 1;
  // Events published one at a time, each awaited, to measure latency.
  uint64_t round_trips = 1000;
  client::Durability durability = client::Durability::kSynced;
};

struct BenchResult {
  // The encoded size of an event, including attributes.
  uint64_t event_bytes = 0;
  absl::Duration publish;
  absl::Duration read;
  absl::Duration round_trip_p50;
  absl::Duration round_trip_p99;
};

// Also fails if an event was not read back. Always deletes its topic, unless a second signal ends
// the process first; the first signal prints the name of the topic.
absl::StatusOr<BenchResult> RunBench(const Context& context, const BenchOptions& options);

}  // namespace eventhub::cli

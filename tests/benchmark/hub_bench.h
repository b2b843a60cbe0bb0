// The hub under work, through its client SDK: what each mode of hub_bench does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "eventhub/topic.h"

namespace eventhub::benchmark {

struct HubOptions {
  std::string address;
  std::string topic;
  // At creation.
  uint32_t partitions = 1;
  // The size of an event as it is encoded, which is what the hub stores and delivers.
  size_t event_bytes = 100;
  client::Durability durability = client::Durability::kWritten;
  // Publishing or reading threads, each with a connection of its own.
  int threads = 1;
  // Distinct partition keys; 0: events without one.
  int keys = 0;
  // Publish so many events per thread; 0: as many as `seconds` allow.
  int64_t events = 0;
  // The SDK's batch size; 0: its default.
  size_t batch_bytes = 0;
  double seconds = 3;
  // Parse each event read, as an application would; else it is only found.
  bool parse = false;
};

// Each prints one result, but for CreateTopic and AwaitServing.

// Creates the topic, anew if there is one of that name.
absl::Status CreateTopic(const HubOptions& options);

// Returns when the hub's health is SERVING; DEADLINE_EXCEEDED after `seconds`.
absl::Status AwaitServing(const HubOptions& options);

// Publishes as fast as the SDK takes events; counts what is acknowledged.
absl::Status MeasurePublish(const HubOptions& options);

// Reads the topic from its start to its end; several times over, if there is time, unless `once`.
absl::Status MeasureRead(const HubOptions& options, bool once);

// Publishes one event, waits until it is acknowledged, publishes the next.
absl::Status MeasureLatency(const HubOptions& options);

// Publishes `events` events, while all threads follow the topic; until all have received all.
absl::Status MeasureFanOut(const HubOptions& options);

// What the hub counts of itself.
absl::Status PrintStats(const HubOptions& options);

}  // namespace eventhub::benchmark

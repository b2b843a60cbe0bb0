// Options of the steps SkipRepeats and SkipOlder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor {

// What a step remembers in the memory of this process. It is lost in a restart, and when a
// partition moves to another process. For durable state, use DurableMemory, a
// `deduplication_window` of the topic, or the row versions of a view (view.h).
struct Memory {
  // The maximum number of ids or keys, at least 1; beyond that, the oldest are forgotten.
  size_t max_entries = 100'000;
  // How long each is remembered; more than 0.
  absl::Duration ttl = absl::Hours(1);
};

// What SkipRepeats remembers durably, in a topic of the hub.
struct DurableMemory {
  // The topic. It stores the ids of each partition key as one event; see CorrelateOptions::state.
  // Required.
  std::string state{};
  // Returns the id of an event: events with equal ids are repetitions. Null: source and id.
  std::function<std::string(const v1::Event& event)> id{};
  // How long an id is remembered, from the append time of its event: more than 0, at most 365 days.
  absl::Duration remember = absl::Hours(24);
  // The maximum number of ids of one partition key, 1 to 1,000; beyond that, the oldest are
  // forgotten. Each event of the key writes all of them again.
  size_t max_ids = 100;
  // See CorrelateOptions::cache_bytes.
  size_t cache_bytes = 64 * 1024 * 1024;
};

// The place of an event in the sequence of its key, for SkipOlder.
struct Sequence {
  std::string key{};
  int64_t number = 0;
};

}  // namespace eventhub::processor

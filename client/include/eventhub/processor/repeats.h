// Options of the steps that pass repetitions over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor {

// What a step remembers, in the memory of this process: after a restart, or when a partition moves
// to another process, it begins anew. Where that is not enough, there is DurableMemory; a topic's
// `deduplication_window` excludes repetitions for good, and a view (view.h) has durable versions.
struct Memory {
  // How many ids or keys, at least 1; beyond that, those are forgotten that came first.
  size_t max_entries = 100'000;
  // How long each; more than 0.
  absl::Duration ttl = absl::Hours(1);
};

// What SkipRepeats remembers for good, in a topic of the hub.
struct DurableMemory {
  // The topic, where the ids that came with a key are the latest event of another key: see
  // CorrelateOptions::state. Required.
  std::string state{};
  // What makes an event a repetition of another one. Null: its source and id.
  std::function<std::string(const v1::Event& event)> id{};
  // How long each, by the time at which the hub appended the event: more than 0, at most 365 days.
  absl::Duration remember = absl::Hours(24);
  // How many of one partition key, 1 to 1,000; beyond that, those are forgotten that came first.
  // They are written anew with each event of the key.
  size_t max_ids = 100;
  // See CorrelateOptions::cache_bytes.
  size_t cache_bytes = 64 * 1024 * 1024;
};

// What SkipOlder asks for: the place of an event in the sequence of its key.
struct Sequence {
  std::string key{};
  int64_t number = 0;
};

}  // namespace eventhub::processor

// Options of the steps that pass repetitions over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace eventhub::processor {

// What a step remembers, in the memory of this process: after a restart, or when a partition moves
// to another process, it begins anew. Where that is not enough, a topic's `deduplication_window`
// excludes repetitions for good, and a view (view.h) has durable versions.
struct Memory {
  // How many ids or keys, at least 1; beyond that, those are forgotten that came first.
  size_t max_entries = 100'000;
  // How long each; more than 0.
  absl::Duration ttl = absl::Hours(1);
};

// What SkipOlder asks for: the place of an event in the sequence of its key.
struct Sequence {
  std::string key{};
  int64_t number = 0;
};

}  // namespace eventhub::processor

// What a hub counts about itself, by names in the style of Prometheus.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "storage/base/mutex.h"

namespace eventhub {

// A number that only grows. Thread-safe; to add is one relaxed atomic operation.
class Counter {
 public:
  Counter() = default;
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// The metrics of one hub. A component asks for its counters when it is constructed and keeps the
// references, which are valid as long as the registry: no name is looked up on a hot path.
//
// Thread-safe.
class Metrics {
 public:
  struct Sample {
    std::string name;
    std::string help;
    uint64_t value = 0;
  };

  Metrics() = default;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Creates a counter. `name` has the form eventhub_WORDS_total, in lower case, and `help` is one
  // sentence. A second counter of a name is a broken invariant: each has one owner.
  Counter& AddCounter(absl::string_view name, absl::string_view help);

  // Returns all counters, in the order of their creation.
  std::vector<Sample> Samples() const;

 private:
  struct Entry {
    Entry(absl::string_view name, absl::string_view help) : name(name), help(help) {}

    const std::string name;
    const std::string help;
    Counter counter;
  };

  mutable Mutex mutex_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // They keep their addresses.
};

}  // namespace eventhub

// The descriptions of steps. Immutable once their pipeline is complete, and shared by all of its
// instances.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "eventhub/processor/call.h"
#include "eventhub/processor/correlate.h"
#include "eventhub/processor/internal/types.h"
#include "eventhub/processor/job.h"
#include "eventhub/processor/lookup.h"
#include "eventhub/processor/rate_limit.h"
#include "eventhub/processor/repeats.h"
#include "eventhub/processor/view.h"

namespace eventhub::processor::internal {

// `Value`: the type that the step adds to the unit. `kBegins`: later steps work on other units.
// `kWaits`: units may wait in the step.
template <typename V>
struct Step {
  using Value = V;
  static constexpr bool kBegins = false;
  static constexpr bool kWaits = false;
  static constexpr bool kGroups = false;  // Whether it groups units.
  static constexpr bool kTimers = false;  // Whether it receives timers, and keeps state by key.
  static constexpr bool kDrops = false;   // Whether it may drop units.
  static constexpr bool kJob = false;     // Whether it needs a Continue.
  static constexpr bool kContinues = false;
  std::string name;
};

// `mapping`, in steps whose function may return an error: what becomes of it.
inline CallOptions MappingOf(StepOptions options) {
  return {.parallel = 64,
          .timeout = absl::InfiniteDuration(),
          .retry = std::move(options.retry),
          .breaker = options.breaker};
}

template <typename F>
struct FilterStep : Step<void> {
  static constexpr bool kDrops = true;
  F f;
};

template <typename F>
struct MapStep : Step<Added<F>> {
  F f;
  CallOptions mapping;
};

template <typename F>
struct ForEachStep : Step<void> {
  F f;
  CallOptions mapping;
};

template <typename F>
struct PublishStep : Step<void> {
  std::string topic;
  std::string number;  // Among the publishing steps of the pipeline.
  F f;
  CallOptions mapping;
};

template <typename F, typename T>
struct SplitStep : Step<void> {
  using Part = T;
  static constexpr bool kBegins = true;
  F f;
  CallOptions mapping;
};

template <typename F>
struct GroupStep : Step<void> {
  static constexpr bool kBegins = true;
  static constexpr bool kWaits = true;
  static constexpr bool kGroups = true;
  F f;
  Window window;
};

template <typename F>
struct CompactStep : Step<void> {
  static constexpr bool kWaits = true;
  static constexpr bool kGroups = true;
  F f;
  Window window;
};

template <typename F, typename T>
struct CallStep : Step<T> {
  static constexpr bool kWaits = true;
  F f;
  CallOptions options;
};

template <typename F, typename T>
struct CallBatchStep : Step<T> {
  static constexpr bool kWaits = true;
  F f;
  Window window;
  CallOptions options;
};

template <typename F>
struct SkipRepeatsStep : Step<void> {
  static constexpr bool kDrops = true;
  F f;
  Memory memory;
};

template <typename F>
struct SkipOlderStep : Step<void> {
  static constexpr bool kDrops = true;
  F f;
  Memory memory;
  CallOptions mapping;
};

struct RateLimitStep : Step<void> {
  static constexpr bool kWaits = true;
  Rate rate;
};

template <typename K, typename F, typename T>
struct LookupStep : Step<T> {
  static constexpr bool kWaits = true;
  K key;
  F f;
  LookupOptions lookup;
};

template <typename F>
struct MaterializeStep : Step<void> {
  static constexpr bool kWaits = true;
  std::shared_ptr<View> view;
  F f;
  MaterializeOptions options;
  CallOptions mapping;
};

template <typename F>
struct CorrelateStep : Step<Correlation> {
  static constexpr bool kWaits = true;
  static constexpr bool kTimers = true;
  F f;
  CorrelateOptions options;
  CallOptions mapping;
};

struct DurableSkipRepeatsStep : Step<void> {
  static constexpr bool kDrops = true;
  static constexpr bool kWaits = true;
  static constexpr bool kTimers = true;
  DurableMemory durable;
};

struct JobStep : Step<Job> {
  static constexpr bool kWaits = true;
  static constexpr bool kTimers = true;
  static constexpr bool kJob = true;
  JobOptions options;
};

template <typename F>
struct ContinueStep : Step<void> {
  static constexpr bool kContinues = true;
  F f;
  CallOptions mapping;
};

// The values that the steps add to the units of their pipeline.
template <typename Values, typename... Steps>
struct Segment {
  using Type = Values;
};
template <typename Values, typename S, typename... Rest>
struct Segment<Values, S, Rest...> {
  template <bool kBegins, typename = void>
  struct After {
    using Type = typename Segment<Append<Values, typename S::Value>, Rest...>::Type;
  };
  template <typename Unused>
  struct After<true, Unused> {
    using Type = Values;
  };
  using Type = typename After<S::kBegins>::Type;
};

}  // namespace eventhub::processor::internal

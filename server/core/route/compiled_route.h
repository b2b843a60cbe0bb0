// A route in the form in which it is applied to events.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/route.pb.h"
#include "server/core/base/memory_meter.h"
#include "server/core/route/event_edit.h"
#include "server/core/route/route_settings.h"
#include "server/filter/filter.h"
#include "storage/base/metrics.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Counters of a route since the hub started, across changes of its settings. Thread-safe.
struct RouteCounters {
  Counter matched_events;
  Counter copied_events;
  Counter copied_bytes;
  Counter skipped_events;
  Counter failed_requests;
  Counter too_costly_events;

  void NoteFailure(absl::string_view why, absl::Time time);
  v1::RouteStats Describe() const;

 private:
  mutable Mutex mutex_;
  std::string last_failure_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_failure_time_ ABSL_GUARDED_BY(mutex_);
};

// Immutable except for the counters; thread-safe. A changed route is a new object with the same
// counters.
class CompiledRoute {
 public:
  // Compiles checked settings; INVALID_ARGUMENT if the filter is invalid. `memory`, if any,
  // accounts for the filter.
  static absl::StatusOr<std::shared_ptr<const CompiledRoute>> Make(
      v1::Route settings, std::shared_ptr<RouteCounters> counters,
      std::optional<MemoryMeter::Lease> memory = std::nullopt);

  const v1::Route& settings() const { return settings_; }
  const std::string& name() const { return settings_.name(); }
  const EventEdit& edit() const { return edit_; }
  RouteCounters& counters() const { return *counters_; }
  const std::shared_ptr<RouteCounters>& shared_counters() const { return counters_; }
  bool skips() const { return SkipsUnavailable(settings_); }

  const std::optional<CompiledFilter>& filter() const { return filter_; }
  // Whether the filter depends on source and type only.
  bool by_source_and_type() const { return by_source_and_type_; }
  // Sets `*work`, unless null, to the bytes of text that were examined.
  FilterResult Filter(absl::string_view event, size_t* work = nullptr) const {
    return filter_.has_value() ? filter_->Run(event, work) : FilterResult::kPasses;
  }
  // Like the above, for an event that is to be copied: counts evaluations that were given up.
  bool Matches(absl::string_view event) const {
    const FilterResult result = Filter(event);
    if (result == FilterResult::kTooCostly) {
      counters_->too_costly_events.Add();
    }
    return result == FilterResult::kPasses;
  }

 private:
  CompiledRoute(v1::Route settings, std::optional<CompiledFilter> filter,
                std::shared_ptr<RouteCounters> counters, std::optional<MemoryMeter::Lease> memory);

  const v1::Route settings_;
  const std::optional<CompiledFilter> filter_;
  const bool by_source_and_type_;
  const EventEdit edit_;
  const std::shared_ptr<RouteCounters> counters_;
  const std::optional<MemoryMeter::Lease> memory_;
};

}  // namespace eventhub

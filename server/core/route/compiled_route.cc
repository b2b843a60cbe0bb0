#include "server/core/route/compiled_route.h"

#include <utility>

#include "server/core/base/errors.h"
#include "server/core/base/timestamps.h"

namespace eventhub {
namespace {

bool LooksAtSourceAndTypeOnly(const std::optional<CompiledFilter>& filter) {
  if (!filter.has_value()) return false;
  for (const std::string& name : filter->Attributes()) {
    if (name != "source" && name != "type" && name != "specversion") return false;
  }
  return true;
}

}  // namespace

void RouteCounters::NoteFailure(absl::string_view why, absl::Time time) {
  MutexLock lock(mutex_);
  last_failure_ = std::string(why);
  last_failure_time_ = time;
}

v1::RouteStats RouteCounters::Describe() const {
  v1::RouteStats stats;
  stats.set_matched_events(matched_events.value());
  stats.set_copied_events(copied_events.value());
  stats.set_copied_bytes(copied_bytes.value());
  stats.set_skipped_events(skipped_events.value());
  stats.set_failed_requests(failed_requests.value());
  stats.set_too_costly_events(too_costly_events.value());
  MutexLock lock(mutex_);
  if (last_failure_.empty()) return stats;
  stats.set_last_failure(last_failure_);
  *stats.mutable_last_failure_time() = TimestampOf(last_failure_time_);
  return stats;
}

CompiledRoute::CompiledRoute(v1::Route settings, std::optional<CompiledFilter> filter,
                             std::shared_ptr<RouteCounters> counters,
                             std::optional<MemoryMeter::Lease> memory)
    : settings_(std::move(settings)),
      filter_(std::move(filter)),
      by_source_and_type_(LooksAtSourceAndTypeOnly(filter_)),
      edit_(settings_),
      counters_(std::move(counters)),
      memory_(std::move(memory)) {}

absl::StatusOr<std::shared_ptr<const CompiledRoute>> CompiledRoute::Make(
    v1::Route settings, std::shared_ptr<RouteCounters> counters,
    std::optional<MemoryMeter::Lease> memory) {
  std::optional<CompiledFilter> filter;
  if (settings.has_filter()) {
    absl::StatusOr<CompiledFilter> compiled = CompileFilter(settings.filter(), "route.filter");
    if (!compiled.ok()) return InvalidFilter(compiled.status());
    filter = *std::move(compiled);
  }
  return std::shared_ptr<const CompiledRoute>(new CompiledRoute(
      std::move(settings), std::move(filter), std::move(counters), std::move(memory)));
}

}  // namespace eventhub

// A filter as readers and subscriptions use it: on events, and on whole batches that cannot have
// any that pass.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/core/base/memory_meter.h"
#include "server/filter/filter.h"
#include "storage/record_batch.h"

namespace eventhub {

// What a filter takes once it is compiled, about. Bytes.
size_t MemoryOf(const v1::Filter& filter);

// Thread-safe; immutable except for its counters.
class EventFilter {
 public:
  // A batch that is passed over whole counts this much of what may be looked through at a time.
  // Bytes.
  static constexpr size_t kPassedBatchCost = 64;

  // `memory` accounts for it, where something does.
  explicit EventFilter(CompiledFilter filter,
                       std::optional<MemoryMeter::Lease> memory = std::nullopt);

  // See CompiledFilter::Run. `work`, if it is not null, is told what it cost.
  bool Matches(absl::string_view encoded_event, size_t* work = nullptr) const {
    const FilterResult result = filter_.Run(encoded_event, work);
    if (result == FilterResult::kTooCostly) too_costly_.fetch_add(1, std::memory_order_relaxed);
    return result == FilterResult::kPasses;
  }

  // How often it was given up: FilterResult::kTooCostly.
  uint64_t too_costly() const { return too_costly_.load(std::memory_order_relaxed); }

  // False if no event of the batch passes, as its types tell.
  bool MayPass(const BatchHeader& batch) const {
    return !types_.has_value() || batch.types.MayHave(*types_);
  }

 private:
  CompiledFilter filter_;
  const std::optional<MemoryMeter::Lease> memory_;
  mutable std::atomic<uint64_t> too_costly_{0};
  std::optional<std::vector<uint32_t>> types_;  // Hashes, ascending; nothing: any type may pass.
};

}  // namespace eventhub

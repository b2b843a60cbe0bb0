// A filter as readers and subscriptions use it: on single events, and on whole batches, to skip
// those that contain no match.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/core/base/memory_meter.h"
#include "server/filter/filter.h"
#include "storage/record_batch.h"

namespace eventhub {

// The approximate size of the compiled filter. Bytes.
size_t MemoryOf(const v1::Filter& filter);

// Thread-safe; immutable except for its counters.
class EventFilter {
 public:
  // The work that skipping a whole batch counts as, against the limit per call. Bytes.
  static constexpr size_t kPassedBatchCost = 64;

  // `memory`, if any, accounts for the filter. Events must also match `other`; null: none.
  explicit EventFilter(CompiledFilter filter,
                       std::optional<MemoryMeter::Lease> memory = std::nullopt,
                       std::shared_ptr<const EventFilter> other = nullptr);

  // See CompiledFilter::Run. Stores the cost in `work`, unless it is null.
  bool Matches(absl::string_view encoded_event, size_t* work = nullptr) const {
    const FilterResult result = filter_.Run(encoded_event, work);
    if (result == FilterResult::kTooCostly) too_costly_.fetch_add(1, std::memory_order_relaxed);
    if (result != FilterResult::kPasses) return false;
    return other_ == nullptr || MatchesOther(encoded_event, work);
  }

  // The number of evaluations that were given up: FilterResult::kTooCostly.
  uint64_t too_costly() const { return too_costly_.load(std::memory_order_relaxed); }

  // Returns false if the batch's event types show that no event of it matches.
  bool MayPass(const BatchHeader& batch) const {
    return (!types_.has_value() || batch.types.MayHave(*types_)) &&
           (other_ == nullptr || other_->MayPass(batch));
  }

  // Returns false if no event of this type matches.
  bool MayPass(absl::string_view type) const;

 private:
  bool MatchesOther(absl::string_view encoded_event, size_t* work) const;

  CompiledFilter filter_;
  const std::optional<MemoryMeter::Lease> memory_;
  const std::shared_ptr<const EventFilter> other_;
  mutable std::atomic<uint64_t> too_costly_{0};
  std::optional<std::vector<uint32_t>> types_;  // Hashes, ascending; unset: any type may match.
};

}  // namespace eventhub

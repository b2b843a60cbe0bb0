// A filter as readers and subscriptions use it: on events, and on whole batches that cannot have
// any that pass.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/filter/filter.h"
#include "storage/record_batch.h"

namespace eventhub {

// Immutable, thread-safe.
class EventFilter {
 public:
  // A batch that is passed over whole counts this much of what may be looked through at a time.
  // Bytes.
  static constexpr size_t kPassedBatchCost = 64;

  explicit EventFilter(CompiledFilter filter);

  // See CompiledFilter::Matches.
  bool Matches(absl::string_view encoded_event) const { return filter_.Matches(encoded_event); }

  // False if no event of the batch passes, as its types tell.
  bool MayPass(const BatchHeader& batch) const {
    return !types_.has_value() || batch.types.MayHave(*types_);
  }

 private:
  CompiledFilter filter_;
  std::optional<std::vector<uint32_t>> types_;  // Hashes, ascending; nothing: any type may pass.
};

}  // namespace eventhub

// A set of offsets, stored as ranges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/base/macros.h"
#include "absl/functional/function_ref.h"
#include "eventhub/position.h"

namespace eventhub::client {

// Disjoint ranges in ascending order; adjacent ranges are merged. Thread-compatible.
class OffsetSet {
 public:
  // Adds a non-empty range. Returns how many of its offsets are new.
  uint64_t Add(OffsetRange range);

  // Calls `visit` for each part of a range that is not in the set.
  void ForEachMissing(OffsetRange range, absl::FunctionRef<void(OffsetRange)> visit) const;

  // The first range; the set must not be empty.
  OffsetRange first() const {
    ABSL_ASSERT(!ends_.empty());
    return {ends_.begin()->first, ends_.begin()->second};
  }

  // Removes and returns the first range; the set must not be empty.
  OffsetRange TakeFirst();

  // Removes the offsets in [start, end). Returns how many were in the set.
  uint64_t Remove(int64_t start, int64_t end);

  bool empty() const { return ends_.empty(); }
  size_t size() const { return ends_.size(); }

 private:
  std::map<int64_t, int64_t> ends_;  // By start.
};

}  // namespace eventhub::client

// The inverse optimistic lock: which of two writes of a row wins.
#pragma once

#include <cstdint>
#include <utility>

#include "eventhub/processor/view_store.h"

namespace eventhub::processor::internal {

// Returns whether `write` replaces the row with this version and offset. `again`: also if they are
// equal.
inline bool MayReplace(const RowWrite& write, bool again, int64_t version, int64_t offset) {
  const auto mine = std::make_pair(write.version, write.offset);
  const auto theirs = std::make_pair(version, offset);
  return again ? mine >= theirs : mine > theirs;
}

}  // namespace eventhub::processor::internal

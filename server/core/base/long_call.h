// Calls that may take long, carried out a piece at a time on a pool that others share.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// What such a call runs on. Between two of its pieces the thread goes back to the pool, where
// whatever was posted meanwhile has its turn. A copy is as good as the original. Thread-safe.
class LongCall {
 public:
  // `pool` outlives the call. `cancelled` is asked between pieces whether nobody waits for the
  // answer any more, because the caller went away or its deadline passed; until the call is
  // answered.
  LongCall(WorkPool& pool, std::function<bool()> cancelled)
      : pool_(&pool), cancelled_(std::move(cancelled)) {}

  bool cancelled() const { return cancelled_(); }

  // Has the next piece carried out, in its turn.
  void Next(absl::AnyInvocable<void() &&> piece) const { pool_->Post(std::move(piece)); }

  // Calls `one` for each number before `count` until it fails, `at_once` of them in a piece, then
  // `done` with the outcome: CANCELLED if the call was. The first piece is carried out at once.
  void ForEach(size_t count, size_t at_once, absl::AnyInvocable<absl::Status(size_t)> one,
               absl::AnyInvocable<void(absl::Status) &&> done) const;

 private:
  WorkPool* pool_;
  std::function<bool()> cancelled_;
};

}  // namespace eventhub

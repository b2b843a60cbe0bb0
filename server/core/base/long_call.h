// Long calls, executed in pieces on a shared pool.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Schedules the pieces of a long call. Between two pieces the thread returns to the pool, so that
// other posted work gets its turn. Copies are equivalent. Thread-safe.
class LongCall {
 public:
  // `pool` outlives the call. `cancelled` is called between pieces, until the call is answered; it
  // returns whether nobody waits for the answer any more, because the caller went away or its
  // deadline passed.
  LongCall(WorkPool& pool, std::function<bool()> cancelled)
      : pool_(&pool), cancelled_(std::move(cancelled)) {}

  bool cancelled() const { return cancelled_(); }

  // Posts the next piece.
  void Next(absl::AnyInvocable<void() &&> piece) const { pool_->Post(std::move(piece)); }

  // Calls `one` for each number below `count` until it fails, `at_once` of them per piece, then
  // `done` with the outcome: CANCELLED if the call was cancelled. The first piece runs at once.
  void ForEach(size_t count, size_t at_once, absl::AnyInvocable<absl::Status(size_t)> one,
               absl::AnyInvocable<void(absl::Status) &&> done) const;

 private:
  WorkPool* pool_;
  std::function<bool()> cancelled_;
};

}  // namespace eventhub

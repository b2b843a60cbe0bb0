// Long calls, executed in pieces on a shared pool.
#pragma once

#include <cstddef>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/core/base/caller.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Schedules the pieces of a long call. Between two pieces the thread returns to the pool, so that
// other posted work gets its turn. Copies are equivalent. Thread-safe.
class LongCall {
 public:
  // `pool` outlives the call.
  LongCall(WorkPool& pool, Caller caller) : pool_(&pool), caller_(std::move(caller)) {}

  // Checked between pieces; see Caller::Interruption.
  absl::Status Interruption(absl::string_view done) const { return caller_.Interruption(done); }

  // Posts the next piece.
  void Next(absl::AnyInvocable<void() &&> piece) const { pool_->Post(std::move(piece)); }

  // Calls `one` for each number below `count` until it fails, `at_once` of them per piece, then
  // `done` with the outcome: the interruption, if the caller does not wait that long. The first
  // piece runs at once.
  void ForEach(size_t count, size_t at_once, absl::AnyInvocable<absl::Status(size_t)> one,
               absl::AnyInvocable<void(absl::Status) &&> done) const;

 private:
  WorkPool* pool_;
  Caller caller_;
};

}  // namespace eventhub

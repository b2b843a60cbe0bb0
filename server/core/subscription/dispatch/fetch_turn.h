// What a thread does for one consumer before it serves the next one.
#pragma once

#include <algorithm>
#include <cstddef>

#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/log_store.h"
#include "storage/record_batch.h"

namespace eventhub {

// Limits the bytes and the batches that are read, the bytes that are matched, and the time. The
// first batch of a turn is read, and the first event matched, whatever the limits. Not thread-safe.
class FetchTurn {
 public:
  static constexpr size_t kMaxReads = 1000;
  static constexpr absl::Duration kMaxTime = absl::Milliseconds(5);

  // The clock outlives this object.
  FetchTurn(const Clock& clock, size_t max_bytes, size_t max_work)
      : clock_(clock), end_(clock.Monotonic() + kMaxTime), max_work_(max_work), bytes_(max_bytes) {}

  // Whether the batch may be read, or skipped; if not, the turn is over.
  bool Take(const BatchHeader& batch, bool reads) {
    const size_t cost = reads ? batch.bytes : kPassedBatchCost;
    const bool first = reads_ == 0 && !skipped_;
    if (!first && (cost > bytes_ || reads_ == kMaxReads || TimeIsUp())) {
      over_ = true;
      return false;
    }
    bytes_ -= std::min(bytes_, cost);
    if (reads) {
      ++reads_;
    } else {
      skipped_ = true;
    }
    return true;
  }
  // Events of this size were matched.
  void NoteMatched(size_t bytes) { matched_ += bytes; }

  // Stored batches that were read.
  size_t reads() const { return reads_; }
  // Bytes that were matched, and may still be.
  size_t matched() const { return matched_; }
  size_t work_left() const { return max_work_ - std::min(matched_, max_work_); }
  bool over() const { return over_ || work_left() == 0 || TimeIsUp(); }

 private:
  bool TimeIsUp() const { return clock_.Monotonic() >= end_; }

  const Clock& clock_;
  const absl::Duration end_;
  const size_t max_work_;
  size_t matched_ = 0;
  size_t bytes_;  // Left.
  size_t reads_ = 0;
  bool skipped_ = false;
  bool over_ = false;
};

}  // namespace eventhub

// The reader's state: positions, and what to do when a stream ends.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/src/base/reconnect.h"
#include "eventhub/connection.h"
#include "eventhub/event_batch.h"
#include "eventhub/reader.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// See Reader for the contract. The thread that calls Next does all the work; the mutex guards only
// what Cancel touches.
class ReaderCore {
 public:
  ReaderCore(std::shared_ptr<Connection> connection, ReaderOptions options, const Clock& clock);
  ~ReaderCore();

  absl::StatusOr<EventBatch> Next(absl::Duration timeout);
  void Cancel();
  std::vector<PartitionOffset> positions() const;
  std::optional<int64_t> start_of(uint32_t partition) const;
  uint64_t skipped_events() const { return skipped_events_; }

 private:
  // Before an event: its offset, and the run of the one before it.
  struct Place {
    int64_t offset;
    uint64_t run;
  };

  // Wakes a reader that waits out its backoff; shared with the timer, which may fire late.
  struct Waiter {
    Mutex mutex;
    CondVar changed;
    bool cancelled ABSL_GUARDED_BY(mutex) = false;
    uint64_t wakes ABSL_GUARDED_BY(mutex) = 0;
  };

  absl::Duration Now() const { return clock_.Monotonic(); }
  bool cancelled() const;

  void Open();
  ReadSpec MakeSpec() const;
  // Takes a response apart into queue_.
  absl::Status TakeFrame(const Bytes& frame);
  EventBatch HandOut();
  // After all that the same response had before it.
  void TakePassed();
  // The stream has ended with `status`. Returns an error if that is final.
  absl::Status OnClosed(const absl::Status& status);
  // Skips what was trimmed. False if `status` does not allow it.
  bool Skip(const absl::Status& status);
  absl::Status Retry(const absl::Status& status);
  // Until retry_at_ or `deadline`, whichever is first, or until cancelled.
  void WaitForRetry(absl::Duration deadline);

  const std::shared_ptr<Connection> connection_;
  const ReaderOptions options_;
  const Clock& clock_;
  const std::shared_ptr<Waiter> waiter_ = std::make_shared<Waiter>();

  // For the thread in Next, but for the pointer, which Cancel follows under the waiter's mutex.
  std::unique_ptr<ReadStream> stream_;
  Reconnect reconnect_;
  absl::Duration retry_at_;              // Not to be opened before.
  bool started_ = false;                 // The hub has said where the partitions start.
  std::map<uint32_t, Place> positions_;  // After the last event handed out.
  std::map<uint32_t, int64_t> starts_;   // Where each began.
  uint64_t skipped_events_ = 0;
  std::deque<EventBatch> queue_;         // Received, not handed out.
  std::vector<PartitionOffset> passed_;  // Where the partitions are behind what is in `queue_`.
  absl::Status final_;                   // Next fails with it from now on, if not OK.
  bool done_ = false;
};

}  // namespace eventhub::client

// The reader's state: its positions, and the reaction to the end of a stream.
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

// See Reader for the contract. The thread that calls Next does all of the work; Waiter's mutex
// guards only what Cancel uses.
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
  // A position: the offset of the next event, and the run of the event before it.
  struct Place {
    int64_t offset;
    uint64_t run;
  };

  // Wakes a reader that waits for its backoff. Shared with the timer, which may fire late.
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
  // Parses a response into queue_.
  absl::Status TakeFrame(const Bytes& frame);
  EventBatch HandOut();
  // Applies passed_, after all batches of the same response were returned.
  void TakePassed();
  // The stream has ended with `status`. Returns an error if that is final.
  absl::Status OnClosed(const absl::Status& status);
  // Skips what was trimmed. False if `status` does not allow it.
  bool Skip(const absl::Status& status);
  absl::Status Retry(const absl::Status& status);
  // Waits until retry_at_, `deadline` or Cancel, whichever comes first.
  void WaitForRetry(absl::Duration deadline);

  const std::shared_ptr<Connection> connection_;
  const ReaderOptions options_;
  const Clock& clock_;
  const std::shared_ptr<Waiter> waiter_ = std::make_shared<Waiter>();

  // Used by the thread in Next; the pointer also by Cancel, under the waiter's mutex.
  std::unique_ptr<ReadStream> stream_;
  Reconnect reconnect_;
  absl::Duration retry_at_;              // No stream is opened before.
  bool started_ = false;                 // The hub has told where the partitions start.
  std::map<uint32_t, Place> positions_;  // After the last event returned, by partition.
  std::map<uint32_t, int64_t> starts_;   // Where reading began, by partition.
  uint64_t skipped_events_ = 0;
  std::deque<EventBatch> queue_;         // Received and not returned.
  std::vector<PartitionOffset> passed_;  // Positions after the batches in `queue_`.
  absl::Status final_;                   // If not OK, Next fails with it from now on.
  bool done_ = false;
};

}  // namespace eventhub::client

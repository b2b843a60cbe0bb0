// The publisher: its stream, its results, and the threads that meet here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/src/base/failure_log.h"
#include "client/src/base/stream_slot.h"
#include "client/src/publish/batch.h"
#include "client/src/publish/open_batches.h"
#include "client/src/publish/request_queue.h"
#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// See Publisher for the contract. OpenBatches gathers events, the RequestQueue orders requests and
// interprets replies; this class ties them to the stream, the timer, and the callers that wait.
//
// Locks: one mutex guards all state. It is never held while the stream is written to or opened, nor
// while a callback runs.
//
// Lifetime: kept alive by its publisher and by calls in progress. The stream and timers have weak
// references.
class PublisherCore : public std::enable_shared_from_this<PublisherCore> {
 public:
  PublisherCore(std::shared_ptr<Connection> connection, PublisherOptions options,
                const Clock& clock);

  absl::Status Add(std::optional<uint32_t> partition, const v1::Event& event,
                   Publisher::Callback done);
  absl::Status Flush(absl::Duration timeout);
  absl::Status Close(absl::Duration timeout);
  absl::Status last_failure() const;

 private:
  class StreamHandler;

  // Like Add, but does not mark errors as having done nothing.
  absl::Status Take(std::optional<uint32_t> partition, const v1::Event& event,
                    Publisher::Callback done);

  absl::Duration Now() const { return clock_.Monotonic(); }
  // The first epoch is a time, so that a producer fences its former instances without storing
  // anything. If a former instance had a clock that was ahead, the hub tells its epoch.
  static uint64_t EpochAt(absl::Time now);

  // Waits at most `timeout` until all events taken so far have their results; see Flush.
  absl::Status AwaitResults(absl::Duration timeout);

  // Waits for space for `bytes`, as the options say. Releases the mutex meanwhile.
  absl::Status AwaitSpace(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasSpace(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // To be called when requests may have left the queue.
  void SealIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Writes the next request if the window allows, or opens a stream if there is none. Without the
  // mutex.
  void Pump();
  void OpenStream(uint64_t number);
  std::string EncodeHeader(const Batch& batch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void OnWritten(uint64_t stream);
  void OnReply(uint64_t stream, PublishReply reply);
  void OnClosed(uint64_t stream, const absl::Status& status);
  // Forgets the stream; the caller drops the reference without the mutex. `in_doubt`: requests
  // without a reply may have been appended.
  std::shared_ptr<PublishStream> LoseStream(bool in_doubt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fence(const absl::Status& status, std::vector<Finished>& finished)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Delays the next attempt, because of `status`.
  void BackOff(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Makes OnTimer run at `when`, if it would not run by then.
  void Arm(absl::Duration when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnTimer();
  absl::Status DeadlineError() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // To be called before the mutex is released, with the results that Report will get.
  void Finish(std::vector<Finished>& finished) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Passes results to the caller's callbacks, and marks their batches as resolved. Without the
  // mutex.
  void Report(std::vector<Finished> finished);

  const std::shared_ptr<Connection> connection_;
  const PublisherOptions options_;
  const Clock& clock_;
  const std::string producer_id_;

  mutable Mutex mutex_;
  CondVar space_;     // The buffer may have space.
  CondVar resolved_;  // Batches may be resolved, or reports complete.

  // Events on their way out: gathered in open batches, then queued.
  RequestQueue queue_ ABSL_GUARDED_BY(mutex_);
  OpenBatches open_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_for_space_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status refusing_ ABSL_GUARDED_BY(mutex_);  // Why no event is taken, if not OK.

  // The stream.
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_);
  StreamSlot<PublishStream> slot_ ABSL_GUARDED_BY(mutex_);
  absl::Duration armed_for_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();

  // Results.
  std::set<uint64_t> unresolved_ ABSL_GUARDED_BY(mutex_);
  size_t reporting_ ABSL_GUARDED_BY(mutex_) = 0;
  FailureLog failures_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;  // Nothing more is sent.
};

}  // namespace eventhub::client

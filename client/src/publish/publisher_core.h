// The publisher: open batches, the stream, and the threads that meet here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/src/base/backoff.h"
#include "client/src/base/failure_log.h"
#include "client/src/publish/batch.h"
#include "client/src/publish/request_queue.h"
#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// See Publisher for the contract. One mutex guards everything; it is never held while the stream is
// written to or opened, nor while a callback runs. Kept alive by its publisher and by calls in
// progress; the stream and timers have weak references.
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
  using OpenBatches = std::list<std::unique_ptr<Batch>>;

  // Like Add, but does not mark errors as having done nothing.
  absl::Status Take(std::optional<uint32_t> partition, const v1::Event& event,
                    Publisher::Callback done);

  absl::Duration Now() const { return clock_.Monotonic(); }
  // The first epoch is a time, so that a producer fences its former lives without having stored
  // anything. Where a former one had a clock that was ahead, the hub tells its epoch.
  static uint64_t EpochAt(absl::Time now);

  // Waits until all events taken so far have their results, at most `timeout`; see Flush.
  absl::Status AwaitResults(absl::Duration timeout);

  // Waits for space for `bytes`, as the options say. Gives the mutex up meanwhile.
  absl::Status AwaitSpace(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasSpace(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The batch that is to take an event of `bytes`.
  OpenBatches::iterator BatchFor(std::optional<uint32_t> partition, size_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Seal(OpenBatches::iterator batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SealAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When the batch is sealed at the latest, whatever happens.
  absl::Duration SealTime(const Batch& batch) const;
  void SealDue(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // To be called when requests may have left the queue. With no linger and none left, seals what
  // has gathered, or lets it gather a little more.
  void SealIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Writes what may be written, opening a stream if there is none. Without the mutex.
  void Pump();
  void OpenStream();
  std::string EncodeHeader(const Batch& batch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void OnWritten(uint64_t stream);
  void OnReply(uint64_t stream, PublishReply reply);
  void OnClosed(uint64_t stream, const absl::Status& status);
  // Forgets the stream; the caller drops the reference without the mutex. `in_doubt`: what has no
  // reply may have been appended.
  std::shared_ptr<PublishStream> LoseStream(bool in_doubt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fence(const absl::Status& status, std::vector<Finished>& finished)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // No attempt for a while, because of `status`.
  void BackOff(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void Arm(absl::Duration when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnTimer();
  absl::Status DeadlineError() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // To be called, with what is to be given to Report, before the mutex is given up.
  void Finish(std::vector<Finished>& finished) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives results to the caller's callbacks, and counts their batches as resolved. Without the
  // mutex.
  void Report(std::vector<Finished> finished);

  const std::shared_ptr<Connection> connection_;
  const PublisherOptions options_;
  const Clock& clock_;
  const std::string producer_id_;

  mutable Mutex mutex_;
  CondVar space_;     // Of the buffer.
  CondVar resolved_;  // Batches, or reports that were in progress.

  // Where events go in.
  OpenBatches open_ ABSL_GUARDED_BY(mutex_);  // In the order in which they were begun.
  std::optional<OpenBatches::iterator> mixed_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint32_t, OpenBatches::iterator> by_partition_ ABSL_GUARDED_BY(mutex_);
  size_t open_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t last_batch_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t open_events_ ABSL_GUARDED_BY(mutex_) = 0;
  // See SealIfIdle; until gather_until_, for which, or for before, the timer is armed.
  bool gathering_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration gather_until_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_for_space_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status refusing_ ABSL_GUARDED_BY(mutex_);  // Why no event is taken, if not OK.

  // Where they go out.
  RequestQueue queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<PublishStream> stream_ ABSL_GUARDED_BY(mutex_);
  uint64_t stream_number_ ABSL_GUARDED_BY(mutex_) = 0;  // What of former streams is ignored by.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;        // Or opening.
  Backoff backoff_ ABSL_GUARDED_BY(mutex_);
  absl::Duration not_before_ ABSL_GUARDED_BY(mutex_);  // Backing off until then.
  absl::Status last_failure_ ABSL_GUARDED_BY(mutex_);
  absl::Duration armed_for_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();

  // Results.
  uint64_t next_batch_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::set<uint64_t> unresolved_ ABSL_GUARDED_BY(mutex_);
  size_t reporting_ ABSL_GUARDED_BY(mutex_) = 0;
  FailureLog failures_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;  // Nothing is sent any more.
};

}  // namespace eventhub::client

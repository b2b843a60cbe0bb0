// The committer: its stream, its answers, and the threads that meet here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/src/base/stream_slot.h"
#include "client/src/commit/commit_queue.h"
#include "eventhub/committer.h"
#include "eventhub/connection.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// See Committer for the contract. The CommitQueue orders transactions and interprets replies; this
// class ties it to the stream, the timer, and the callers that wait.
//
// Locks: one mutex guards all state. It is never held while the stream is written to or opened, nor
// while a callback runs.
//
// Lifetime: kept alive by its committer and by calls in progress. The stream and timers have weak
// references.
class CommitterCore : public std::enable_shared_from_this<CommitterCore> {
 public:
  CommitterCore(std::shared_ptr<Connection> connection, CommitterOptions options,
                const Clock& clock);

  absl::Status Commit(Transaction transaction, Committer::Callback done);
  absl::Status Flush(absl::Duration timeout);
  absl::Status Close(absl::Duration timeout);
  size_t in_flight() const;
  absl::Status last_failure() const;

 private:
  class StreamHandler;
  using Answers = std::vector<CommitAnswer>;

  absl::Duration Now() const { return clock_.Monotonic(); }

  // Waits for space for requests of `bytes`, as the options say. Releases the mutex meanwhile.
  absl::Status AwaitSpace(size_t requests, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasSpace(size_t requests, size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Writes the next request, or opens a stream if there is none. Without the mutex.
  void Pump();
  void OpenStream(uint64_t number);

  void OnWritten(uint64_t stream);
  void OnReply(uint64_t stream, TransactReply reply);
  void OnClosed(uint64_t stream, const absl::Status& status);
  // Forgets the stream, because of `status`; the caller drops the reference without the mutex.
  std::shared_ptr<TransactStream> LoseStream(const absl::Status& status, Answers& answers)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Delays the next stream, because of `status`.
  void BackOff(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Makes OnTimer run at `when`, if it would not run by then.
  void Arm(absl::Duration when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnTimer();
  absl::Status DeadlineError() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // To be called before the mutex is released, with the answers that Report will get.
  void Finish(const Answers& answers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Calls back. Without the mutex.
  void Report(Answers answers);

  const std::shared_ptr<Connection> connection_;
  const CommitterOptions options_;
  const Clock& clock_;

  mutable Mutex mutex_;
  CondVar space_;     // There may be space.
  CondVar resolved_;  // Callbacks have returned.

  CommitQueue queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  size_t waiting_for_space_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;  // Nothing more is taken.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;   // Nothing more is sent.

  // The stream.
  StreamSlot<TransactStream> slot_ ABSL_GUARDED_BY(mutex_);
  absl::Duration armed_for_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();

  // Answers.
  std::set<uint64_t> unresolved_ ABSL_GUARDED_BY(mutex_);
  size_t reporting_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status thrown_ ABSL_GUARDED_BY(mutex_);  // By a callback, since the last Flush.
};

}  // namespace eventhub::client

// The subscriber: its stream, its handlers, and the threads that meet here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/src/base/reconnect.h"
#include "client/src/subscribe/consume_frame.h"
#include "client/src/subscribe/consume_requests.h"
#include "client/src/subscribe/handling.h"
#include "client/src/subscribe/hooks.h"
#include "client/src/subscribe/lease_table.h"
#include "client/src/subscribe/turn.h"
#include "client/src/subscribe/work_queue.h"
#include "eventhub/connection.h"
#include "eventhub/subscriber.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// See Subscriber for the contract. The LeaseTable holds the delivered events, the WorkQueue those
// not handled yet, and ConsumeRequests the next request to the hub. This class connects them to the
// stream, the handlers and the timer.
//
// Locks: one mutex guards all state. It is never held while the stream is written to or opened, nor
// while a handler or a hook runs. Hooks run under HookRunner's mutex, which is locked first.
//
// Lifetime: kept alive by its subscriber and by calls in progress. The stream and timers have weak
// references; handler threads are joined by Close.
class SubscriberCore : public std::enable_shared_from_this<SubscriberCore> {
 public:
  SubscriberCore(std::shared_ptr<Connection> connection, SubscriberOptions options,
                 const Clock& clock);

  // Connects. Handlers run on `threads` threads; tests use none and call RunHandler themselves.
  void Start(size_t threads);
  // Runs a handler for the next events, and settles them; each thread keeps its own `pace` from
  // call to call. Returns false if there is nothing to handle; with `wait`, only after Close.
  bool RunHandler(bool wait, Pace& pace);
  // Events that asynchronous handlers were given have outcomes; once for each event.
  void SettleHandedOut(absl::Span<SettledEvents> settled);

  // See Subscriber.
  void SetCredit(const Credit& credit);
  void SetPaused(bool paused);
  void RequestStop();
  absl::Status Wait(absl::Duration timeout);
  absl::Status Stop(absl::Duration timeout);
  absl::Status WaitForSignal(absl::Duration stop_timeout);
  SubscriberCounters counters() const;

  // Ends the subscriber without settling, and waits for handlers and hooks that run.
  void Close();

 private:
  class StreamHandler;

  absl::Duration Now() const { return clock_.Monotonic(); }

  // The stream. Open and Pump are called without the mutex: they open a stream, or write the next
  // request if one is due. Events of former streams are ignored, by the stream's number.
  void Open();
  void Pump();
  void OnWritten(uint64_t stream);
  void OnFrame(uint64_t stream, const Bytes& bytes);
  void OnClosed(uint64_t stream, const absl::Status& status);
  // Forgets the stream and everything that was in progress on it; the caller drops the reference
  // without the mutex.
  std::shared_ptr<ConsumeStream> LoseStream(HookCalls& calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReconnectAfter(const absl::Status& status, HookCalls& calls)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The parts of a response.
  void TakeFrame(ConsumeFrame frame, HookCalls& calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeOpened(const v1::ConsumeOpened& opened, HookCalls& calls)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeAckDeadline(const google::protobuf::Duration& deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeLeases(const ConsumeFrame& frame, HookCalls& calls)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeBatch(EventBatch batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  size_t ChunkSizeNow(const Pace& pace) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives each event of the chunk to the asynchronous handler.
  void HandOut(const WorkQueue::Chunk& chunk, Pace& pace);
  void Settle(const WorkQueue::Chunk& chunk, const Handled& handled)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Makes OnTimer run at `when`, if it would not run by then.
  void Arm(absl::Duration when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnTimer();

  // Runs hooks. Without the mutex.
  void Call(HookCalls calls);

  void End(const absl::Status& status, HookCalls& calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool ended() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ && (running_ == 0 || cut_off_);
  }
  // Ends without waiting for handlers or settlements.
  void CutOff();

  const std::shared_ptr<Connection> connection_;
  const SubscriberOptions options_;
  const Clock& clock_;
  HookRunner hooks_;
  std::vector<std::thread> threads_;  // Used by Start and Close only.

  mutable Mutex mutex_;
  CondVar work_;    // There may be events to handle.
  CondVar change_;  // The subscriber may have ended, or time has passed.

  // The stream.
  std::shared_ptr<ConsumeStream> stream_ ABSL_GUARDED_BY(mutex_);
  uint64_t stream_number_ ABSL_GUARDED_BY(mutex_) = 0;  // Of the current stream.
  bool opening_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  Reconnect reconnect_ ABSL_GUARDED_BY(mutex_);
  absl::Duration retry_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  absl::Duration armed_for_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  uint64_t session_ ABSL_GUARDED_BY(mutex_) = 0;          // Of the current stream.
  uint64_t subscription_id_ ABSL_GUARDED_BY(mutex_) = 0;  // Of the last stream; 0: none yet.

  // Events on their way through.
  LeaseTable leases_ ABSL_GUARDED_BY(mutex_);
  WorkQueue queue_ ABSL_GUARDED_BY(mutex_);
  ConsumeRequests requests_ ABSL_GUARDED_BY(mutex_);
  SubscriberCounters counters_ ABSL_GUARDED_BY(mutex_);

  // Handlers, and the end.
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;     // Threads that wait for work.
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;  // Handlers that run; settlers that did not settle.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;    // With final_.
  bool cut_off_ ABSL_GUARDED_BY(mutex_) = false;  // Ended without waiting for handlers.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status final_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::client

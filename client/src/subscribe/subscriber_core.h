// The subscriber: its stream, the leases it has, its handlers, and the threads that meet here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/src/base/backoff.h"
#include "client/src/subscribe/consume_frame.h"
#include "client/src/subscribe/handling.h"
#include "client/src/subscribe/lease.h"
#include "client/src/subscribe/settlements.h"
#include "client/src/subscribe/work_queue.h"
#include "eventhub/connection.h"
#include "eventhub/subscriber.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// See Subscriber for the contract. One mutex guards everything; it is never held while the stream
// is written to or opened, nor while a handler or a hook runs. A second one, taken first where both
// are, keeps hooks apart. Kept alive by its subscriber and by calls in progress; the stream and
// timers have weak references.
class SubscriberCore : public std::enable_shared_from_this<SubscriberCore> {
 public:
  SubscriberCore(std::shared_ptr<Connection> connection, SubscriberOptions options,
                 const Clock& clock);

  // Connects. Handlers run on `threads` threads; tests have none, and call RunHandler themselves.
  void Start(size_t threads);
  // Runs a handler for what is next, and settles it; `pace` is kept from call to call of a thread.
  // False if nothing is to be handled; with `wait`, only after Close.
  bool RunHandler(bool wait, Pace& pace);

  void SetCredit(const Credit& credit);
  void SetPaused(bool paused);
  void RequestStop();
  absl::Status Wait(absl::Duration timeout);
  absl::Status Stop(absl::Duration timeout);
  void Close();
  SubscriberCounters counters() const;

 private:
  class StreamHandler;
  // How often in an ack deadline leases are looked after.
  static constexpr int kExtensionsPerDeadline = 3;
  using LeaseId = std::pair<uint32_t, uint64_t>;  // Partition, epoch.
  // Calls of hooks, to be made without the mutex.
  using Calls = std::vector<absl::AnyInvocable<void() &&>>;

  absl::Duration Now() const { return clock_.Monotonic(); }

  // Sending (subscriber_sending.cc). Without the mutex: opens a stream, or writes what is due.
  void Open();
  void Pump();
  bool SendDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string EncodeRequest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddOpen(v1::ConsumeRequest& request) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddOutcomes(v1::ConsumeRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those that do not fit are left for the next request.
  void AddExtensions(v1::ConsumeRequest& request, int64_t& budget)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetCreditOf(v1::ConsumeRequest& request) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ExtendLeases(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Arm(absl::Duration when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnTimer();

  // Receiving (subscriber_receiving.cc).
  void OnWritten(uint64_t stream);
  void OnFrame(uint64_t stream, const Bytes& bytes);
  void OnClosed(uint64_t stream, const absl::Status& status);
  void TakeFrame(ConsumeFrame frame, Calls& calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeOpened(const v1::ConsumeOpened& opened, Calls& calls)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A new one, for what is delivered from here on.
  void TakeAckDeadline(const google::protobuf::Duration& told)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeLeases(const ConsumeFrame& frame, Calls& calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeBatch(EventBatch batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeSettlement(const v1::Settlement& settlement) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeRewound(const v1::PartitionOffset& rewound) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Calls `visit` with each lease of a partition.
  void ForEachLease(uint32_t partition, absl::FunctionRef<void(Lease&)> visit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndLease(Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The connection is gone, and all that was under way with it.
  std::shared_ptr<ConsumeStream> LoseStream(Calls& calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Reconnect(const absl::Status& status, Calls& calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(const absl::Status& status, Calls& calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <typename Hook, typename... Args>
  static void Note(const Hook& hook, Calls& calls, Args... args);
  void Call(Calls calls);

  // Handling (subscriber_core.cc).
  void Settle(const WorkQueue::Chunk& chunk, const Handled& handled)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void List(Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Lease* FindLease(LeaseId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool ended() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ && (running_ == 0 || cut_off_);
  }
  void CutOff();

  const std::shared_ptr<Connection> connection_;
  const SubscriberOptions options_;
  const Clock& clock_;
  std::vector<std::thread> threads_;  // For Start and Close.

  Mutex hooks_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  bool hooks_over_ ABSL_GUARDED_BY(hooks_mutex_) = false;

  mutable Mutex mutex_;
  CondVar work_;    // There may be something to handle.
  CondVar change_;  // It may have ended, or time has passed.

  // The stream.
  std::shared_ptr<ConsumeStream> stream_ ABSL_GUARDED_BY(mutex_);
  uint64_t stream_number_ ABSL_GUARDED_BY(mutex_) = 0;  // What of former streams is ignored by.
  bool opening_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool say_open_ ABSL_GUARDED_BY(mutex_) = false;
  bool say_credit_ ABSL_GUARDED_BY(mutex_) = false;
  bool say_leave_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_correlation_id_ ABSL_GUARDED_BY(mutex_) = 1;
  Settlements settlements_ ABSL_GUARDED_BY(mutex_);
  Backoff backoff_ ABSL_GUARDED_BY(mutex_);
  absl::Duration retry_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  std::optional<absl::Duration> failing_since_ ABSL_GUARDED_BY(mutex_);
  absl::Duration armed_for_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();

  // What it brings.
  bool queue_kind_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t session_ ABSL_GUARDED_BY(mutex_) = 0;          // Of the stream.
  uint64_t subscription_id_ ABSL_GUARDED_BY(mutex_) = 0;  // Of the last time; 0: none yet.
  absl::Duration ack_deadline_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  std::map<LeaseId, std::shared_ptr<Lease>> leases_ ABSL_GUARDED_BY(mutex_);
  WorkQueue queue_ ABSL_GUARDED_BY(mutex_);
  absl::Duration extend_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();

  // What goes back.
  std::vector<std::shared_ptr<Lease>> listed_ ABSL_GUARDED_BY(mutex_);  // With something pending.
  uint64_t pending_events_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t pending_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::ConsumeRequest extensions_ ABSL_GUARDED_BY(mutex_);
  Credit credit_ ABSL_GUARDED_BY(mutex_);
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;

  // Handlers, and the end.
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;     // Threads that wait for work.
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;  // Handlers.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;    // With final_.
  bool cut_off_ ABSL_GUARDED_BY(mutex_) = false;  // Without waiting for handlers.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status final_ ABSL_GUARDED_BY(mutex_);
  SubscriberCounters counters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::client

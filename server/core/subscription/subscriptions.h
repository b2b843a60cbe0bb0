// The hub's subscriptions: the operations of SubscriptionService and EventHubService.Consume,
// without the network.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/hub.pb.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/archive/history.h"
#include "server/core/base/admin_log.h"
#include "server/core/base/alarm.h"
#include "server/core/base/caller.h"
#include "server/core/subscription/dead_letter/dead_letters.h"
#include "server/core/subscription/dead_letter/parking.h"
#include "server/core/subscription/dispatch/history_reads.h"
#include "server/core/subscription/snapshots.h"
#include "server/core/subscription/submit_change.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_catalog.h"
#include "server/core/subscription/subscription_changes.h"
#include "server/core/subscription/subscription_moves.h"
#include "server/core/topic/topic_tasks.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// A connected consumer, as EventHubService.Consume serves it. Closing or destroying it ends its
// leases. One thread at a time calls Poll and ReadCold; other methods may be called at any time.
class ConsumerSession {
 public:
  using Step = Subscription::Step;

  ConsumerSession(std::shared_ptr<Subscription> subscription, std::shared_ptr<Consumer> consumer)
      : subscription_(std::move(subscription)), consumer_(std::move(consumer)) {}
  ~ConsumerSession() { Close(Subscription::Ended::kByConsumer); }

  ConsumerSession(const ConsumerSession&) = delete;
  ConsumerSession& operator=(const ConsumerSession&) = delete;

  // The frame size that the consumer asks for. A frame exceeds it only if it holds a single event.
  size_t frame_bytes() const { return consumer_->options.max_frame_bytes; }

  // Delivers at most `room` bytes of events.
  absl::StatusOr<Step> Poll(ConsumeFrame* frame, size_t room = SIZE_MAX) {
    return subscription_->Poll(*consumer_, frame, room);
  }
  void ReadCold(ConsumeFrame* frame, size_t room = SIZE_MAX) {
    subscription_->ReadCold(*consumer_, frame, room);
  }

  // Handles a request after the first one: credit, leave, and events to be settled.
  // INVALID_ARGUMENT: the request is malformed.
  absl::Status Take(v1::ConsumeRequest request);
  void Leave(bool at_once) { subscription_->Leave(*consumer_, at_once); }

  // Whether no more requests may be taken until some are settled; Poll returns the settlements.
  bool Overloaded() const { return subscription_->Overloaded(*consumer_); }

  void Close(Subscription::Ended ended) { subscription_->Close(*consumer_, ended); }

 private:
  const std::shared_ptr<Subscription> subscription_;
  const std::shared_ptr<Consumer> consumer_;
};

// Counts the openings of the store for serving, so that lease epochs of different runs of the hub
// are distinct. Called before anything else is written.
absl::StatusOr<uint64_t> TakeGeneration(LogStore& store, absl::Time now);

// Thread-safe. Methods that take a callback call it exactly once, possibly before they return;
// those that do not take one block on the disk. Errors as in subscription.proto.
class Subscriptions {
 public:
  // The arguments outlive this object. `pending`, `requests` and `filters` are memory: of events
  // delivered and not settled, of consumers' requests, of filters. `generation` is the result of
  // TakeGeneration. If `run_alarm`
  // is false, leases expire only when RunDue is called.
  Subscriptions(const LogStore& store, LogWriter& writer, const Clock& clock, TopicStore& topics,
                ReadCounters& reads, MemoryMeter& pending, HostShares& requests,
                MemoryMeter& filters, const AdminLog& admin_log, uint64_t generation,
                bool run_alarm);
  ~Subscriptions();

  // Reads all subscriptions from the store. Called once, before anything else.
  absl::Status Load();

  // The history of topics, if the hub has a lake, and the pool that waits for it; both are used
  // until StopHistory, and by the work that has begun on the pool. Called at most once, before
  // there are consumers.
  void SetHistory(History& history, WorkPool& pool) { history_.Start(history, pool); }
  void StopHistory() { history_.Stop(); }

  // Finishes work in progress. Consumers must be destroyed before, and the writer must still exist.
  void Stop();

  // A consumer without a name is called by the caller's address.
  absl::StatusOr<std::unique_ptr<ConsumerSession>> OpenConsumer(const Caller& caller,
                                                                const v1::ConsumeRequest& first,
                                                                absl::AnyInvocable<void()> wake);

  void Create(const Caller& caller, const v1::CreateSubscriptionRequest& request,
              SubscriptionDone done);
  void Update(const Caller& caller, const v1::UpdateSubscriptionRequest& request,
              SubscriptionDone done);
  void Delete(const Caller& caller, const std::string& name, StatusDone done);
  absl::StatusOr<v1::GetSubscriptionResponse> Get(const Caller& caller,
                                                  const v1::GetSubscriptionRequest& request) const;
  absl::StatusOr<v1::ListSubscriptionsResponse> List(
      const Caller& caller, const v1::ListSubscriptionsRequest& request) const;

  // The other calls of SubscriptionService.
  SubscriptionMoves& moves() { return moves_; }
  Snapshots& snapshots() { return snapshots_; }
  DeadLetters& dead_letters() { return dead_letters_; }
  const DeadLetters& dead_letters() const { return dead_letters_; }

  // Deletes subscriptions that were unused for longer than their settings allow; calls `expired`
  // for each deleted subscription, with the time of its last use. Returns CANCELLED soon after
  // `cancelled` returns true.
  using OnExpired = absl::FunctionRef<void(const std::string& name, absl::Time last_used)>;
  absl::Status Expire(
      OnExpired expired = [](const std::string&, absl::Time) {},
      absl::FunctionRef<bool()> cancelled = [] { return false; });

  void RunDue() { alarm_.RunDue(); }
  Alarm& alarm() { return alarm_; }
  SubscriptionCatalog& catalog() { return catalog_; }
  const SubscriptionCatalog& catalog() const { return catalog_; }

 private:
  TopicStore& topics_;
  LogWriter& writer_;
  const AdminLog& admin_log_;
  std::atomic<uint64_t> next_epoch_;
  Alarm alarm_;
  WorkPool background_{1};
  ParkingQueue parking_{background_};
  HistoryReads history_;
  const SubscriptionContext context_;
  SubscriptionCatalog catalog_;
  SubscriptionMoves moves_{context_, catalog_, admin_log_};
  Snapshots snapshots_{context_, catalog_, admin_log_};
  DeadLetters dead_letters_{context_, catalog_, background_, admin_log_};
};

}  // namespace eventhub

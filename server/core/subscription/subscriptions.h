// The hub's subscriptions: what SubscriptionService and EventHubService.Consume do, without the
// network.
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
#include "server/core/base/alarm.h"
#include "server/core/base/long_call.h"
#include "server/core/subscription/dead_letter/dead_letters.h"
#include "server/core/subscription/dead_letter/parking.h"
#include "server/core/subscription/snapshots.h"
#include "server/core/subscription/submit_change.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_catalog.h"
#include "server/core/subscription/subscription_changes.h"
#include "server/core/subscription/subscription_moves.h"
#include "server/core/topic/topic_tasks.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// A connected consumer, as EventHubService.Consume serves it. Closing it, or destroying it,
// ends its leases. Poll and ReadCold are called by one thread at a time, the others at any time.
class ConsumerSession {
 public:
  using Step = Subscription::Step;

  ConsumerSession(std::shared_ptr<Subscription> subscription, std::shared_ptr<Consumer> consumer)
      : subscription_(std::move(subscription)), consumer_(std::move(consumer)) {}
  ~ConsumerSession() { Close(Subscription::Ended::kByConsumer); }

  ConsumerSession(const ConsumerSession&) = delete;
  ConsumerSession& operator=(const ConsumerSession&) = delete;

  // The size of a frame that the consumer asks for; a frame is larger only if one event is.
  size_t frame_bytes() const { return consumer_->options.max_frame_bytes; }

  // With no more than `room` bytes of events.
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

  // Whether no more requests may be taken until some are settled; the settlements of Poll say when.
  bool Overloaded() const { return subscription_->Overloaded(*consumer_); }

  void Close(Subscription::Ended ended) { subscription_->Close(*consumer_, ended); }

 private:
  const std::shared_ptr<Subscription> subscription_;
  const std::shared_ptr<Consumer> consumer_;
};

// Counts that the store was opened for serving, so that epochs of leases of different lives of the
// hub never meet. Before anything else is written.
absl::StatusOr<uint64_t> TakeGeneration(LogStore& store, absl::Time now);

// Thread-safe. Methods that take a callback call it once, maybe before they return; those that do
// not are blocked by the disk. Errors as in subscription.proto.
class Subscriptions {
 public:
  // The arguments outlive this; `generation` is the result of TakeGeneration. With `run_alarm`
  // false leases expire only when RunDue is called.
  Subscriptions(const LogStore& store, LogWriter& writer, const Clock& clock, TopicStore& topics,
                ReadCounters& reads, MemoryMeter& pending, MemoryMeter& filters,
                uint64_t generation, bool run_alarm);
  ~Subscriptions();

  // Reads all from the store. Once, first.
  absl::Status Load();

  // Ends work in progress. Consumers must be gone before, and the writer must still exist.
  void Stop();

  absl::StatusOr<std::unique_ptr<ConsumerSession>> OpenConsumer(const v1::ConsumeRequest& first,
                                                                std::string address,
                                                                absl::AnyInvocable<void()> wake);

  void Create(const v1::CreateSubscriptionRequest& request, SubscriptionDone done);
  void Update(const v1::UpdateSubscriptionRequest& request, SubscriptionDone done);
  void Delete(const std::string& name, StatusDone done);
  absl::StatusOr<v1::GetSubscriptionResponse> Get(const v1::GetSubscriptionRequest& request) const;
  absl::StatusOr<v1::ListSubscriptionsResponse> List(
      const v1::ListSubscriptionsRequest& request) const;

  // The other calls of SubscriptionService.
  SubscriptionMoves& moves() { return moves_; }
  Snapshots& snapshots() { return snapshots_; }
  DeadLetters& dead_letters() { return dead_letters_; }
  const DeadLetters& dead_letters() const { return dead_letters_; }

  // Deletes what was not used for longer than its settings allow; `expired` is told of each that
  // was deleted, and when it was used last. CANCELLED soon after `cancelled` says so.
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
  std::atomic<uint64_t> next_epoch_;
  Alarm alarm_;
  WorkPool background_{1};
  ParkingQueue parking_{background_};
  const SubscriptionContext context_;
  SubscriptionCatalog catalog_;
  SubscriptionMoves moves_{context_, catalog_};
  Snapshots snapshots_{context_, catalog_};
  DeadLetters dead_letters_{context_, catalog_, background_};
};

}  // namespace eventhub

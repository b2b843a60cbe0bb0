// The hub's subscriptions: what SubscriptionService and EventHubService.Consume do, without the
// network.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/hub.pb.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/base/alarm.h"
#include "server/core/base/long_call.h"
#include "server/core/subscription/letter_closing.h"
#include "server/core/subscription/parking.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_catalog.h"
#include "server/core/subscription/subscription_changes.h"
#include "server/core/topic/topic_tasks.h"
#include "storage/base/work_pool.h"

namespace eventhub {

template <typename Response>
using ResponseDone = absl::AnyInvocable<void(absl::StatusOr<Response>) &&>;

// A consumer that is connected: what EventHubService.Consume serves. Closing it, or destroying it,
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

  // Takes what a client sent after the first request: credit, leave, and what is to be settled.
  // INVALID_ARGUMENT if it makes no sense at all.
  absl::Status Take(v1::ConsumeRequest request);
  void Leave(bool at_once) { subscription_->Leave(*consumer_, at_once); }

  // Whether nothing is to be taken until more is settled; Poll says when by its settlements.
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
  // What is given outlives this; `generation` is what TakeGeneration gave. With `run_alarm` false
  // the leases end only when RunDue is called.
  Subscriptions(const LogStore& store, LogWriter& writer, const Clock& clock, TopicStore& topics,
                ReadCounters& reads, MemoryMeter& pending, MemoryMeter& filters,
                uint64_t generation, bool run_alarm);
  ~Subscriptions();

  // Reads all from the store. Once, first.
  absl::Status Load();

  // Ends what is under way; consumers must be gone by then. Before the writer is.
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

  // These two look their places up piece by piece, of the log as it is at the call. CANCELLED: a
  // seek changed nothing; a replay may have added a part of the events.
  void Seek(const v1::SeekSubscriptionRequest& request, LongCall call,
            ResponseDone<v1::SeekSubscriptionResponse> done);
  void Replay(const v1::ReplaySubscriptionRequest& request, LongCall call,
              ResponseDone<v1::ReplaySubscriptionResponse> done);
  void CancelReplays(const std::string& name, ResponseDone<v1::CancelReplaysResponse> done);

  void CreateSnapshot(const v1::CreateSnapshotRequest& request,
                      ResponseDone<v1::CreateSnapshotResponse> done);
  absl::StatusOr<v1::ListSnapshotsResponse> ListSnapshots(const std::string& name) const;
  void DeleteSnapshot(const v1::DeleteSnapshotRequest& request, StatusDone done);

  absl::StatusOr<v1::ListDeadLettersResponse> ListDeadLetters(
      const v1::ListDeadLettersRequest& request) const;
  // Of the letters that there are at the call. CANCELLED: some of it was done.
  void RedriveDeadLetters(const v1::RedriveDeadLettersRequest& request, LongCall call,
                          ResponseDone<v1::RedriveDeadLettersResponse> done);
  void DiscardDeadLetters(const v1::DiscardDeadLettersRequest& request, LongCall call,
                          ResponseDone<v1::DiscardDeadLettersResponse> done);
  // Discards the letters of all subscriptions in a topic that takes no more of them, on a thread of
  // its own; `cancelled` as of LongCall.
  void DiscardLettersIn(std::shared_ptr<Topic> topic, std::function<bool()> cancelled,
                        StatusDone done);

  // The subscriptions that may need events of the topic for their dead letters, and from which
  // offset of a partition on one of them does; nullopt if none does. Read from the disk.
  absl::StatusOr<SubscriptionCatalog::Subscriptions> LetterHolders(const Topic& topic) const;
  absl::StatusOr<std::optional<Offset>> FirstLetterOf(
      const SubscriptionCatalog::Subscriptions& holders, const Topic& topic,
      PartitionId partition) const;

  // Who needs events before these, in words; with `keeps_until_acked`, those who have yet to ack
  // some, too. Reads from the disk.
  absl::StatusOr<std::string> WhoHolds(const Topic& topic, bool keeps_until_acked,
                                       const std::vector<NeededFrom>& limits) const;

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
  absl::StatusOr<std::shared_ptr<Subscription>> FindSubscription(absl::string_view field,
                                                                 absl::string_view name) const;
  // Submits a change, and the response that it makes when it is on the disk.
  template <typename Response>
  void Change(std::shared_ptr<Subscription> subscription,
              absl::AnyInvocable<absl::Status(CommitBuilder&, Response*)> change,
              ResponseDone<Response> done);
  // The same for work on ranges that may take several commits: `change` is made in each of them,
  // until the work is done or it refuses, and the response is that of the last one. `interrupted`
  // is asked between commits; not OK ends the work with that status.
  template <typename Response>
  void ChangeRanges(std::shared_ptr<Subscription> subscription,
                    std::shared_ptr<const Subscription::RangeWork> work,
                    std::function<absl::Status()> interrupted,
                    std::function<absl::Status(CommitBuilder&, Response*)> change,
                    ResponseDone<Response> done);
  void CloseLetters(const std::string& name, bool has_selector, LongCall call,
                    LetterClosing::Order order, LetterClosing::Done done);
  // Carries a seek, or a replay, out when its places are known.
  void Move(const std::shared_ptr<Subscription>& subscription,
            std::vector<Subscription::Place> places, bool dry_run,
            ResponseDone<v1::SeekSubscriptionResponse> done);
  void Replay(const std::shared_ptr<Subscription>& subscription, PartitionRanges ranges,
              const v1::ReplaySubscriptionRequest& request, const LongCall& call,
              ResponseDone<v1::ReplaySubscriptionResponse> done);

  TopicStore& topics_;
  LogWriter& writer_;
  std::atomic<uint64_t> next_epoch_;
  Alarm alarm_;
  WorkPool background_{1};
  ParkingQueue parking_{background_};
  const SubscriptionContext context_;
  SubscriptionCatalog catalog_;
};

template <typename Response>
void Subscriptions::Change(std::shared_ptr<Subscription> subscription,
                           absl::AnyInvocable<absl::Status(CommitBuilder&, Response*)> change,
                           ResponseDone<Response> done) {
  auto response = std::make_shared<Response>();
  writer_.Submit(std::make_unique<ChangeSubscriptionTask>(
      std::move(subscription),
      [response, change = std::move(change)](CommitBuilder& commit) mutable {
        return change(commit, response.get());
      },
      [response, done = std::move(done)](const absl::Status& status) mutable {
        if (status.ok()) {
          std::move(done)(std::move(*response));
        } else {
          std::move(done)(status);
        }
      }));
}

template <typename Response>
void Subscriptions::ChangeRanges(std::shared_ptr<Subscription> subscription,
                                 std::shared_ptr<const Subscription::RangeWork> work,
                                 std::function<absl::Status()> interrupted,
                                 std::function<absl::Status(CommitBuilder&, Response*)> change,
                                 ResponseDone<Response> done) {
  Change<Response>(
      subscription,
      [change](CommitBuilder& commit, Response* response) { return change(commit, response); },
      [this, subscription, work, interrupted, change,
       done = std::move(done)](absl::StatusOr<Response> response) mutable {
        if (!response.ok() || work->done()) return std::move(done)(std::move(response));
        if (absl::Status status = interrupted(); !status.ok()) return std::move(done)(status);
        ChangeRanges(std::move(subscription), std::move(work), std::move(interrupted),
                     std::move(change), std::move(done));
      });
}

}  // namespace eventhub

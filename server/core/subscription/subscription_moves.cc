#include "server/core/subscription/subscription_moves.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/long_call.h"
#include "server/core/subscription/dispatch/history_reads.h"
#include "server/core/subscription/seek_targets.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// The number of partitions looked up at once: a search by time reads from disk.
constexpr size_t kPartitionsAtOnce = 64;

void Describe(const PartitionRanges& ranges, v1::ReplaySubscriptionResponse* response) {
  for (const PartitionRange& range : ranges) {
    v1::TrimmedRange& described = *response->add_ranges();
    described.set_partition(range.partition.value());
    described.mutable_range()->set_start(range.start.value());
    described.mutable_range()->set_end(range.end.value());
  }
}

void Describe(const std::vector<v1::PartitionMove>& moves, v1::SeekSubscriptionResponse* response) {
  for (const v1::PartitionMove& move : moves) *response->add_moves() = move;
}

}  // namespace

void SubscriptionMoves::Seek(const Caller& caller, const v1::SeekSubscriptionRequest& request,
                             WorkPool& pool, ResponseDone<v1::SeekSubscriptionResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      catalog_.Require("name", request.name());
  if (!subscription.ok()) return std::move(done)(subscription.status());
  const auto places = std::make_shared<SeekTargets>(request, *subscription, context_);
  if (const absl::Status refused = places->Check(); !refused.ok()) return std::move(done)(refused);
  if (!request.dry_run()) {
    done = admin_log_.Noting(caller, absl::StrCat("sought subscription ", request.name()),
                             std::move(done));
  }
  LongCall(pool, caller)
      .ForEach(
          places->steps(), kPartitionsAtOnce, [places](size_t i) { return places->Find(i); },
          [this, places, caller, subscription = *std::move(subscription),
           dry_run = request.dry_run(), done = std::move(done)](const absl::Status& found) mutable {
            if (!found.ok()) return std::move(done)(found);
            Move(subscription, places->Take(), dry_run, caller, std::move(done));
          });
}

void SubscriptionMoves::Move(const std::shared_ptr<Subscription>& subscription,
                             std::vector<SeekPlace> places, bool dry_run, const Caller& caller,
                             ResponseDone<v1::SeekSubscriptionResponse> done) {
  if (dry_run) {
    if (const absl::Status room = subscription->CheckRoom(places); !room.ok()) {
      return std::move(done)(room);
    }
    v1::SeekSubscriptionResponse response;
    Describe(subscription->DescribeMoves(places), &response);
    return std::move(done)(std::move(response));
  }
  const auto work = std::make_shared<SeekWork>();
  work->places = std::move(places);
  // A seek that has begun is completed, whoever waits for it.
  const auto interrupted = [caller, work] {
    return work->begun() ? absl::OkStatus() : caller.Interruption();
  };
  SubmitLongChange<v1::SeekSubscriptionResponse>(
      context_.writer,
      {subscription, [work] { return work->done(); }, interrupted,
       [subscription, work](CommitBuilder& commit,
                            v1::SeekSubscriptionResponse* response) -> absl::Status {
         if (!work->begun()) {
           RETURN_IF_ERROR(ConfirmTargets(*subscription->topic(), work->places));
           RETURN_IF_ERROR(subscription->CheckRoom(work->places));
         }
         subscription->Seek(commit, *work);
         if (work->done()) Describe(work->moves, response);
         return absl::OkStatus();
       }},
      std::move(done));
}

void SubscriptionMoves::Replay(const Caller& caller, const v1::ReplaySubscriptionRequest& request,
                               WorkPool& pool, ResponseDone<v1::ReplaySubscriptionResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      catalog_.Require("name", request.name());
  if (!subscription.ok()) return std::move(done)(subscription.status());
  const auto ranges = std::make_shared<ReplayTargets>(request, (*subscription)->topic(),
                                                      context_.store, context_.history.history());
  if (const absl::Status refused = ranges->Check(); !refused.ok()) return std::move(done)(refused);
  absl::AnyInvocable<void(absl::Status)&&> carry_out =
      [this, ranges, caller, subscription = *std::move(subscription),
       done = std::move(done)](const absl::Status& found) mutable {
        if (!found.ok()) return std::move(done)(found);
        Replay(subscription, ranges->Take(), ranges->request(), caller, std::move(done));
      };
  LongCall(pool, caller)
      .ForEach(
          ranges->partitions(), kPartitionsAtOnce, [ranges](size_t i) { return ranges->Find(i); },
          [this, ranges, caller,
           carry_out = std::move(carry_out)](const absl::Status& found) mutable {
            if (!found.ok() || ranges->unresolved() == 0) return std::move(carry_out)(found);
            WorkPool* const lake = context_.history.pool();
            if (lake == nullptr) {
              return std::move(carry_out)(LakeUnavailable(ranges->topic(), "the hub is stopping"));
            }
            const LongCall call(*lake, caller);
            call.Next([call, ranges, carry_out = std::move(carry_out)]() mutable {
              call.ForEach(
                  ranges->unresolved(), kPartitionsAtOnce,
                  [ranges](size_t i) { return ranges->FindInHistory(i); }, std::move(carry_out));
            });
          });
}

void SubscriptionMoves::Replay(const std::shared_ptr<Subscription>& subscription,
                               PartitionRanges ranges, const v1::ReplaySubscriptionRequest& request,
                               const Caller& caller,
                               ResponseDone<v1::ReplaySubscriptionResponse> done) {
  subscription->LimitToDelivered(ranges);
  if (request.dry_run()) {
    v1::ReplaySubscriptionResponse response;
    Describe(ranges, &response);
    response.set_events(static_cast<uint64_t>(subscription->CountReplay(ranges)));
    return std::move(done)(std::move(response));
  }
  const auto work = std::make_shared<RangeWork>();
  work->ranges = std::move(ranges);
  const auto interrupted = [caller, work] {
    return caller.Interruption(absl::StrCat(work->events, " events were added to the replay"));
  };
  done = admin_log_.NotingParts(
      caller, absl::StrCat("replayed events to subscription ", subscription->name()),
      std::move(done));
  SubmitLongChange<v1::ReplaySubscriptionResponse>(
      context_.writer,
      {subscription, [work] { return work->done(); }, interrupted,
       [subscription, work, request](CommitBuilder& commit,
                                     v1::ReplaySubscriptionResponse* response) -> absl::Status {
         if (subscription->submitted().long_change != nullptr)
           return absl::OkStatus();  // It comes after that.
         const bool first = !work->begun.has_value();
         RETURN_IF_ERROR(
             ConfirmTargets(*subscription->topic(), first && request.start().has_offset(), *work));
         if (first) {
           RETURN_IF_ERROR(subscription->CheckReplayFilter(request));
           subscription->SetReplayTerms(commit, request);
         }
         if (const absl::Status added = subscription->Replay(commit, *work); !added.ok()) {
           return WithMessage(added, absl::StrCat(added.message(), "; before that ", work->events,
                                                  " events were added to the replay"));
         }
         response->Clear();
         Describe(work->ranges, response);
         response->set_events(static_cast<uint64_t>(work->events));
         return absl::OkStatus();
       }},
      std::move(done));
}

void SubscriptionMoves::CancelReplays(const Caller& caller, const std::string& name,
                                      ResponseDone<v1::CancelReplaysResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription = catalog_.Require("name", name);
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  done = admin_log_.NotingParts(
      caller, absl::StrCat("cancelled the replays to subscription ", name), std::move(done));
  const auto work = std::make_shared<RangeWork>();
  SubmitLongChange<v1::CancelReplaysResponse>(
      context_.writer,
      {*subscription, [work] { return work->done(); }, [] { return absl::OkStatus(); },
       [subscription = *subscription, work](CommitBuilder& commit,
                                            v1::CancelReplaysResponse* response) {
         // Replays that earlier commits added end, too.
         if (work->ranges.empty()) work->ranges = subscription->Replays();
         subscription->CancelReplays(commit, *work);
         response->set_events(static_cast<uint64_t>(work->events));
         return absl::OkStatus();
       }},
      std::move(done));
}

}  // namespace eventhub

// Subscriptions taken elsewhere: seek, replay, snapshots.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/stored_time.h"
#include "server/core/base/timestamps.h"
#include "server/core/subscription/subscriptions.h"
#include "server/core/topic/start_position.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// Whether it can be what was kept of that partition.
bool IsSound(const stored::SnapshotPartition& kept, const PartitionLog& log) {
  const int ranges = kept.starts_size();
  const int64_t next = kept.next_offset();
  if (kept.counts_size() != ranges || kept.attempts_size() != ranges) return false;
  if (next < 0 || Offset(next) > log.end()) return false;
  int64_t last = 0;
  for (int i = 0; i < ranges; ++i) {
    const int64_t start = kept.starts(i);
    const int64_t count = kept.counts(i);
    if (start < last || start >= next || count == 0 || count > next - start) return false;
    last = start + count;
  }
  return true;
}

v1::Snapshot Describe(absl::string_view name, const stored::Snapshot& stored) {
  v1::Snapshot snapshot;
  snapshot.set_name(std::string(name));
  *snapshot.mutable_create_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(stored.create_time_micros());
  snapshot.set_lag_events(stored.lag_events());
  return snapshot;
}

// On the commit thread: whether there is one, with what the commit under way does.
absl::StatusOr<bool> HasSnapshot(const LogStore& store, Subscription& subscription,
                                 const std::string& key) {
  const auto changed = subscription.changed_snapshots().find(key);
  if (changed != subscription.changed_snapshots().end()) return changed->second;
  ASSIGN_OR_RETURN(const std::optional<std::string> stored, store.Get(Column::kCursors, key));
  return stored.has_value();
}

void NoteSnapshot(const std::shared_ptr<Subscription>& subscription, const std::string& key,
                  bool exists, CommitBuilder& commit) {
  subscription->changed_snapshots()[key] = exists;
  commit.AddHook(subscription);  // Which clears that when the commit is written.
}

// How many partitions are looked up at once: a search by time reads from the disk.
constexpr size_t kPartitionsAtOnce = 64;

// Where partitions end at this moment: a call is about the log as it is when it is made.
std::vector<Offset> EndsOf(const TopicView& view) {
  std::vector<Offset> ends;
  ends.reserve(view.partitions.size());
  for (const PartitionLog* log : view.partitions) ends.push_back(log->end());
  return ends;
}

// Finds the ranges that a replay is about, one partition after another.
class ReplayRanges {
 public:
  ReplayRanges(v1::ReplaySubscriptionRequest request, std::shared_ptr<Topic> topic,
               const LogStore& store)
      : request_(std::move(request)),
        topic_(std::move(topic)),
        store_(store),
        view_(topic_->view()),
        ends_(EndsOf(*view_)) {}

  absl::Status Check() {
    if (request_.start().position_case() == v1::StartPosition::POSITION_NOT_SET) {
      return InvalidField("start", "is required");
    }
    partitions_.assign(request_.partitions().begin(), request_.partitions().end());
    if (partitions_.empty()) {
      for (const PartitionLog* log : view_->partitions) partitions_.push_back(log->id().value());
    }
    std::sort(partitions_.begin(), partitions_.end());
    for (size_t i = 0; i < partitions_.size(); ++i) {
      if (partitions_[i] >= view_->partitions.size()) {
        return PartitionNotFound(topic_->name(), partitions_[i], view_->partitions.size());
      }
      if (i > 0 && partitions_[i - 1] == partitions_[i]) {
        return InvalidField("partitions",
                            absl::StrCat("names partition ", partitions_[i], " twice"));
      }
    }
    return absl::OkStatus();
  }

  size_t partitions() const { return partitions_.size(); }

  absl::Status Find(size_t i) {
    PartitionLog& log = *view_->partitions[partitions_[i]];
    ASSIGN_OR_RETURN(const Offset start,
                     ResolveStart(request_.start(), topic_->name(), log, store_));
    Offset end = ends_[partitions_[i]];
    if (request_.has_stop_offset()) end = std::min(end, Offset(request_.stop_offset()));
    if (request_.has_stop_time()) {
      ASSIGN_OR_RETURN(const Offset stop, SeekTime(log, store_, ToTime(request_.stop_time())));
      end = std::min(end, stop);
    }
    if (start < end) ranges_.push_back({log.id(), start, end});
    return absl::OkStatus();
  }

  const v1::ReplaySubscriptionRequest& request() const { return request_; }
  PartitionRanges& ranges() { return ranges_; }

 private:
  const v1::ReplaySubscriptionRequest request_;
  const std::shared_ptr<Topic> topic_;
  const LogStore& store_;
  const std::shared_ptr<const TopicView> view_;
  const std::vector<Offset> ends_;
  std::vector<uint32_t> partitions_;
  PartitionRanges ranges_;
};

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

// These two move what was found, and is still to be done, to where the log begins at the commit, or
// refuse it: see ConfirmStart. What a snapshot has before that is lost to the subscription.
absl::Status Confirm(const Topic& topic, std::vector<Subscription::Place>& places) {
  const std::shared_ptr<const TopicView> view = topic.view();
  for (Subscription::Place& place : places) {
    if (!place.pending.empty()) continue;
    const PartitionLog& log = *view->partitions[place.partition.value()];
    ASSIGN_OR_RETURN(place.next, ConfirmStart(place.next, place.named, topic.name(), log));
  }
  return absl::OkStatus();
}

absl::Status Confirm(const Topic& topic, bool named, Subscription::RangeWork& work) {
  const std::shared_ptr<const TopicView> view = topic.view();
  for (size_t i = work.range; i < work.ranges.size(); ++i) {
    PartitionRange& range = work.ranges[i];
    const PartitionLog& log = *view->partitions[range.partition.value()];
    ASSIGN_OR_RETURN(range.start, ConfirmStart(range.start, named, topic.name(), log));
    range.end = std::max(range.start, range.end);
  }
  return absl::OkStatus();
}

// Finds the places that a seek goes to, one partition after another.
class SeekPlaces {
 public:
  SeekPlaces(v1::SeekSubscriptionRequest request, std::shared_ptr<Subscription> subscription,
             const SubscriptionContext& context)
      : request_(std::move(request)),
        subscription_(std::move(subscription)),
        store_(context.store),
        writer_(context.writer),
        view_(subscription_->topic()->view()),
        ends_(EndsOf(*view_)),
        places_(view_->partitions.size()) {}

  const Subscription& subscription() const { return *subscription_; }

  absl::Status Check() {
    if (request_.target_case() == v1::SeekSubscriptionRequest::kSnapshot) return TakeSnapshot();
    if (request_.target_case() != v1::SeekSubscriptionRequest::kStart &&
        request_.offsets().empty()) {
      return InvalidField("target", "is required: a start, a snapshot, or offsets");
    }
    return absl::OkStatus();
  }

  // What Find is to be called for: the partitions, if there is a start; then the single offsets.
  size_t steps() const { return starts() + static_cast<size_t>(request_.offsets_size()); }

  absl::Status Find(size_t step) {
    if (step < starts()) return FindStart(step);
    return FindExact(request_.offsets(static_cast<int>(step - starts())));
  }

  std::vector<Subscription::Place> Take() {
    std::vector<Subscription::Place> list;
    for (std::optional<Subscription::Place>& place : places_) {
      if (place.has_value()) list.push_back(*std::move(place));
    }
    return list;
  }

 private:
  size_t starts() const {
    const bool start = request_.target_case() == v1::SeekSubscriptionRequest::kStart;
    return start ? places_.size() : 0;
  }

  absl::Status TakeSnapshot() {
    const std::string& name = request_.snapshot();
    ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                     store_.Get(Column::kCursors, SnapshotKey(subscription_->id(), name)));
    // It may just have been made, or deleted.
    RETURN_IF_ERROR(OutcomeOf({}, writer_.AwaitVisible()));
    if (!stored.has_value()) return SnapshotNotFound(subscription_->name(), name);
    const absl::Status damaged =
        absl::DataLossError(absl::StrCat("snapshot ", name, " is damaged"));
    stored::Snapshot snapshot;
    if (!snapshot.ParseFromString(*stored)) return damaged;
    for (const stored::SnapshotPartition& kept : snapshot.partitions()) {
      if (kept.partition() >= places_.size() ||
          !IsSound(kept, *view_->partitions[kept.partition()])) {
        return damaged;
      }
      places_[kept.partition()] = {
          PartitionId(kept.partition()), Offset(kept.next_offset()), false, {kept}};
    }
    return absl::OkStatus();
  }

  absl::Status FindStart(size_t partition) {
    const PartitionLog& log = *view_->partitions[partition];
    ASSIGN_OR_RETURN(const Offset offset,
                     ResolveStart(request_.start(), subscription_->topic()->name(), log, store_));
    // An offset is meant as it is given; of what else may lie at the end, the end is that of the
    // call.
    const bool named = request_.start().has_offset();
    places_[partition] = {log.id(), named ? offset : std::min(offset, ends_[partition]), named, {}};
    return absl::OkStatus();
  }

  absl::Status FindExact(const v1::PartitionOffset& exact) {
    const std::string& topic = subscription_->topic()->name();
    if (exact.partition() >= places_.size()) {
      return PartitionNotFound(topic, exact.partition(), places_.size());
    }
    const PartitionLog& log = *view_->partitions[exact.partition()];
    RETURN_IF_ERROR(CheckPlace(exact, topic, log, store_));
    v1::StartPosition start;
    start.set_offset(exact.offset());
    ASSIGN_OR_RETURN(const Offset offset, ResolveStart(start, topic, log, store_));
    places_[exact.partition()] = {log.id(), offset, true, {}};
    return absl::OkStatus();
  }

  const v1::SeekSubscriptionRequest request_;
  const std::shared_ptr<Subscription> subscription_;
  const LogStore& store_;
  LogWriter& writer_;
  const std::shared_ptr<const TopicView> view_;
  const std::vector<Offset> ends_;
  std::vector<std::optional<Subscription::Place>> places_;  // By partition.
};

}  // namespace

void Subscriptions::Seek(const v1::SeekSubscriptionRequest& request, LongCall call,
                         ResponseDone<v1::SeekSubscriptionResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("name", request.name());
  if (!subscription.ok()) return std::move(done)(subscription.status());
  const auto places = std::make_shared<SeekPlaces>(request, *subscription, context_);
  if (const absl::Status refused = places->Check(); !refused.ok()) return std::move(done)(refused);
  call.ForEach(
      places->steps(), kPartitionsAtOnce, [places](size_t i) { return places->Find(i); },
      [this, places, subscription = *std::move(subscription), dry_run = request.dry_run(),
       done = std::move(done)](const absl::Status& found) mutable {
        if (!found.ok()) return std::move(done)(found);
        Move(subscription, places->Take(), dry_run, std::move(done));
      });
}

void Subscriptions::Move(const std::shared_ptr<Subscription>& subscription,
                         std::vector<Subscription::Place> places, bool dry_run,
                         ResponseDone<v1::SeekSubscriptionResponse> done) {
  if (dry_run) {
    v1::SeekSubscriptionResponse response;
    Describe(subscription->DescribeMoves(places), &response);
    return std::move(done)(std::move(response));
  }
  Change<v1::SeekSubscriptionResponse>(
      subscription,
      [subscription, places = std::move(places)](
          CommitBuilder& commit, v1::SeekSubscriptionResponse* response) mutable -> absl::Status {
        RETURN_IF_ERROR(Confirm(*subscription->topic(), places));
        Describe(subscription->DescribeMoves(places), response);
        subscription->Seek(commit, places);
        return absl::OkStatus();
      },
      std::move(done));
}

void Subscriptions::Replay(const v1::ReplaySubscriptionRequest& request, LongCall call,
                           ResponseDone<v1::ReplaySubscriptionResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("name", request.name());
  if (!subscription.ok()) return std::move(done)(subscription.status());
  const auto ranges =
      std::make_shared<ReplayRanges>(request, (*subscription)->topic(), context_.store);
  if (const absl::Status refused = ranges->Check(); !refused.ok()) return std::move(done)(refused);
  call.ForEach(
      ranges->partitions(), kPartitionsAtOnce, [ranges](size_t i) { return ranges->Find(i); },
      [this, ranges, call, subscription = *std::move(subscription),
       done = std::move(done)](const absl::Status& found) mutable {
        if (!found.ok()) return std::move(done)(found);
        Replay(subscription, std::move(ranges->ranges()), ranges->request(), call, std::move(done));
      });
}

void Subscriptions::Replay(const std::shared_ptr<Subscription>& subscription,
                           PartitionRanges ranges, const v1::ReplaySubscriptionRequest& request,
                           const LongCall& call,
                           ResponseDone<v1::ReplaySubscriptionResponse> done) {
  subscription->CutToDelivered(ranges);
  if (request.dry_run()) {
    v1::ReplaySubscriptionResponse response;
    Describe(ranges, &response);
    response.set_events(static_cast<uint64_t>(subscription->CountReplay(ranges)));
    return std::move(done)(std::move(response));
  }
  const auto work = std::make_shared<Subscription::RangeWork>();
  work->ranges = std::move(ranges);
  const auto interrupted = [call, work] {
    return call.cancelled() ? absl::CancelledError(
                                  absl::StrCat("the call was cancelled; before that ", work->events,
                                               " events were added to the replay"))
                            : absl::OkStatus();
  };
  ChangeRanges<v1::ReplaySubscriptionResponse>(
      subscription, work, interrupted,
      [subscription, work, named = request.start().has_offset(), limit = request.rate_limit()](
          CommitBuilder& commit, v1::ReplaySubscriptionResponse* response) -> absl::Status {
        const bool first = work->range == 0 && work->from == Offset(0);
        RETURN_IF_ERROR(Confirm(*subscription->topic(), first && named, *work));
        if (first) subscription->SetReplayRate(commit, limit);
        subscription->Replay(commit, *work);
        response->Clear();
        Describe(work->ranges, response);
        response->set_events(static_cast<uint64_t>(work->events));
        return absl::OkStatus();
      },
      std::move(done));
}

void Subscriptions::CancelReplays(const std::string& name,
                                  ResponseDone<v1::CancelReplaysResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription = FindSubscription("name", name);
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  const auto work = std::make_shared<Subscription::RangeWork>();
  ChangeRanges<v1::CancelReplaysResponse>(
      *subscription, work, [] { return absl::OkStatus(); },
      [subscription = *subscription, work](CommitBuilder& commit,
                                           v1::CancelReplaysResponse* response) {
        // What commits before this one added is to end, too.
        if (work->ranges.empty()) work->ranges = subscription->Replays();
        subscription->CancelReplays(commit, *work);
        response->set_events(static_cast<uint64_t>(work->events));
        return absl::OkStatus();
      },
      std::move(done));
}

// ---- Snapshots

void Subscriptions::CreateSnapshot(const v1::CreateSnapshotRequest& request,
                                   ResponseDone<v1::CreateSnapshotResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("subscription", request.subscription());
  const absl::Status status =
      subscription.ok() ? CheckName("name", request.name()) : subscription.status();
  if (!status.ok()) {
    std::move(done)(status);
    return;
  }
  Change<v1::CreateSnapshotResponse>(
      *subscription,
      [this, subscription = *subscription, name = request.name()](
          CommitBuilder& commit, v1::CreateSnapshotResponse* response) -> absl::Status {
        const std::string key = SnapshotKey(subscription->id(), name);
        ASSIGN_OR_RETURN(const bool exists, HasSnapshot(context_.store, *subscription, key));
        if (exists) return SnapshotExists(subscription->name(), name);
        const stored::Snapshot snapshot = subscription->TakeSnapshot();
        commit.Put(Column::kCursors, key, snapshot.SerializeAsString());
        NoteSnapshot(subscription, key, true, commit);
        *response->mutable_snapshot() = Describe(name, snapshot);
        return absl::OkStatus();
      },
      std::move(done));
}

absl::StatusOr<v1::ListSnapshotsResponse> Subscriptions::ListSnapshots(
    const std::string& name) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   FindSubscription("subscription", name));
  v1::ListSnapshotsResponse response;
  absl::Status status;
  RETURN_IF_ERROR(context_.store.Scan(
      Column::kCursors, SnapshotPrefix(subscription->id()),
      [&](absl::string_view encoded, absl::string_view value) {
        const std::optional<CursorsKey> key = ParseCursorsKey(encoded);
        stored::Snapshot snapshot;
        if (!key.has_value() ||
            !snapshot.ParseFromArray(value.data(), static_cast<int>(value.size())) ||
            !IsStoredTime(snapshot.create_time_micros())) {
          status = absl::DataLossError(absl::StrCat("a snapshot of ", name, " is damaged"));
          return false;
        }
        *response.add_snapshots() = Describe(key->name, snapshot);
        return true;
      }));
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(OutcomeOf({}, writer_.AwaitVisible()));
  return response;
}

void Subscriptions::DeleteSnapshot(const v1::DeleteSnapshotRequest& request, StatusDone done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("subscription", request.subscription());
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  writer_.Submit(std::make_unique<ChangeSubscriptionTask>(
      *subscription,
      [this, subscription = *subscription,
       name = request.name()](CommitBuilder& commit) -> absl::Status {
        const std::string key = SnapshotKey(subscription->id(), name);
        ASSIGN_OR_RETURN(const bool exists, HasSnapshot(context_.store, *subscription, key));
        if (!exists) return SnapshotNotFound(subscription->name(), name);
        commit.Delete(Column::kCursors, key);
        NoteSnapshot(subscription, key, false, commit);
        return absl::OkStatus();
      },
      std::move(done)));
}

}  // namespace eventhub

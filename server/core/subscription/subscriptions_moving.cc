// Subscriptions taken elsewhere: seek, replay, snapshots.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/errors.h"
#include "server/core/field_checks.h"
#include "server/core/start_position.h"
#include "server/core/subscription/stored_time.h"
#include "server/core/subscription/subscriptions.h"
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

// The ranges that a replay is about.
absl::StatusOr<PartitionRanges> RangesOf(const v1::ReplaySubscriptionRequest& request,
                                         const Topic& topic, const LogStore& store) {
  if (request.start().position_case() == v1::StartPosition::POSITION_NOT_SET) {
    return InvalidField("start", "is required");
  }
  const std::shared_ptr<const TopicView> view = topic.view();
  std::vector<uint32_t> partitions(request.partitions().begin(), request.partitions().end());
  if (partitions.empty()) {
    for (PartitionLog* log : view->partitions) partitions.push_back(log->id().value());
  }
  std::sort(partitions.begin(), partitions.end());
  PartitionRanges ranges;
  for (size_t i = 0; i < partitions.size(); ++i) {
    const uint32_t p = partitions[i];
    if (p >= view->partitions.size()) {
      return PartitionNotFound(topic.name(), p, view->partitions.size());
    }
    if (i > 0 && partitions[i - 1] == p) {
      return InvalidField("partitions", absl::StrCat("names partition ", p, " twice"));
    }
    PartitionLog& log = *view->partitions[p];
    ASSIGN_OR_RETURN(const Offset start, ResolveStart(request.start(), topic.name(), log, store));
    Offset end = log.end();
    if (request.has_stop_offset()) end = std::min(end, Offset(request.stop_offset()));
    if (request.has_stop_time()) {
      ASSIGN_OR_RETURN(const Offset stop, SeekTime(log, store, ToTime(request.stop_time())));
      end = std::min(end, stop);
    }
    if (start < end) ranges.push_back({log.id(), start, end});
  }
  return ranges;
}

void Describe(const PartitionRanges& ranges, v1::ReplaySubscriptionResponse* response) {
  for (const PartitionRange& range : ranges) {
    v1::TrimmedRange& described = *response->add_ranges();
    described.set_partition(range.partition.value());
    described.mutable_range()->set_start(range.start.value());
    described.mutable_range()->set_end(range.end.value());
  }
}

}  // namespace

absl::StatusOr<std::vector<Subscription::Place>> Subscriptions::PlacesOf(
    const v1::SeekSubscriptionRequest& request, const Subscription& subscription) const {
  const std::shared_ptr<const TopicView> view = subscription.topic()->view();
  std::vector<std::optional<Subscription::Place>> places(view->partitions.size());
  if (request.target_case() == v1::SeekSubscriptionRequest::kSnapshot) {
    ASSIGN_OR_RETURN(
        const std::optional<std::string> stored,
        context_.store.Get(Column::kCursors, SnapshotKey(subscription.id(), request.snapshot())));
    if (!stored.has_value()) return SnapshotNotFound(subscription.name(), request.snapshot());
    // It may just have been made.
    RETURN_IF_ERROR(OutcomeOf({}, writer_.AwaitVisible()));
    stored::Snapshot snapshot;
    if (!snapshot.ParseFromString(*stored)) {
      return absl::DataLossError(absl::StrCat("snapshot ", request.snapshot(), " is damaged"));
    }
    for (const stored::SnapshotPartition& partition : snapshot.partitions()) {
      if (partition.partition() >= places.size() ||
          !IsSound(partition, *view->partitions[partition.partition()])) {
        return absl::DataLossError(absl::StrCat("snapshot ", request.snapshot(), " is damaged"));
      }
      places[partition.partition()] = {
          PartitionId(partition.partition()), Offset(partition.next_offset()), {partition}};
    }
  } else if (request.target_case() == v1::SeekSubscriptionRequest::kStart) {
    for (PartitionLog* log : view->partitions) {
      ASSIGN_OR_RETURN(
          const Offset offset,
          ResolveStart(request.start(), subscription.topic()->name(), *log, context_.store));
      places[log->id().value()] = {log->id(), offset, {}};
    }
  } else if (request.offsets().empty()) {
    return InvalidField("target", "is required: a start, a snapshot, or offsets");
  }
  for (const v1::PartitionOffset& exact : request.offsets()) {
    if (exact.partition() >= places.size()) {
      return PartitionNotFound(subscription.topic()->name(), exact.partition(), places.size());
    }
    PartitionLog* const log = view->partitions[exact.partition()];
    RETURN_IF_ERROR(CheckPlace(exact, subscription.topic()->name(), *log, context_.store));
    v1::StartPosition start;
    start.set_offset(exact.offset());
    ASSIGN_OR_RETURN(const Offset offset,
                     ResolveStart(start, subscription.topic()->name(), *log, context_.store));
    places[exact.partition()] = {log->id(), offset, {}};
  }
  std::vector<Subscription::Place> list;
  for (std::optional<Subscription::Place>& place : places) {
    if (place.has_value()) list.push_back(*std::move(place));
  }
  return list;
}

void Subscriptions::Seek(const v1::SeekSubscriptionRequest& request,
                         ResponseDone<v1::SeekSubscriptionResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("name", request.name());
  absl::StatusOr<std::vector<Subscription::Place>> places =
      subscription.ok() ? PlacesOf(request, **subscription) : subscription.status();
  if (!places.ok()) {
    std::move(done)(places.status());
    return;
  }
  v1::SeekSubscriptionResponse response;
  for (const v1::PartitionMove& move : (*subscription)->DescribeMoves(*places)) {
    *response.add_moves() = move;
  }
  if (request.dry_run()) {
    std::move(done)(std::move(response));
    return;
  }
  Change<v1::SeekSubscriptionResponse>(
      *subscription,
      [subscription = *subscription, places = *std::move(places), response = std::move(response)](
          CommitBuilder& commit, v1::SeekSubscriptionResponse* answer) {
        subscription->Seek(commit, places);
        *answer = response;
        return absl::OkStatus();
      },
      std::move(done));
}

void Subscriptions::Replay(const v1::ReplaySubscriptionRequest& request,
                           ResponseDone<v1::ReplaySubscriptionResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("name", request.name());
  absl::StatusOr<PartitionRanges> ranges =
      subscription.ok() ? RangesOf(request, *(*subscription)->topic(), context_.store)
                        : subscription.status();
  if (!ranges.ok()) {
    std::move(done)(ranges.status());
    return;
  }
  (*subscription)->CutToDelivered(*ranges);
  v1::ReplaySubscriptionResponse response;
  Describe(*ranges, &response);
  if (request.dry_run()) {
    response.set_events(static_cast<uint64_t>((*subscription)->CountReplay(*ranges)));
    std::move(done)(std::move(response));
    return;
  }
  Change<v1::ReplaySubscriptionResponse>(
      *subscription,
      [subscription = *subscription, ranges = *std::move(ranges), response = std::move(response),
       limit = request.rate_limit()](CommitBuilder& commit,
                                     v1::ReplaySubscriptionResponse* answer) {
        *answer = response;
        subscription->SetReplayRate(commit, limit);
        answer->set_events(static_cast<uint64_t>(subscription->Replay(commit, ranges)));
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
  Change<v1::CancelReplaysResponse>(
      *subscription,
      [subscription = *subscription](CommitBuilder& commit, v1::CancelReplaysResponse* response) {
        response->set_events(static_cast<uint64_t>(subscription->CancelReplays(commit)));
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

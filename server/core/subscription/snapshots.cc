#include "server/core/subscription/snapshots.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/stored_time.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

v1::Snapshot DescribeSnapshot(absl::string_view name, const stored::Snapshot& stored) {
  v1::Snapshot snapshot;
  snapshot.set_name(std::string(name));
  *snapshot.mutable_create_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(stored.create_time_micros());
  snapshot.set_lag_events(stored.lag_events());
  return snapshot;
}

// On the commit thread: whether the snapshot exists, including changes of the commit in progress.
absl::StatusOr<bool> HasSnapshot(const LogStore& store, Subscription& subscription,
                                 const std::string& key) {
  const auto changed = subscription.submitted().changed_snapshots.find(key);
  if (changed != subscription.submitted().changed_snapshots.end()) return changed->second;
  ASSIGN_OR_RETURN(const std::optional<std::string> stored, store.Get(Column::kCursors, key));
  return stored.has_value();
}

void NoteSnapshot(const std::shared_ptr<Subscription>& subscription, const std::string& key,
                  bool exists, CommitBuilder& commit) {
  subscription->submitted().changed_snapshots[key] = exists;
  commit.AddHook(subscription);  // The hook clears it when the commit is written.
}

template <typename Request>
std::string NoteOf(absl::string_view verb, const Request& request) {
  return absl::StrCat(verb, " snapshot ", request.name(), " of subscription ",
                      request.subscription());
}

}  // namespace

void Snapshots::Create(const Caller& caller, const v1::CreateSnapshotRequest& request,
                       ResponseDone<v1::CreateSnapshotResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      catalog_.Require("subscription", request.subscription());
  const absl::Status status =
      subscription.ok() ? CheckName("name", request.name()) : subscription.status();
  if (!status.ok()) {
    std::move(done)(status);
    return;
  }
  done = admin_log_.Noting(caller, NoteOf("created", request), std::move(done));
  const auto work = std::make_shared<SnapshotWork>();
  SubmitLongChange<v1::CreateSnapshotResponse>(
      context_.writer,
      {*subscription, [work] { return work->done(); }, [] { return absl::OkStatus(); },
       [this, work, subscription = *subscription, name = request.name()](
           CommitBuilder& commit, v1::CreateSnapshotResponse* response) -> absl::Status {
         const std::string key = SnapshotKey(subscription->id(), name);
         if (!work->begun()) {
           if (subscription->submitted().long_change != nullptr)
             return absl::OkStatus();  // It comes after that.
           ASSIGN_OR_RETURN(const bool exists, HasSnapshot(context_.store, *subscription, key));
           if (exists) return SnapshotExists(subscription->name(), name);
         }
         subscription->TakeSnapshot(*work);
         if (!work->done()) return absl::OkStatus();
         commit.Put(Column::kCursors, key, work->Encoded());
         NoteSnapshot(subscription, key, true, commit);
         *response->mutable_snapshot() = DescribeSnapshot(name, work->header);
         return absl::OkStatus();
       }},
      std::move(done));
}

absl::StatusOr<v1::ListSnapshotsResponse> Snapshots::List(const Caller& /*caller*/,
                                                          const std::string& name) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   catalog_.Require("subscription", name));
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
        *response.add_snapshots() = DescribeSnapshot(key->name, snapshot);
        return true;
      }));
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(OutcomeOf({}, context_.writer.AwaitVisible()));
  return response;
}

void Snapshots::Delete(const Caller& caller, const v1::DeleteSnapshotRequest& request,
                       StatusDone done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      catalog_.Require("subscription", request.subscription());
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  done = admin_log_.Noting(caller, NoteOf("deleted", request), std::move(done));
  context_.writer.Submit(std::make_unique<ChangeSubscriptionTask>(
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

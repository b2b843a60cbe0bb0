#include "server/lake/manifest/owner.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/lake/manifest/manifest.pb.h"
#include "server/lake/manifest/step_log.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr char kOwners[] = "_lake/owner";
constexpr uint32_t kOwnerVersion = 1;

absl::StatusOr<LakeOwner> ParseOwner(uint64_t epoch, absl::string_view payload) {
  OwnerRecord record;
  if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
      record.hub().empty()) {
    return absl::DataLossError(absl::StrCat("the owner record ", epoch, " is damaged"));
  }
  if (record.version() != kOwnerVersion) {
    return absl::UnimplementedError(absl::StrCat("the owner record ", epoch, " has version ",
                                                 record.version(), "; this program knows version ",
                                                 kOwnerVersion));
  }
  return LakeOwner{.hub = record.hub(),
                   .epoch = epoch,
                   .description = record.description(),
                   .since = absl::FromUnixMicros(record.time_micros()),
                   .takeover = record.takeover()};
}

// The last record that is visited is the owner. A checkpoint is the record of its number.
StepLog::Visit KeepLast(std::optional<LakeOwner>* owner) {
  return [owner](RecordKind, uint64_t number, absl::string_view payload) -> absl::Status {
    ASSIGN_OR_RETURN(*owner, ParseOwner(number, payload));
    return absl::OkStatus();
  };
}

std::string NameOf(const LakeOwner& owner) {
  return absl::StrCat("hub ", owner.hub,
                      owner.description.empty() ? "" : absl::StrCat(" (", owner.description, ")"),
                      " since ", absl::FormatTime(owner.since, absl::UTCTimeZone()));
}

}  // namespace

absl::StatusOr<std::optional<LakeOwner>> ReadOwner(const ObjectStore& store) {
  std::optional<LakeOwner> owner;
  RETURN_IF_ERROR(StepLog::Read(store, kOwners, KeepLast(&owner)));
  return owner;
}

absl::StatusOr<LakeOwner> ClaimLake(ObjectStore& store, const LakeClaim& claim) {
  if (claim.hub.empty()) return absl::InvalidArgumentError("a hub without an id claims a lake");
  StepLog log(store, kOwners);
  std::optional<LakeOwner> before;
  RETURN_IF_ERROR(log.Load(KeepLast(&before)));
  if (before && before->hub != claim.hub && !claim.takeover) {
    return absl::FailedPreconditionError(absl::StrCat("the lake ", store.Describe(),
                                                      " belongs to another hub: ", NameOf(*before),
                                                      ". Two hubs cannot write one lake"));
  }
  OwnerRecord record;
  record.set_version(kOwnerVersion);
  record.set_hub(claim.hub);
  record.set_description(claim.description);
  record.set_time_micros(absl::ToUnixMicros(claim.now));
  record.set_takeover(before && before->hub != claim.hub);
  const std::string payload = record.SerializeAsString();
  RETURN_IF_ERROR(log.Append(payload));
  // It saves later claims and readers the walk over all epochs; without it they take longer.
  log.WriteCheckpoint(payload).IgnoreError();
  return ParseOwner(log.last_step(), payload);
}

absl::Status CheckOwner(const ObjectStore& store, const LakeOwner& owner) {
  const std::string next = StepLog::StepName(kOwners, owner.epoch + 1);
  const absl::StatusOr<uint64_t> size = store.Size(next);
  if (absl::IsNotFound(size.status())) return absl::OkStatus();
  RETURN_IF_ERROR(size.status());
  ASSIGN_OR_RETURN(const std::optional<LakeOwner> now, ReadOwner(store));
  return absl::AbortedError(absl::StrCat("the lake ", store.Describe(), " was taken over by ",
                                         now ? NameOf(*now) : "another hub"));
}

}  // namespace eventhub::lake

#include "server/lake/manifest/hub_record.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/lake/manifest/step_log.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr uint32_t kHubVersion = 1;

std::string NameOf(uint64_t epoch) { return absl::StrFormat("_lake/hub/%020d", epoch); }

}  // namespace

absl::StatusOr<std::optional<HubRecord>> ReadHubRecord(const ObjectStore& store) {
  ASSIGN_OR_RETURN(const std::optional<LakeOwner> owner, ReadOwner(store));
  if (!owner) return std::nullopt;
  for (uint64_t epoch = owner->epoch; epoch > 0; --epoch) {
    const std::string name = NameOf(epoch);
    const absl::StatusOr<std::string> file = store.Get(name, 0, ObjectStore::kToEnd);
    if (absl::IsNotFound(file.status())) continue;
    RETURN_IF_ERROR(file.status());
    ASSIGN_OR_RETURN(const absl::string_view payload,
                     DecodeRecord(name, RecordKind::kHub, epoch, *file));
    HubRecord record;
    if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
      return absl::DataLossError(absl::StrCat(name, " is damaged"));
    }
    if (record.version() != kHubVersion) {
      return absl::UnimplementedError(absl::StrCat(name, " has version ", record.version(),
                                                   "; this program knows version ", kHubVersion));
    }
    return record;
  }
  return std::nullopt;
}

absl::Status WriteHubRecord(ObjectStore& store, const LakeOwner& owner, HubRecord record) {
  record.set_version(kHubVersion);
  record.set_hub(owner.hub);
  return store.Put(NameOf(owner.epoch),
                   EncodeRecord(RecordKind::kHub, owner.epoch, record.SerializeAsString()));
}

}  // namespace eventhub::lake

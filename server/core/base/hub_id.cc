#include "server/core/base/hub_id.h"

#include <optional>
#include <random>

#include "absl/strings/escaping.h"
#include "storage/base/status_macros.h"
#include "storage/commit_builder.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr size_t kHubIdBytes = 16;

}  // namespace

absl::StatusOr<std::string> TakeHubId(LogStore& store, absl::Time now) {
  ASSIGN_OR_RETURN(const std::optional<std::string> stored, store.Get(Column::kMeta, kHubIdKey));
  if (stored.has_value()) {
    if (stored->size() != kHubIdBytes) {
      return absl::DataLossError("the record of the hub's id is damaged");
    }
    return absl::BytesToHexString(*stored);
  }
  std::random_device random;
  std::string id;
  while (id.size() < kHubIdBytes) AppendLittle32(&id, random());
  CommitBuilder commit(store, now, id.size());
  commit.Put(Column::kMeta, kHubIdKey, id);
  RETURN_IF_ERROR(commit.Write(store));
  return absl::BytesToHexString(id);
}

}  // namespace eventhub

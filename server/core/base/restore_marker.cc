#include "server/core/base/restore_marker.h"

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// In column `meta`.
constexpr absl::string_view kRestoreKey = "b";
constexpr uint32_t kMarkerVersion = 1;
constexpr size_t kHeaderBytes = 4;

}  // namespace

absl::StatusOr<std::optional<std::string>> ReadRestoreMarker(const LogStore& store) {
  ASSIGN_OR_RETURN(const std::optional<std::string> record, store.Get(Column::kMeta, kRestoreKey));
  if (!record.has_value()) return std::nullopt;
  if (record->size() < kHeaderBytes || LoadLittle32(record->data()) != kMarkerVersion) {
    return absl::DataLossError("the record of the restore is damaged");
  }
  return record->substr(kHeaderBytes);
}

void PutRestoreMarker(absl::string_view from, CommitBuilder& commit) {
  std::string record;
  AppendLittle32(&record, kMarkerVersion);
  absl::StrAppend(&record, from);
  commit.Put(Column::kMeta, kRestoreKey, record);
}

void DeleteRestoreMarker(CommitBuilder& commit) { commit.Delete(Column::kMeta, kRestoreKey); }

}  // namespace eventhub

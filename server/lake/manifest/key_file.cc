#include "server/lake/manifest/key_file.h"

#include "absl/strings/str_format.h"
#include "server/lake/manifest/step_log.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr absl::string_view kErasuresFile = "_lake/erasures";

std::string NameOfPart(uint32_t part) { return absl::StrFormat("_lake/keys/%02x", part); }

absl::StatusOr<std::string> ReadFile(const ObjectStore& store, absl::string_view name,
                                     RecordKind kind, uint64_t number) {
  const absl::StatusOr<std::string> file = store.Get(name, 0, ObjectStore::kToEnd);
  if (absl::IsNotFound(file.status())) return std::string();
  RETURN_IF_ERROR(file.status());
  ASSIGN_OR_RETURN(const absl::string_view payload, DecodeRecord(name, kind, number, *file));
  return std::string(payload);
}

}  // namespace

absl::StatusOr<std::string> ReadKeys(const ObjectStore& store, uint32_t part) {
  return ReadFile(store, NameOfPart(part), RecordKind::kKeys, part);
}

absl::StatusOr<std::string> ReadErasures(const ObjectStore& store) {
  return ReadFile(store, kErasuresFile, RecordKind::kErasures, 0);
}

absl::Status WriteKeys(ObjectStore& store, uint32_t part, absl::string_view keys, bool purge) {
  const std::string name = NameOfPart(part);
  RETURN_IF_ERROR(store.Put(name, EncodeRecord(RecordKind::kKeys, part, keys)));
  return purge ? store.RemoveOldVersions(name) : absl::OkStatus();
}

absl::Status WriteErasures(ObjectStore& store, absl::string_view erasures) {
  return store.Put(kErasuresFile, EncodeRecord(RecordKind::kErasures, 0, erasures));
}

}  // namespace eventhub::lake

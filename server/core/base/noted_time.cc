#include "server/core/base/noted_time.h"

#include <string>

#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kBytes = 12;

}  // namespace

absl::StatusOr<std::optional<absl::Time>> ReadNotedTime(const LogStore& store) {
  ASSIGN_OR_RETURN(const std::optional<std::string> record,
                   store.Get(Column::kMeta, kNotedTimeKey));
  if (!record.has_value()) return std::nullopt;
  if (record->size() != kBytes || LoadLittle32(record->data()) != kVersion) {
    return absl::DataLossError("the record of the hub's clock is damaged");
  }
  return absl::FromUnixMicros(static_cast<int64_t>(LoadLittle64(record->data() + 4)));
}

void NoteTimeTask::Prepare(CommitBuilder& commit) {
  std::string record;
  AppendLittle32(&record, kVersion);
  AppendLittle64(&record, static_cast<uint64_t>(absl::ToUnixMicros(commit.now())));
  commit.Put(Column::kMeta, kNotedTimeKey, record);
}

}  // namespace eventhub

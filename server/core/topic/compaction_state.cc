#include "server/core/topic/compaction_state.h"

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kStateVersion = 1;
constexpr size_t kStateBytes = 60;

void AppendPosition(std::string* to, const LogPosition& position) {
  AppendLittle64(to, static_cast<uint64_t>(position.offset.value()));
  AppendLittle64(to, position.bytes_before);
}

LogPosition PositionAt(const char* from) {
  return {Offset(static_cast<int64_t>(LoadLittle64(from))), LoadLittle64(from + 8)};
}

}  // namespace

std::string CompactionState::Encode() const {
  std::string value;
  AppendLittle32(&value, kStateVersion);
  AppendPosition(&value, compacted_to);
  AppendLittle64(&value, removed.events);
  AppendLittle64(&value, removed.bytes);
  AppendLittle64(&value, static_cast<uint64_t>(next.value()));
  AppendPosition(&value, end);
  return value;
}

absl::StatusOr<CompactionState> CompactionState::Decode(absl::string_view value) {
  if (value.size() != kStateBytes || LoadLittle32(value.data()) != kStateVersion) {
    return absl::DataLossError(absl::StrCat("the state of a compaction, of ", value.size(),
                                            " bytes, does not have version ", kStateVersion));
  }
  CompactionState state;
  state.compacted_to = PositionAt(value.data() + 4);
  state.removed = {LoadLittle64(value.data() + 20), LoadLittle64(value.data() + 28)};
  state.next = Offset(static_cast<int64_t>(LoadLittle64(value.data() + 36)));
  state.end = PositionAt(value.data() + 44);
  if (state.next < Offset(0) || state.next > state.end.offset) {
    return absl::DataLossError("the state of a compaction is damaged");
  }
  return state;
}

absl::StatusOr<CompactionState> CompactionState::Load(const LogStore& store, TopicId topic,
                                                      PartitionId partition) {
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   store.Get(Column::kMeta, CompactionKey(topic, partition)));
  if (!value.has_value()) return CompactionState();
  return Decode(*value);
}

}  // namespace eventhub

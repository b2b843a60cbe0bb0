#include "client/processor/seen_state.h"

#include <utility>

#include "client/processor/fields.h"

namespace eventhub::processor::internal {
namespace {

constexpr uint8_t kSeenVersion = 1;

}  // namespace

std::string EncodeSeenState(const SeenState& state) {
  std::string bytes;
  PutNumber(kSeenVersion, 1, bytes);
  PutNumber(static_cast<uint64_t>(absl::ToUnixMicros(state.timer_at)), 8, bytes);
  for (const SeenState::Id& seen : state.ids) {
    PutNumber(static_cast<uint64_t>(absl::ToUnixMicros(seen.at)), 8, bytes);
    PutNumber(static_cast<uint64_t>(seen.offset), 8, bytes);
    PutNumber(seen.id.size(), 4, bytes);
    bytes += seen.id;
  }
  return bytes;
}

absl::StatusOr<SeenState> DecodeSeenState(std::string_view bytes) {
  const absl::Status unreadable =
      absl::DataLossError("the state topic has something else than ids that came");
  Fields fields(bytes);
  if (fields.Number(1) != kSeenVersion) return unreadable;
  SeenState state;
  state.timer_at = absl::FromUnixMicros(static_cast<int64_t>(fields.Number(8)));
  while (fields.ok() && !fields.done()) {
    SeenState::Id seen;
    seen.at = absl::FromUnixMicros(static_cast<int64_t>(fields.Number(8)));
    seen.offset = static_cast<int64_t>(fields.Number(8));
    seen.id = fields.Bytes(fields.Number(4));
    state.ids.push_back(std::move(seen));
  }
  if (!fields.ok()) return unreadable;
  return state;
}

}  // namespace eventhub::processor::internal

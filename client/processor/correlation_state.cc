#include "client/processor/correlation_state.h"

#include <utility>

#include "client/processor/fields.h"

namespace eventhub::processor::internal {
namespace {

constexpr uint8_t kStateVersion = 1;
constexpr int64_t kNever = INT64_MAX;

void PutTime(absl::Time time, std::string& to) {
  const int64_t micros = time == absl::InfiniteFuture() ? kNever : absl::ToUnixMicros(time);
  PutNumber(static_cast<uint64_t>(micros), 8, to);
}

absl::Time TakeTime(Fields& fields) {
  const auto micros = static_cast<int64_t>(fields.Number(8));
  return micros == kNever ? absl::InfiniteFuture() : absl::FromUnixMicros(micros);
}

}  // namespace

std::string EncodeCorrelationState(const CorrelationState& state) {
  std::string bytes;
  PutNumber(kStateVersion, 1, bytes);
  PutNumber(static_cast<uint8_t>(state.phase), 1, bytes);
  PutTime(state.since, bytes);
  PutTime(state.deadline, bytes);
  PutTime(state.forget_at, bytes);
  PutTime(state.timer_at, bytes);
  for (const std::shared_ptr<const v1::Event>& fact : state.facts) {
    PutNumber(fact->ByteSizeLong(), 4, bytes);
    fact->AppendToString(&bytes);
  }
  return bytes;
}

absl::StatusOr<CorrelationState> DecodeCorrelationState(std::string_view bytes) {
  const absl::Status unreadable =
      absl::DataLossError("the state topic has something else than the state of a correlation");
  Fields fields(bytes);
  if (fields.Number(1) != kStateVersion) return unreadable;
  const uint64_t phase = fields.Number(1);
  if (phase < 1 || phase > 3) return unreadable;
  CorrelationState state;
  state.phase = static_cast<CorrelationState::Phase>(phase);
  state.since = TakeTime(fields);
  state.deadline = TakeTime(fields);
  state.forget_at = TakeTime(fields);
  state.timer_at = TakeTime(fields);
  while (fields.ok() && !fields.done()) {
    const std::string_view encoded = fields.Bytes(fields.Number(4));
    auto fact = std::make_shared<v1::Event>();
    if (!fact->ParseFromArray(encoded.data(), static_cast<int>(encoded.size()))) return unreadable;
    state.facts.push_back(std::move(fact));
  }
  if (!fields.ok()) return unreadable;
  return state;
}

}  // namespace eventhub::processor::internal

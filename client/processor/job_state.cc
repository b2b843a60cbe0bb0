#include "client/processor/job_state.h"

#include <utility>

#include "client/processor/fields.h"

namespace eventhub::processor::internal {
namespace {

constexpr uint8_t kJobVersion = 1;

}  // namespace

std::string EncodeJobState(const JobState& state) {
  std::string bytes;
  PutNumber(kJobVersion, 1, bytes);
  PutNumber(static_cast<uint8_t>(state.phase), 1, bytes);
  PutNumber(state.number, 8, bytes);
  PutNumber(state.step, 8, bytes);
  PutNumber(state.items, 8, bytes);
  PutNumber(state.continuation.size(), 4, bytes);
  bytes += state.continuation;
  state.start->AppendToString(&bytes);
  return bytes;
}

absl::StatusOr<JobState> DecodeJobState(std::string_view bytes) {
  const absl::Status unreadable =
      absl::DataLossError("the state topic has something else than the state of a job");
  Fields fields(bytes);
  if (fields.Number(1) != kJobVersion) return unreadable;
  const uint64_t phase = fields.Number(1);
  if (phase < 1 || phase > 3) return unreadable;
  JobState state;
  state.phase = static_cast<JobState::Phase>(phase);
  state.number = fields.Number(8);
  state.step = fields.Number(8);
  state.items = fields.Number(8);
  state.continuation = fields.Bytes(fields.Number(4));
  const std::string_view encoded = fields.Rest();
  auto start = std::make_shared<v1::Event>();
  if (!fields.ok() || !start->ParseFromArray(encoded.data(), static_cast<int>(encoded.size()))) {
    return unreadable;
  }
  state.start = std::move(start);
  return state;
}

}  // namespace eventhub::processor::internal

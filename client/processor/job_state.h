// What is remembered of a job, as it is kept in the state topic; see FORMAT.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor::internal {

struct JobState {
  enum class Phase : uint8_t { kRunning = 1, kFinished = 2, kCancelled = 3 };

  Phase phase = Phase::kRunning;
  uint64_t number = 0;  // Of the one timer that is out, counted over all jobs of the key.
  uint64_t step = 0;    // Steps that were taken.
  uint64_t items = 0;
  std::string continuation{};
  std::shared_ptr<const v1::Event> start{};
};

std::string EncodeJobState(const JobState& state);
// DATA_LOSS if the bytes are no such record, or one of a later version.
absl::StatusOr<JobState> DecodeJobState(std::string_view bytes);

}  // namespace eventhub::processor::internal

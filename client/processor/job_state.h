// The state of a job, as the state topic stores it; see FORMAT.md.
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
  uint64_t number = 0;  // Of the outstanding timer, counted over all jobs of the key.
  uint64_t step = 0;    // Steps completed.
  uint64_t items = 0;
  std::string continuation{};
  std::shared_ptr<const v1::Event> start{};
};

std::string EncodeJobState(const JobState& state);
// DATA_LOSS if the bytes are not such a record, or have a later version.
absl::StatusOr<JobState> DecodeJobState(std::string_view bytes);

}  // namespace eventhub::processor::internal

// Why a consumer gave up on an event, for machines.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace eventhub::client {

// The details of a failure. All fields are optional. Text that exceeds its limit is cut, and says
// so; malformed UTF-8 is replaced.
struct FaultDetail {
  std::string processor{};  // The stream processor, the same in all its processes; 256 bytes.
  // The rule that failed; 256 bytes. The dead letter can be redriven to it alone: see
  // ReceivedEvent::pipelines.
  std::string pipeline{};
  std::string step{};                 // Of the pipeline; 256 bytes.
  std::string error{};                // Its type, by which faults are grouped; 256 bytes.
  std::string message{};              // In words; 2,048 bytes.
  std::vector<std::string> causes{};  // The closest first; at most 8, each of 512 bytes.
  uint32_t attempts = 0;              // Of the step; 0: unknown.
  std::string host{};                 // 256 bytes.
  std::optional<absl::Time> time{};   // By the consumer's clock.
  std::string trace_id{};             // 256 bytes.
  std::string group{};                // The same for events that failed together; 256 bytes.
};

// Shared, because one outcome may be that of many events.
using FaultDetails = std::shared_ptr<const std::vector<FaultDetail>>;

}  // namespace eventhub::client

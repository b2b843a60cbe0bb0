// Look-ups by key: how LatestReader reaches a hub.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace eventhub::client {

struct LatestEvent;

// The latest events of a hub; see LatestReader for the contract. Thread-safe; the call blocks until
// the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A class that does not override it returns
// UNIMPLEMENTED.
class LatestCalls {
 public:
  virtual ~LatestCalls() = default;

  virtual absl::StatusOr<LatestEvent> GetLatest(const std::string& topic, const std::string& key,
                                                std::optional<uint32_t> partition,
                                                absl::Duration timeout);
};

}  // namespace eventhub::client

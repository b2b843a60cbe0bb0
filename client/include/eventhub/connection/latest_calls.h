// Look-ups by key: how LatestReader reaches a hub.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace eventhub::client {

struct LatestEvent;

// The latest events of a hub; see LatestReader for the contract. Thread-safe.
class LatestCalls {
 public:
  using Callback = absl::AnyInvocable<void(absl::StatusOr<LatestEvent>) &&>;

  virtual ~LatestCalls() = default;

  // Blocks until the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A class that does not
  // override it returns UNIMPLEMENTED.
  virtual absl::StatusOr<LatestEvent> GetLatest(const std::string& topic, const std::string& key,
                                                std::optional<uint32_t> partition,
                                                absl::Duration timeout);

  // The same without blocking: calls `done` once, with the same results, on a thread of the
  // connection's. The connection must not be destroyed before that. A class that does not override
  // it, e.g. a fake, calls GetLatest and `done` at once, on the caller's thread.
  virtual void StartGetLatest(const std::string& topic, const std::string& key,
                              std::optional<uint32_t> partition, absl::Duration timeout,
                              Callback done);
};

}  // namespace eventhub::client

// The stored state of a key.
#pragma once

#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor::internal {

struct StoredState {
  // The topic that the subscription consumes.
  std::string subscription_topic{};
  // The latest event with the key in the state topic, if there is one.
  std::optional<v1::Event> event{};
};

using TakeStoredState = absl::AnyInvocable<void(absl::StatusOr<StoredState>) &&>;

}  // namespace eventhub::processor::internal

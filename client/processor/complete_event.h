// Completes the events that pipelines emit.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "eventhub/processor/internal/trigger.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor::internal {

// Sets what is empty, see Pipeline::Publish. `place` is unique among the events that the pipeline
// emits for `cause`. Returns INVALID_ARGUMENT, naming the attribute, if the hub would not accept
// the event.
absl::Status CompleteEvent(const v1::Event& cause, std::string_view pipeline,
                           std::string_view place, std::string_view source, v1::Event& event);

}  // namespace eventhub::processor::internal

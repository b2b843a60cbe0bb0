// Completes and encodes the events that pipelines emit.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor::internal {

// Fills in the empty attributes of the event (see Pipeline::Publish), and returns it encoded as a
// field `events` of a v1::TransactAppend. `place` is unique among the events that the pipeline
// emits for `cause`. INVALID_ARGUMENT, naming the attribute, if the hub would not accept the event.
absl::StatusOr<std::string> EncodeEmission(const v1::Event& cause, std::string_view pipeline,
                                           std::string_view place, std::string_view source,
                                           v1::Event event);

}  // namespace eventhub::processor::internal

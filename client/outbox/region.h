// Events encoded one after another, as field 15 of a request.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "eventhub/bytes.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client::outbox {

// `region` without event `index`, which is stored in `*event`, encoded alike.
std::string Without(std::string_view region, size_t index, std::string* event);

// The parts as one. Copies nothing if there is only one.
Bytes Concatenate(const std::vector<Bytes>& parts);

// Passes the events in order until `visit` returns an error. DATA_LOSS if one is malformed.
absl::Status ForEachEvent(std::string_view region,
                          absl::FunctionRef<absl::Status(const v1::Event&)> visit);

}  // namespace eventhub::client::outbox

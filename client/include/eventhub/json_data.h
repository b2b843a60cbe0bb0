// The data of events as JSON, for eventhub/typed_handlers.h. Requires nlohmann's JSON for Modern
// C++ (Debian's nlohmann-json3-dev), which nothing else of the SDK does.
#pragma once

#include <concepts>
#include <exception>
#include <string>

#include "absl/status/status.h"
#include "eventhub/typed_handlers.h"
#include "eventhub/v1/event.pb.h"
#include "nlohmann/json.hpp"

namespace eventhub::client {

// Any type that nlohmann::json converts to: nlohmann::json itself, and structs with a from_json,
// such as NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE defines.
//
//     struct Order {
//       std::string id;
//       int64_t total;
//     };
//     NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, id, total)
//
//     handlers.On<Order>("shop.order.placed", …);
template <typename T>
requires(!std::derived_from<T, google::protobuf::Message>) struct DataDecoder<T> {
  static absl::Status Decode(const v1::Event& event, T& data) {
    if (absl::Status status = CheckIsJson(event); !status.ok()) return status;
    try {
      nlohmann::json::parse(event.data()).get_to(data);
    } catch (const std::exception& exception) {
      return absl::InvalidArgumentError(std::string("the data is not as expected: ") +
                                        exception.what());
    }
    return absl::OkStatus();
  }
};

}  // namespace eventhub::client

// The partition key of an encoded event, without parsing it.
#pragma once

#include <string_view>

#include "eventhub/v1/event.pb.h"
#include "proto/wire/field_reader.h"

namespace eventhub::client {

// Empty if the event has none.
inline std::string_view PartitionKey(std::string_view event) {
  return wire::LastBytes(event, v1::Event::kPartitionKeyFieldNumber);
}

}  // namespace eventhub::client

// The partition key of an encoded event, without parsing it.
#pragma once

#include <cstdint>
#include <string_view>

#include "client/src/wire.h"

namespace eventhub::client {

// Empty if the event has none.
inline std::string_view PartitionKey(std::string_view event) {
  constexpr uint32_t kPartitionKeyField = 6;
  FieldScanner field(event);
  std::string_view key;
  while (field.Next()) {
    if (field.number == kPartitionKeyField && field.type == FieldScanner::kLength) {
      key = field.bytes;
    }
  }
  return key;
}

}  // namespace eventhub::client

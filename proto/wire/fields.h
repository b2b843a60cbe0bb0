// Fields that the generated code has no single name for.
#pragma once

#include <cstdint>

#include "eventhub/v1/hub.pb.h"

namespace eventhub::wire {

// The events, in every message that carries some. The number is the same everywhere, and its tag
// has one byte, so that events go from requests into the store, and from there into deliveries, as
// the bytes that they came as.
inline constexpr uint32_t kEventsField = v1::EventBatch::kEventsFieldNumber;
inline constexpr char kEventsTag = kEventsField << 3 | 2;

static_assert(kEventsField < 16);
static_assert(v1::PublishRequest::kEventsFieldNumber == kEventsField);
static_assert(v1::PublishStreamRequest::kEventsFieldNumber == kEventsField);
static_assert(v1::TransactAppend::kEventsFieldNumber == kEventsField);

// The entries of a map, such as Event.attributes.
inline constexpr uint32_t kEntryName = 1;
inline constexpr uint32_t kEntryValue = 2;

}  // namespace eventhub::wire

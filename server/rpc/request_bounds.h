// How large the requests of a method may be.
#pragma once

#include <cstddef>
#include <limits>

namespace eventhub {

// A larger request is refused before it is parsed.
struct RequestBounds {
  size_t bytes;   // Encoded.
  size_t fields;  // Including those of its parts and the numbers in packed fields.
};

// As large as the hub receives: `--max_request`.
inline constexpr size_t kAnySize = std::numeric_limits<size_t>::max();

// Names, numbers and a page token.
inline constexpr RequestBounds kNameRequest{size_t{16} << 10, 1'000};
// The settings of one topic, subscription, route or link, of which a filter may have 64 KiB.
inline constexpr RequestBounds kSettingsRequest{size_t{256} << 10, 10'000};
// A position of each of 100,000 partitions, or a selection of many events.
inline constexpr RequestBounds kListRequest{size_t{4} << 20, 500'000};
// An event, and settings.
inline constexpr RequestBounds kEventRequest{kAnySize, 10'000};
// The settings of a whole hub.
inline constexpr RequestBounds kTopologyRequest{kAnySize, 200'000};
// What a consumer settles at once: 10,000 ranges, and the details of its faults.
inline constexpr RequestBounds kConsumeRequest{kAnySize, 250'000};

}  // namespace eventhub

// The stored form of pending ranges.
#pragma once

#include <cstdint>
#include <optional>

#include "server/core/subscription/cursor/effects.h"
#include "server/core/subscription/cursor/pending_ranges.h"
#include "server/core/subscription/records.pb.h"

namespace eventhub {

inline constexpr uint32_t kCursorVersion = 1;

// `redriven`: null unless the event is. `wall_offset`: the wall clock minus the monotonic clock, in
// microseconds.
stored::Range EncodeRange(const PendingRange& range, const Redriven* redriven, int64_t wall_offset);

// A range as after a restart, at `now`: nothing is leased. All but the reason, which ranges share.
// nullopt: the record is invalid in itself.
std::optional<PendingRange> DecodeRange(const stored::Range& record, int64_t wall_offset,
                                        int64_t now);
Redriven DecodeRedriven(const stored::Range& record);

stored::DeadLetterPlace EncodePlace(const DeadLetterPlace& place);
DeadLetterPlace DecodePlace(const stored::DeadLetterPlace& record);

}  // namespace eventhub

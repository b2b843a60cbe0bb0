// The one look that the hub takes at the bytes of published events: finds where each begins, and
// refuses what a conforming protobuf parser would refuse, so that no stored event can poison a
// reader.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/type_summary.h"

namespace eventhub {

// What the hub adds to an event that it accepted (the path of a link, the attributes that routes
// set, the causes of dead letters) has room of its own, so that no event is stuck on its way
// because it was published with as many attributes as it may have.
inline constexpr size_t kMaxStoredAttributes = 512;

// Which events are scanned.
enum class EventRules {
  // Those that come from a client. Their attributes have the names of CloudEvents, of a-z and 0-9:
  // what expressions, the JSON format and HTTP headers can name.
  kPublished,
  // Those that were accepted before, here or at another hub, and go on: attributes have any names,
  // as they had when the hub did not look, and are as many as are stored.
  kStored,
};

// What the scan finds out of one event.
struct ScannedEvent {
  uint32_t begin;     // In the region.
  uint32_t bytes;     // Tag and length included.
  bool keyed;         // Has a partition key.
  uint64_t key_hash;  // XXH64 of the key with seed 0, if keyed.
};

// An event that says when it is to be appended: `deliver_at` or `deliver_after`, well formed.
struct ScannedDelay {
  uint32_t index;  // Among the events.
  uint32_t begin;  // In the region.
  uint32_t bytes;  // Tag and length included.
  bool relative;   // `time` counts from now, and not from the Unix epoch.
  absl::Duration time;
};

struct EventScan {
  uint32_t count = 0;
  uint32_t keyed = 0;
  TypeSummary types;
  std::vector<ScannedEvent> events;  // Filled only if asked for.
  std::vector<ScannedDelay> delays;  // Few have any.
};

// Scans a run of `repeated Event events = 15` fields. INVALID_ARGUMENT names the first event at
// fault, by its index, and the field. With `keys`, `events` is filled in.
absl::Status ScanEvents(absl::string_view region, size_t max_event_bytes, bool keys,
                        EventScan* scan, EventRules rules = EventRules::kPublished);

// What a TypeSummary has of an event type: the lower half of its XXH3 of 64 bits.
uint32_t HashOfType(absl::string_view type);

}  // namespace eventhub

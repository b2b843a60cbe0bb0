// The only pass that the hub makes over the bytes of published events. It finds where each event
// begins and refuses what a conforming protobuf parser would refuse, so that no stored event can
// break a reader.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/type_summary.h"

namespace eventhub {

// The attributes that the hub adds to accepted events (the path of a link, the attributes that
// routes set, the causes of dead letters) have room beyond the publish limit, so that an event
// published with the maximum of attributes can still be forwarded.
inline constexpr size_t kMaxStoredAttributes = 512;

// The rules that the scan applies.
enum class EventRules {
  // Events from clients. Attribute names follow CloudEvents, a-z and 0-9: names that expressions,
  // the JSON format and HTTP headers support.
  kPublished,
  // Events that were accepted before, here or at another hub, and are forwarded: attributes may
  // have any name, as older versions accepted, and their number is limited by kMaxStoredAttributes.
  kStored,
};

// The result of the scan for one event.
struct ScannedEvent {
  uint32_t begin;     // In the region.
  uint32_t bytes;     // Including tag and length.
  bool keyed;         // Has a partition key.
  uint64_t key_hash;  // XXH64 of the key with seed 0, if keyed.
};

// An event with a delivery time: `deliver_at` or `deliver_after`, well formed.
struct ScannedDelay {
  uint32_t index;  // The index of the event.
  uint32_t begin;  // In the region.
  uint32_t bytes;  // Including tag and length.
  bool relative;   // `time` counts from now instead of from the Unix epoch.
  absl::Duration time;
};

// An event about a person: it has the attribute `datasubject`.
struct ScannedSubject {
  uint32_t index;  // The index of the event.
  uint32_t begin;  // In the region.
  uint32_t bytes;  // Including tag and length.
};

// Event attributes with which the data of events is sealed; see erasure.proto.
inline constexpr absl::string_view kSubjectAttribute = "datasubject";
inline constexpr absl::string_view kSealedAttribute = "datasealed";
inline constexpr absl::string_view kErasedAttribute = "dataerased";

// The hash of the empty type, which no event has. In the summary of a batch it means that the data
// of some event may be sealed.
inline constexpr uint32_t kSealedMark = 0x38d394c2;

struct EventScan {
  uint32_t count = 0;
  uint32_t keyed = 0;
  TypeSummary types;
  std::vector<ScannedEvent> events;  // Filled only on request.
  std::vector<ScannedDelay> delays;  // Few events have one.
  std::vector<ScannedSubject> subjects;
  // The index of the first event with sealed data.
  std::optional<uint32_t> sealed;
};

// Scans a sequence of `repeated Event events = 15` fields. INVALID_ARGUMENT names the index of the
// first faulty event, and the field. If `keys` is set, `events` is filled in.
absl::Status ScanEvents(absl::string_view region, size_t max_event_bytes, bool keys,
                        EventScan* scan, EventRules rules = EventRules::kPublished);

// The hash of an event type in a TypeSummary: the lower 32 bits of its XXH3_64.
uint32_t HashOfType(absl::string_view type);

}  // namespace eventhub

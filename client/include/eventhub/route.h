// Routes: rules of the hub that copy events from one topic to others; the values of RouteClient.
// See eventhub/v1/route.proto, whose messages these mirror.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/filter.h"
#include "eventhub/position.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// What the partition key of a copy is.
struct RouteKey {
  enum class Kind { kKeep, kFromAttribute, kConstant, kNone };

  // That of the event.
  static RouteKey Keep() { return {}; }
  // The value of this attribute of the event, by its CloudEvents name; no key if it has none.
  static RouteKey FromAttribute(std::string name) {
    return {.kind = Kind::kFromAttribute, .value = std::move(name)};
  }
  // This one for all copies, so that they are in one order; 1 to 1,024 bytes.
  static RouteKey Constant(std::string key) {
    return {.kind = Kind::kConstant, .value = std::move(key)};
  }
  // No key.
  static RouteKey None() { return {.kind = Kind::kNone}; }

  Kind kind = Kind::kKeep;
  std::string value{};

  friend bool operator==(const RouteKey&, const RouteKey&) = default;
};

// What happens when a target cannot take a copy: it is not there, it is full, or the copy is too
// large.
enum class OnUnavailable {
  kDefault = 0,  // As kFail.
  kFail = 1,     // The request is refused as a whole: FAILED_PRECONDITION.
  kSkip = 2,     // That copy is left out, and counted; the targets need not exist.
};

// Extension attributes by name.
using AttributeValues = std::map<std::string, v1::AttributeValue>;

// Events of a topic that pass a filter are copied to other topics, in the same commit.
struct Route {
  // 1 to 200 of `a-z A-Z 0-9 . _ -`, the first one a letter, a digit or `_`. Cannot be changed.
  std::string name{};
  // Cannot be changed.
  std::string source_topic{};
  // Only events that pass are copied.
  std::optional<Filter> filter{};
  // 1 to 64 different topics, none of them the source.
  std::vector<std::string> target_topics{};
  RouteKey partition_key{};
  // What the copies have in addition, or with this value; at most 32.
  AttributeValues set_attributes{};
  // It is kept, but copies nothing.
  bool disabled = false;
  OnUnavailable on_unavailable = OnUnavailable::kDefault;
  // For people; at most 1,024 bytes.
  std::string description{};
  // Set by the hub.
  absl::Time create_time = absl::InfinitePast();
  absl::Time update_time = absl::InfinitePast();
};

// A change of a route: what is set is changed.
struct RouteUpdate {
  std::optional<std::optional<Filter>> filter{};  // Holds nothing: no filter any more.
  std::optional<std::vector<std::string>> target_topics{};
  std::optional<RouteKey> partition_key{};
  std::optional<AttributeValues> set_attributes{};  // All of them.
  std::optional<bool> disabled{};
  std::optional<OnUnavailable> on_unavailable{};
  std::optional<std::string> description{};
};

// What went through a route since the hub started.
struct RouteStats {
  uint64_t matched_events = 0;   // That passed the filter.
  uint64_t copied_events = 0;    // Copies, over all targets.
  uint64_t copied_bytes = 0;     // Of those, encoded.
  uint64_t skipped_events = 0;   // Copies left out.
  uint64_t failed_requests = 0;  // Refused because a target could not take a copy.
  std::string last_failure{};    // Why a target could not, the last time; empty: never.
  std::optional<absl::Time> last_failure_time{};
  uint64_t too_costly_events = 0;  // Not copied: the filter would have looked at too much of them.
};

// A route, and what went through it.
struct RouteDescription {
  Route route{};
  RouteStats stats{};
  // The first offset in each partition of the source that its settings are about; of the first
  // 1,000. Empty in lists, and after a restart of the hub.
  std::vector<PartitionOffset> effective{};
};

// A route that was created, changed or deleted.
struct RouteChange {
  Route route{};  // As it is now.
  // The first offset in each partition of the source that the change is about; of the first 1,000.
  std::vector<PartitionOffset> effective{};
};

// What one route makes of an event.
struct RouteTrace {
  enum class Outcome {
    kUnknown = 0,
    kCopied = 1,
    kFiltered = 2,  // The event does not pass the filter.
    kDisabled = 3,
    kSkipped = 4,  // The target cannot take it, and the copy is left out.
    kRefused = 5,  // The target cannot take it, and the request is refused.
  };

  std::string route{};
  std::string source_topic{};
  std::string target_topic{};  // One trace for each; empty: kFiltered, kDisabled.
  Outcome outcome = Outcome::kUnknown;
  std::string reason{};         // In words.
  uint32_t depth = 0;           // How many routes the event went through before this one.
  std::string partition_key{};  // Of the copy.
};

// Where an event would go.
struct RouteTest {
  // In the order of evaluation; behind each that copies, those of its targets.
  std::vector<RouteTrace> traces{};
  // The topics that would hold the event.
  std::vector<std::string> topics{};
  // Why the publish would be refused; empty: it would not.
  std::string refusal{};
};

}  // namespace eventhub::client

// The values of RouteClient: routes, the rules by which a hub copies events from a topic to others.
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

// The partition key of a copy.
struct RouteKey {
  enum class Kind { kKeep, kFromAttribute, kConstant, kNone };

  // The event's key.
  static RouteKey Keep() { return {}; }
  // The value of this attribute of the event, by its CloudEvents name; no key if the event lacks
  // it.
  static RouteKey FromAttribute(std::string name) {
    return {.kind = Kind::kFromAttribute, .value = std::move(name)};
  }
  // The same key for all copies, so that they are totally ordered; 1 to 1,024 bytes.
  static RouteKey Constant(std::string key) {
    return {.kind = Kind::kConstant, .value = std::move(key)};
  }
  // No key.
  static RouteKey None() { return {.kind = Kind::kNone}; }

  Kind kind = Kind::kKeep;
  std::string value{};

  friend bool operator==(const RouteKey&, const RouteKey&) = default;
};

// What happens if a target cannot take a copy: it does not exist, it is full, or the copy is too
// large.
enum class OnUnavailable {
  kDefault = 0,  // kFail.
  kFail = 1,     // The whole publish request is refused with FAILED_PRECONDITION.
  kSkip = 2,     // The copy is omitted and counted; targets need not exist.
};

// Extension attributes by name.
using AttributeValues = std::map<std::string, v1::AttributeValue>;

// Copies the events of a topic that pass a filter to other topics, in the same commit.
struct Route {
  // 1 to 200 of `a-z A-Z 0-9 . _ -`, the first one a letter, a digit or `_`. Cannot be changed.
  std::string name{};
  // Cannot be changed.
  std::string source_topic{};
  // Only events that pass this filter are copied.
  std::optional<Filter> filter{};
  // 1 to 64 different topics, none of them the source.
  std::vector<std::string> target_topics{};
  RouteKey partition_key{};
  // Attributes that are added to the copies or replaced in them; at most 32.
  AttributeValues set_attributes{};
  // A disabled route exists but copies nothing.
  bool disabled = false;
  OnUnavailable on_unavailable = OnUnavailable::kDefault;
  // For people; at most 1,024 bytes.
  std::string description{};
  // Set by the hub.
  absl::Time create_time = absl::InfinitePast();
  absl::Time update_time = absl::InfinitePast();
};

// A change of a route: fields that are set are changed.
struct RouteUpdate {
  std::optional<std::optional<Filter>> filter{};  // An empty inner optional removes the filter.
  std::optional<std::vector<std::string>> target_topics{};
  std::optional<RouteKey> partition_key{};
  std::optional<AttributeValues> set_attributes{};  // Replaces all of them.
  std::optional<bool> disabled{};
  std::optional<OnUnavailable> on_unavailable{};
  std::optional<std::string> description{};
};

// Counters of a route since the hub started.
struct RouteStats {
  uint64_t matched_events = 0;   // Passed the filter.
  uint64_t copied_events = 0;    // Copies, over all targets.
  uint64_t copied_bytes = 0;     // Encoded bytes of the copies.
  uint64_t skipped_events = 0;   // Copies omitted.
  uint64_t failed_requests = 0;  // Refused because a target could not take a copy.
  std::string last_failure{};    // Why a target last refused a copy; empty: none did.
  std::optional<absl::Time> last_failure_time{};
  uint64_t too_costly_events = 0;  // Not copied, because the filter would have cost too much.
};

// A route and its state.
struct RouteDescription {
  Route route{};
  RouteStats stats{};
  // The first offset in each source partition to which the settings apply, for the first 1,000
  // partitions. Empty in lists, and after a restart of the hub.
  std::vector<PartitionOffset> effective{};
};

// A route that was created, changed or deleted.
struct RouteChange {
  Route route{};  // After the change.
  // The first offset in each source partition to which the change applies, for the first 1,000
  // partitions.
  std::vector<PartitionOffset> effective{};
};

// The effect of one route on an event.
struct RouteTrace {
  enum class Outcome {
    kUnknown = 0,
    kCopied = 1,
    kFiltered = 2,  // The event does not pass the filter.
    kDisabled = 3,
    kSkipped = 4,  // The target cannot take the copy, which is omitted.
    kRefused = 5,  // The target cannot take the copy, and the request is refused.
  };

  std::string route{};
  std::string source_topic{};
  std::string target_topic{};  // One trace for each target; empty for kFiltered and kDisabled.
  Outcome outcome = Outcome::kUnknown;
  std::string reason{};         // In words.
  uint32_t depth = 0;           // The number of routes before this one.
  std::string partition_key{};  // Of the copy.
};

// Where an event would go.
struct RouteTest {
  // In the order of evaluation: a trace that copies is followed by the traces of its target.
  std::vector<RouteTrace> traces{};
  // The topics that would hold the event.
  std::vector<std::string> topics{};
  // Why the publish request would be refused; empty if it would be accepted.
  std::string refusal{};
};

}  // namespace eventhub::client

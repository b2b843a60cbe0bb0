// What is known of an object before it is written: its topic, its hour, and which offsets it
// accounts for. Its name follows from that, so who writes it again overwrites it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/lake/object/object.pb.h"

namespace eventhub::lake {

// A topic of one hub and one incarnation: a topic that is deleted and created again is another one.
struct TopicIdentity {
  std::string hub;  // The id of the hub.
  uint32_t id = 0;  // Of the topic, in that hub.

  friend bool operator==(const TopicIdentity& a, const TopicIdentity& b) = default;
};

// A topic in a lake.
struct LakeTopic {
  TopicIdentity identity;
  std::string name;
  std::string directory;  // Below the root of the lake: `topic=orders`.
};

// Hours since the Unix epoch, which events are filed by.
int64_t HourOf(absl::Time append_time);
absl::Time HourStart(int64_t hour);

// Offsets of a partition that an object accounts for: [begin, end).
struct PlannedRange {
  uint32_t partition = 0;
  int64_t begin = 0;
  int64_t end = 0;

  friend bool operator==(const PlannedRange& a, const PlannedRange& b) = default;
};

struct ObjectPlan {
  LakeTopic topic;
  uint64_t sequence = 0;  // From 1, in each topic; see ManifestWriter::next_sequence().
  int64_t hour = 0;
  std::vector<PlannedRange> ranges{};  // By partition, each once, none empty; at least one.
};

// INVALID_ARGUMENT, saying why, if no object can be written by this plan.
absl::Status CheckPlan(const ObjectPlan& plan);

// Of the topic's identity and the ranges. Equal plans have equal hashes in every version.
uint64_t HashOfPlan(const ObjectPlan& plan);

// `topic=T/date=YYYY-MM-DD/hour=HH/SEQUENCE-HASH.ndjson.zst`.
std::string ObjectName(absl::string_view directory, int64_t hour, uint64_t sequence, uint64_t hash);
std::string ObjectName(const ObjectPlan& plan);
std::string ObjectName(const LakeTopic& topic, const ObjectRecord& object);

// `topic=T/date=YYYY-MM-DD/hour=HH/`.
std::string HourDirectory(absl::string_view directory, int64_t hour);

// The parts of a name below the topic's directory; nothing if `name` is not the name of an object.
struct ObjectNameParts {
  std::string directory;
  int64_t hour = 0;
  uint64_t sequence = 0;
  uint64_t hash = 0;
};
std::optional<ObjectNameParts> ParseObjectName(absl::string_view name);

}  // namespace eventhub::lake

// The lake, as the broker sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/archive/records.pb.h"
#include "storage/base/types.h"

namespace eventhub {

// A topic of this hub. The id distinguishes it from deleted topics of the same name, whose history
// the lake keeps.
struct ArchivedTopic {
  std::string name;
  TopicId id;
};

// How far the lake has a partition.
struct LakePosition {
  PartitionId partition;
  Offset begin;
  Offset end;
  uint64_t run = 0;  // Of the event before the end; 0: unknown.
};

// What a hub consists of, except events.
struct HubSettings {
  std::vector<std::pair<TopicId, std::string>> topics;  // With their encoded v1::Topic, by id.
  TopicId next_topic;    // Greater than that of every topic that the hub ever had.
  std::string topology;  // An encoded v1::Topology: subscriptions, routes and links.
  // The first unsettled offset of each partition of a subscription, by partition; of as many
  // subscriptions as are small enough.
  std::vector<std::pair<std::string, std::vector<Offset>>> progress;

  friend bool operator==(const HubSettings& a, const HubSettings& b) = default;
};

// What a lake does in the background, since the start.
struct LakeUpkeep {
  uint64_t merged_objects = 0;  // Small objects that were replaced by larger ones.
  uint64_t merged_bytes = 0;    // Lines that were copied.
  uint64_t deleted_objects = 0;
  uint64_t merge_failures = 0;
  // What needs attention, in words for people.
  std::vector<std::string> findings{};
};

// Thread-safe. Calls for one topic do not overlap. They may block on a disk or a network, and
// return an error when the lake is not available; the same call is repeated later.
class ArchiveTarget {
 public:
  // An object that is being written. Nothing of it is visible before Finish, and nothing remains
  // that a reader of the lake sees if it is destroyed before.
  class Object {
   public:
    virtual ~Object() = default;

    // Adds the next event: partition by partition, in the order of the ranges, and of offsets.
    // `event` is a valid encoded event.
    virtual absl::Status Add(PartitionId partition, Offset offset, absl::Time append_time,
                             absl::string_view event) = 0;

    // Completes the object, durably. Returns what List needs to know of it.
    virtual absl::StatusOr<std::string> Finish() = 0;
  };

  virtual ~ArchiveTarget() = default;

  // Makes calls in progress and later ones fail soon, because the hub is about to end. May be
  // called during other calls.
  virtual void Interrupt() {}

  // The sequence of the next object of the topic to be listed.
  virtual absl::StatusOr<uint64_t> NextSequence(const ArchivedTopic& topic) = 0;

  // How far the lake has the topic.
  virtual absl::StatusOr<std::vector<LakePosition>> Positions(const ArchivedTopic& /*topic*/) {
    return std::vector<LakePosition>();
  }

  // Begins an object, whose name follows from the topic and from the hour, the sequence and the
  // ranges of `object`. It replaces one of that name that an earlier attempt left.
  virtual absl::StatusOr<std::unique_ptr<Object>> Begin(const ArchivedTopic& topic,
                                                        const stored::ArchiveObject& object) = 0;

  // Lists a complete object in the manifest of the topic: from then on, its events are part of the
  // lake. Does nothing if it is listed already. Objects of a topic are listed by sequence.
  virtual absl::Status List(const ArchivedTopic& topic, const stored::ArchiveObject& object) = 0;

  // Notes that the hub has deleted its topics with ids up to `upto` (inclusive), except the
  // `present` ones, which are sorted. Their history stays.
  virtual absl::Status KeepOnly(const std::vector<TopicId>& present, TopicId upto) = 0;

  // Notes what the hub consists of, for a hub that is set up again from the lake.
  virtual absl::Status KeepSettings(const HubSettings& /*settings*/) { return absl::OkStatus(); }

  // The keys of subjects, in parts, and the erasures, as KeepKeys and KeepErasures got them last;
  // empty if they never did.
  virtual absl::StatusOr<std::string> Keys(uint32_t /*part*/) { return std::string(); }
  virtual absl::StatusOr<std::string> Erasures() { return std::string(); }
  // Keeps them, durably, in place of what it had. `purge`: no version of that may remain.
  virtual absl::Status KeepKeys(uint32_t /*part*/, const std::string& /*keys*/, bool /*purge*/) {
    return absl::OkStatus();
  }
  virtual absl::Status KeepErasures(const std::string& /*erasures*/) { return absl::OkStatus(); }

  // Does not block.
  virtual LakeUpkeep Upkeep() const { return {}; }
};

}  // namespace eventhub

// Which events go into the next object of a topic's archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/archive/archive_records.h"
#include "server/core/archive/records.pb.h"
#include "server/core/topic/topic.h"
#include "storage/log_store.h"

namespace eventhub {

struct ObjectLimits {
  // The encoded size of the events; exceeded by at most a batch. Bytes.
  uint64_t bytes = uint64_t{64} << 20;
  // The events; exceeded by at most a batch.
  uint64_t events = 1'000'000;
  // The partitions in an object.
  size_t ranges = 4096;
};

// Returns the hour of an append time: hours since the Unix epoch, rounded down.
int64_t HourOf(absl::Time time);

struct ObjectPlan {
  stored::ArchiveObject object;  // Without sequence.
  bool more = false;             // Whether further events were there already.
};

// Returns the next object: visible events of one hour, the earliest that is not
// archived, oldest partitions first. nullopt if all events are archived. A partition goes on at its
// position, or at its start if the events at the position are deleted. Reads the index on disk.
// DATA_LOSS: a partition ends before its position.
absl::StatusOr<std::optional<ObjectPlan>> PlanObject(const Topic& topic,
                                                     const std::vector<ArchivePosition>& positions,
                                                     const LogStore& store,
                                                     const ObjectLimits& limits);

}  // namespace eventhub

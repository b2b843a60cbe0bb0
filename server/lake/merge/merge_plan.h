// Which objects of a topic are merged into one.
#pragma once

#include <cstdint>
#include <vector>

#include "server/lake/manifest/manifest.h"
#include "server/lake/object/object.pb.h"

namespace eventhub::lake {

struct MergeLimits {
  // An object with fewer bytes of lines is small.
  uint64_t small_bytes = uint64_t{64} << 20;
  // The most events of a merged object.
  uint64_t events = 2'000'000;
  // The most objects that are merged at a time.
  size_t objects = 1000;
};

// Objects of one hour that become one, in the order of their sequences.
using MergeGroup = std::vector<ObjectRecord>;

// Returns the groups of all hours before `hour`, by hour. Once they are merged, an hour has at most
// one small object, unless its events or ranges that no object accounts for prevent that. An object
// joins a group only if it goes on, in each partition, where the group ends.
std::vector<MergeGroup> PlanMerges(const Manifest& manifest, int64_t hour,
                                   const MergeLimits& limits);

}  // namespace eventhub::lake

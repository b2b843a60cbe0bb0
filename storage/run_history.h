// Records which run of the hub appended which part of a partition. Runs distinguish a log from a
// different log of the same name, and from one that is identical only up to some offset.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/base/types.h"

namespace eventhub {

class LogStore;

// Consecutive events of one partition that were appended between two starts of the hub.
struct LogRun {
  Offset first;
  Offset end;  // The first offset of the next run; Offset::Max() if there is none.
  // Never 0. The same for all partitions of a topic whose run began with the same start.
  uint64_t id = 0;
  // Whether its start is recorded. If not, the run is that of the events appended before the hub
  // recorded runs; unless the events are trimmed, for then the record may have been deleted.
  bool noted = false;
};

// The record of a run in column `meta`, which contains its id. See FORMAT.md.
std::string EncodeRunRecord(uint64_t id);
// Returns DATA_LOSS if `value` is not a record of a version known to this hub.
absl::StatusOr<uint64_t> DecodeRunRecord(absl::string_view value);

// The runs of all partitions of a store. The first append to a partition after the store was opened
// records the start of a run (CommitBuilder). A copy of a data directory shares the runs up to the
// time of the copy, and begins new ones after it: two logs are identical up to an offset if the
// event before it has the same run in both.
//
// Thread-safe, after SetOrigin.
class RunHistory {
 public:
  // `seed`, a random number, determines the ids of the runs that begin while the store is open.
  RunHistory(const LogStore& store, uint64_t seed);

  // A random number generated with the data directory and shared by its copies. It determines the
  // ids of runs of events that were appended before the hub recorded runs. Call before any other
  // use.
  void SetOrigin(uint64_t origin) { origin_ = origin; }
  uint64_t origin() const { return origin_; }

  // The id of the run of events that are appended to the topic from now on.
  uint64_t current(TopicId topic) const;

  // Returns the run of the event at `offset`, if there is one. Reads the store.
  absl::StatusOr<LogRun> Find(TopicId topic, PartitionId partition, Offset offset) const;

  // Returns the run with that id; nullopt if the partition has none, or if its record was deleted
  // after a trim. Reads all runs of the partition from the store.
  absl::StatusOr<std::optional<LogRun>> FindId(TopicId topic, PartitionId partition,
                                               uint64_t id) const;

  // Returns the keys in column `meta` of runs that are obsolete once the log begins at `start`:
  // those before the run of the event immediately before it. Reads the store.
  absl::StatusOr<std::vector<std::string>> ForgettableBefore(TopicId topic, PartitionId partition,
                                                             Offset start) const;

 private:
  const LogStore& store_;
  const uint64_t seed_;
  uint64_t origin_ = 0;
};

}  // namespace eventhub

// Which run of the hub appended which part of a partition: what tells a log from another one that
// has its name, or was the same up to some offset.
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
  Offset end;  // Before the next run; Offset::Max() if there is none.
  uint64_t id =
      0;  // Never 0. Runs of the other partitions, of the same topic and start, have it too.
};

// The record of a run, in column `meta`: its id. See FORMAT.md.
std::string EncodeRunRecord(uint64_t id);
// DATA_LOSS if `value` is not a record of a version that this hub knows.
absl::StatusOr<uint64_t> DecodeRunRecord(absl::string_view value);

// The runs of all partitions of a store. The first append of a partition after the store was opened
// notes that a run begins (CommitBuilder). A copy of a data directory shares the runs up to where
// it was made, and begins others: two logs are the same up to an offset if the event before it is
// of the same run in both.
//
// Thread-safe, after SetOrigin.
class RunHistory {
 public:
  // The ids of the runs that begin while the store is open are made of `seed`, a random number.
  RunHistory(const LogStore& store, uint64_t seed);

  // A number that was made at random with the data directory, and that copies of it share. Events
  // that were appended before runs were noted are of a run whose id is made of it. Before any other
  // use.
  void SetOrigin(uint64_t origin) { origin_ = origin; }
  uint64_t origin() const { return origin_; }

  // The id of what is appended to the topic from now on.
  uint64_t current(TopicId topic) const;

  // The run of the event at `offset`, if there is one. Reads the store.
  absl::StatusOr<LogRun> Find(TopicId topic, PartitionId partition, Offset offset) const;

  // The run of that id; nullopt if the partition has none, or what it had of it was forgotten when
  // it was trimmed. Reads the store: all runs of the partition.
  absl::StatusOr<std::optional<LogRun>> FindId(TopicId topic, PartitionId partition,
                                               uint64_t id) const;

  // The keys in column `meta` of runs that nobody needs once the log begins at `start`: those
  // before the run of the event just before it. Reads the store.
  absl::StatusOr<std::vector<std::string>> ForgettableBefore(TopicId topic, PartitionId partition,
                                                             Offset start) const;

 private:
  const LogStore& store_;
  const uint64_t seed_;
  uint64_t origin_ = 0;
};

}  // namespace eventhub

// The age of the events in partitions whose append times lie in the future.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/topic/topic.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/types.h"
#include "storage/log_store.h"
#include "storage/partition_log.h"

namespace eventhub {

// All events before `end` were appended at `time` or earlier.
struct AgeMark {
  Offset end;
  absl::Time time;

  bool operator==(const AgeMark&) const = default;
};

// The marks of one partition, ascending; see storage/FORMAT.md.
std::string EncodeAgeMarks(const std::vector<AgeMark>& marks);
// Returns DATA_LOSS if `value` is not a record of a version known to this hub.
absl::StatusOr<std::vector<AgeMark>> DecodeAgeMarks(absl::string_view value);

// Append times never decrease within a partition. After a clock that was far ahead is set back,
// they stay at its latest time, and do not show the age of events until that time has passed. For
// such partitions, each pass of retention records the current end of the log; the part before an
// end that was recorded `max_age` ago has expired. Marks are stored, so ages survive restarts.
//
// Used by one thread.
class AgeMarks {
 public:
  // A changed list of marks, to be stored.
  struct Change {
    PartitionLog* log;
    std::vector<AgeMark> marks;  // Empty: the record is deleted.
  };

  // Reads all marks from the store.
  absl::Status Load(const LogStore& store);

  // Returns the largest offset such that all events before it are known to have been appended at or
  // before `time`; nullopt if no mark says so.
  std::optional<Offset> AppendedUntil(const PartitionLog& log, absl::Time time) const;

  // Returns the changes that are due for a topic's partitions at `now`: adds marks to partitions
  // whose last append time lies in the future, and removes marks that are no longer needed.
  std::vector<Change> Due(const TopicView& topic, absl::Time now) const;

  // Applies a change that was stored.
  void Apply(const Change& change);

  // Removes the marks of topics that the catalog no longer has.
  void KeepOnly(const TopicCatalog& catalog);

 private:
  absl::btree_map<std::pair<TopicId, PartitionId>, std::vector<AgeMark>> marks_;
};

}  // namespace eventhub

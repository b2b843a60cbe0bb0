// Sets up the data directory of a hub from its history.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/erasure/key_entries.h"
#include "server/core/erasure/key_records.h"
#include "server/core/restore/partition_import.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"

namespace eventhub {

// From this offset on, events belong to this run of the hub.
struct ImportedRun {
  Offset first;
  uint64_t id = 0;
};

// What is known of a partition.
struct ImportedPartition {
  // The history has the events from `start` to `end`.
  Offset start;
  Offset end;
  // Where the log begins if it is empty: events before that are left to the history. At least
  // `start`; at most `end`.
  Offset from;
  std::vector<ImportedRun> runs{};  // By offset.
};

// Everything is written in commits, each of which leaves a state from which the same calls go on:
// after a crash, what a partition has tells where it is. From Start() to Finish() the directory has
// a mark, with which no hub starts on it.
//
// The directory may also be that of the same hub at an earlier time, such as a restored backup,
// which then gets the events that it lacks. It is refused if it has others.
//
// Thread-compatible.
class LogImport {
 public:
  // Opens or creates the directory. `hub_id`: 32 hexadecimal digits. `from`: the name of the
  // history. FAILED_PRECONDITION: the directory belongs to another hub, or is being restored from
  // elsewhere. Other errors as those of LogStore::Open.
  static absl::StatusOr<std::unique_ptr<LogImport>> Open(const LogStoreOptions& options,
                                                         const std::string& hub_id,
                                                         const std::string& from, absl::Time now);

  // Whether there were topics without a mark, i.e. a hub that needs to be completed. Then all its
  // partitions are to be checked before Start().
  bool completes() const { return completes_; }
  // FAILED_PRECONDITION: the partition has events that the history does not have in their place.
  absl::Status Check(TopicId id, const v1::Topic& settings, PartitionId partition,
                     const ImportedPartition& known) const;

  // Sets the mark, and the id of the hub. Call before the methods below.
  absl::Status Start();

  // The topics that are there, with their settings.
  absl::StatusOr<std::vector<std::pair<TopicId, v1::Topic>>> Topics() const;

  // Creates a topic, or replaces its settings; it never gets fewer partitions.
  absl::Status PutTopic(TopicId id, v1::Topic settings);
  // No topic gets an id below this.
  absl::Status PutNextTopicId(TopicId id);

  // Adds erasures, and then keys of subjects, as the lake has them (erasure/key_entries.h), without
  // those that an erasure destroyed, there or here.
  absl::Status PutErasures(const KeyEntries& erasures);
  absl::Status PutKeys(const KeyEntries& keys);

  // Begins to write a partition of a topic that was put. One at a time.
  absl::StatusOr<std::unique_ptr<PartitionImport>> Begin(TopicId id, const v1::Topic& settings,
                                                         PartitionId partition,
                                                         const ImportedPartition& known);

  // Ends a partition, whose events before `known.end` are in the history: archiving goes on there.
  absl::Status End(PartitionImport& import, TopicId id, PartitionId partition,
                   const ImportedPartition& known);

  // Notes how many objects and events the history of a topic has, unless the topic knows.
  absl::Status PutArchive(TopicId id, uint64_t objects, uint64_t events);

  // Writes everything that was added so far, durably.
  absl::Status Sync();

  // Removes the mark. Call last, behind a Sync.
  static absl::Status Finish(const LogStoreOptions& options, absl::Time now);

 private:
  LogImport(std::unique_ptr<LogStore> store, std::string hub_id, std::string from, absl::Time now);
  // Returns the commit that takes the next `bytes` bytes; writes the current one first if it is
  // full.
  absl::StatusOr<CommitBuilder*> Add(size_t bytes);
  absl::Status Write();
  // Of a key or an erasure: see KeyRing::NextTime.
  absl::Status NoteKeyTime(int64_t micros);
  absl::StatusOr<bool> IsDestroyed(absl::string_view subject_hash, const DataKeyRecord& key) const;

  const std::unique_ptr<LogStore> store_;
  const std::string hub_id_;
  const std::string from_;
  const absl::Time now_;
  bool completes_ = false;
  absl::flat_hash_map<std::string, int64_t> erased_micros_;  // Of subjects, by hash, in the lake.
  int64_t key_micros_ = 0;
  std::unique_ptr<CommitBuilder> commit_;
  size_t commit_bytes_ = 0;
};

}  // namespace eventhub

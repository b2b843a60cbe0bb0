// Manifest: everything that a topic has in a lake, at one moment.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/manifest/manifest.pb.h"
#include "server/lake/manifest/step_log.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// Of steps and checkpoints.
inline constexpr uint32_t kManifestVersion = 1;

// How far a partition is archived: [begin, end) is accounted for.
struct ArchivedRange {
  int64_t begin = 0;
  int64_t end = 0;
};

// Checks what a step adds or skips against what is archived, and extends that. FAILED_PRECONDITION
// if it leaves a gap or accounts for an offset twice; `*archived` is then of no use.
absl::Status CheckAdded(const ManifestStep& step, uint64_t last_sequence,
                        std::map<uint32_t, ArchivedRange>* archived);

// Thread-compatible.
class Manifest {
 public:
  // DATA_LOSS or UNIMPLEMENTED, naming the file, if a record is damaged or of a later version.
  static absl::StatusOr<Manifest> Load(const ObjectStore& store, const LakeTopic& topic);

  // By sequence.
  const std::map<uint64_t, ObjectRecord>& objects() const { return objects_; }
  const std::vector<SkippedRange>& skipped() const { return skipped_; }
  // Of each partition by offset. None of events that were archived before runs were.
  const std::vector<RunStart>& runs() const { return runs_; }

  // Objects that were replaced and whose files are not known to be deleted, by time.
  const std::vector<RetiredObject>& retired() const { return retired_; }

  // By partition.
  const std::map<uint32_t, ArchivedRange>& archived() const { return archived_; }

  uint64_t last_sequence() const { return last_sequence_; }

  // The number of the last step that was visited; 0: none.
  uint64_t last_step() const { return last_step_; }

  // Checks a step against what is there, and applies it. FAILED_PRECONDITION, without a change, if
  // it leaves a gap, accounts for an offset twice, or removes what is not there.
  absl::Status Apply(const ManifestStep& step);

  // DATA_LOSS if it contradicts itself.
  absl::Status Restore(const ManifestCheckpoint& checkpoint);
  ManifestCheckpoint ToCheckpoint() const;

  // Applies a record of the log of steps in `directory`. DATA_LOSS if it contradicts those before
  // it.
  absl::Status Visit(const std::string& directory, RecordKind kind, uint64_t number,
                     absl::string_view payload);

  static std::string Directory(const LakeTopic& topic);

 private:
  absl::Status CheckReplaced(const ManifestStep& step) const;
  absl::Status CheckDeleted(const ManifestStep& step) const;
  void Retire(const ManifestStep& step);

  std::map<uint64_t, ObjectRecord> objects_;
  std::vector<SkippedRange> skipped_;
  std::vector<RunStart> runs_;
  std::vector<RetiredObject> retired_;
  std::map<uint32_t, ArchivedRange> archived_;
  uint64_t last_sequence_ = 0;
  uint64_t last_step_ = 0;
};

}  // namespace eventhub::lake

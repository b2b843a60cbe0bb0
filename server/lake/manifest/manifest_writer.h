// ManifestWriter: adds steps to the manifest of one topic.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/manifest/manifest.pb.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/manifest/step_log.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// Only for the owner of the lake. Keeps how far each partition is archived in memory, not the
// objects. Thread-compatible; the store must outlive it.
class ManifestWriter {
 public:
  static absl::StatusOr<std::unique_ptr<ManifestWriter>> Open(ObjectStore& store,
                                                              const LakeTopic& topic,
                                                              const LakeOwner& owner);

  // The sequence for the next object.
  uint64_t next_sequence() const { return last_sequence_ + 1; }

  // By partition: where to go on. The lake may be ahead of what its hub remembers: the hub crashed
  // after a step, and takes over what this says.
  const std::map<uint32_t, ArchivedRange>& archived() const { return archived_; }

  // By partition: the run of the last events, as far as it is known.
  const std::map<uint32_t, uint64_t>& last_runs() const { return last_runs_; }

  // Records objects that are in the store, and ranges that will never be, all at once. What is
  // added must begin where its partition ends here, and have the next sequences in order:
  // FAILED_PRECONDITION otherwise. ABORTED if another hub wrote a step. After an ambiguous error
  // the step may be there already, or arrive later: the next call stores it first, whatever it adds
  // itself.
  // `runs`: those of what is added, by partition, then by offset; what is known already is left
  // out.
  absl::Status Append(const std::vector<ObjectRecord>& added,
                      const std::vector<SkippedRange>& skipped, absl::Time now,
                      const std::vector<RunStart>& runs = {});

  // Records an object that has the events of `removed`, which are retired: they are then no part of
  // the topic, but their files stay. It has the sequence of the last of them. Errors as those of
  // Append.
  absl::Status Replace(const std::vector<uint64_t>& removed, const ObjectRecord& added,
                       absl::Time now);

  // Records that the files of retired objects are deleted. Errors as those of Append.
  absl::Status Forget(const std::vector<RetiredObject>& deleted, absl::Time now);

  // Stores the step that may be stored, if there is one: everything is then as Load says.
  absl::Status Settle();

  // Whether enough steps were added since the last checkpoint to write another.
  bool WantsCheckpoint() const;

  // Loads the manifest, and stores it as a checkpoint. Its failure costs readers time, nothing
  // else.
  absl::Status WriteCheckpoint();

 private:
  ManifestWriter(ObjectStore& store, const LakeTopic& topic, const LakeOwner& owner);
  absl::StatusOr<Manifest> Load();
  absl::Status Check(const ManifestStep& step) const;
  absl::Status Store(ManifestStep step, absl::Time now);
  absl::Status AppendStep(const ManifestStep& step);
  void Apply(const ManifestStep& step);

  ObjectStore& store_;
  const LakeTopic topic_;
  const LakeOwner owner_;
  StepLog log_;
  std::map<uint32_t, ArchivedRange> archived_;
  std::map<uint32_t, uint64_t> last_runs_;
  uint64_t last_sequence_ = 0;
  size_t live_objects_ = 0;
  std::optional<ManifestStep> pending_;  // A step that may be stored.
};

}  // namespace eventhub::lake

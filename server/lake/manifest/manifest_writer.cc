#include "server/lake/manifest/manifest_writer.h"

#include <algorithm>
#include <utility>

#include "google/protobuf/util/message_differencer.h"
#include "storage/base/check.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

// A checkpoint is as large as what is live: the more there is, the rarer it has to be.
constexpr uint64_t kMinStepsToCheckpoint = 64;
constexpr uint64_t kMaxStepsToCheckpoint = 1024;
constexpr uint64_t kObjectsPerStep = 16;

// Whether two steps are the same, written at different times.
bool SameChange(const ManifestStep& a, ManifestStep b) {
  b.set_time_micros(a.time_micros());
  return google::protobuf::util::MessageDifferencer::Equals(a, b);
}

}  // namespace

ManifestWriter::ManifestWriter(ObjectStore& store, const LakeTopic& topic, const LakeOwner& owner)
    : store_(store), topic_(topic), owner_(owner), log_(store, Manifest::Directory(topic)) {}

absl::StatusOr<std::unique_ptr<ManifestWriter>> ManifestWriter::Open(ObjectStore& store,
                                                                     const LakeTopic& topic,
                                                                     const LakeOwner& owner) {
  std::unique_ptr<ManifestWriter> writer(new ManifestWriter(store, topic, owner));
  RETURN_IF_ERROR(writer->Load().status());
  return writer;
}

absl::StatusOr<Manifest> ManifestWriter::Load() {
  Manifest manifest;
  const std::string directory = Manifest::Directory(topic_);
  RETURN_IF_ERROR(log_.Load(
      [&manifest, &directory](RecordKind kind, uint64_t number, absl::string_view payload) {
        return manifest.Visit(directory, kind, number, payload);
      }));
  archived_ = manifest.archived();
  for (const RunStart& start : manifest.runs()) last_runs_[start.partition()] = start.run();
  last_sequence_ = manifest.last_sequence();
  live_objects_ = manifest.objects().size();
  return manifest;
}

absl::Status ManifestWriter::Append(const std::vector<ObjectRecord>& added,
                                    const std::vector<SkippedRange>& skipped, absl::Time now,
                                    const std::vector<RunStart>& runs) {
  ManifestStep step;
  *step.mutable_added() = {added.begin(), added.end()};
  *step.mutable_skipped() = {skipped.begin(), skipped.end()};
  std::map<uint32_t, uint64_t> last = last_runs_;
  for (const RunStart& start : runs) {
    const auto [known, is_new] = last.try_emplace(start.partition(), start.run());
    if (!is_new && known->second == start.run()) continue;
    known->second = start.run();
    *step.add_runs() = start;
  }
  return Store(std::move(step), now);
}

absl::Status ManifestWriter::Replace(const std::vector<uint64_t>& removed,
                                     const ObjectRecord& added, absl::Time now) {
  ManifestStep step;
  *step.add_added() = added;
  *step.mutable_removed() = {removed.begin(), removed.end()};
  return Store(std::move(step), now);
}

absl::Status ManifestWriter::Forget(const std::vector<RetiredObject>& deleted, absl::Time now) {
  ManifestStep step;
  *step.mutable_deleted() = {deleted.begin(), deleted.end()};
  return Store(std::move(step), now);
}

absl::Status ManifestWriter::Settle() {
  if (!pending_) return absl::OkStatus();
  const ManifestStep step = *pending_;
  return AppendStep(step);
}

absl::Status ManifestWriter::Store(ManifestStep step, absl::Time now) {
  step.set_version(kManifestVersion);
  step.set_hub(owner_.hub);
  step.set_epoch(owner_.epoch);
  step.set_time_micros(absl::ToUnixMicros(now));
  if (pending_ && SameChange(*pending_, step)) return Settle();
  RETURN_IF_ERROR(Settle());
  RETURN_IF_ERROR(Check(step));
  return AppendStep(step);
}

absl::Status ManifestWriter::AppendStep(const ManifestStep& step) {
  const absl::Status stored = log_.Append(step.SerializeAsString());
  if (stored.ok()) {
    pending_.reset();
    Apply(step);
  } else if (FaultOf(stored) == StoreFault::kAmbiguous) {
    pending_ = step;
  }
  return stored;
}

absl::Status ManifestWriter::Check(const ManifestStep& step) const {
  if (step.removed().empty() && step.deleted().empty()) {
    std::map<uint32_t, ArchivedRange> archived = archived_;
    return CheckAdded(step, last_sequence_, &archived);
  }
  ASSIGN_OR_RETURN(Manifest manifest, Manifest::Load(store_, topic_));
  return manifest.Apply(step);
}

void ManifestWriter::Apply(const ManifestStep& step) {
  // What replaces objects accounts for what they did.
  if (step.removed().empty()) {
    EVENTHUB_CHECK(CheckAdded(step, last_sequence_, &archived_).ok(), "a step is checked first");
  }
  for (const RunStart& start : step.runs()) last_runs_[start.partition()] = start.run();
  for (const ObjectRecord& object : step.added()) {
    last_sequence_ = std::max(last_sequence_, object.sequence());
  }
  live_objects_ += static_cast<size_t>(step.added_size());
  live_objects_ -= static_cast<size_t>(step.removed_size());
}

bool ManifestWriter::WantsCheckpoint() const {
  const uint64_t steps = log_.last_step() - log_.last_checkpoint();
  return steps >= std::clamp<uint64_t>(live_objects_ / kObjectsPerStep, kMinStepsToCheckpoint,
                                       kMaxStepsToCheckpoint);
}

absl::Status ManifestWriter::WriteCheckpoint() {
  if (pending_) return absl::FailedPreconditionError("a step may be stored; it must be appended");
  const uint64_t step = log_.last_step();
  ASSIGN_OR_RETURN(const Manifest manifest, Load());
  if (log_.last_step() != step) return absl::AbortedError("another writer stored a step");
  return log_.WriteCheckpoint(manifest.ToCheckpoint().SerializeAsString());
}

}  // namespace eventhub::lake

#include "server/lake/merge/merge_topic.h"

#include <algorithm>
#include <set>
#include <utility>

#include "server/lake/manifest/manifest.h"
#include "server/lake/read/verify_object.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

class TopicMerger {
 public:
  TopicMerger(ObjectStore& store, const LakeTopic& topic, absl::Time now,
              const MergeTopicOptions& options, WithManifest with_manifest, MergeTally* tally)
      : store_(store),
        topic_(topic),
        now_(now),
        options_(options),
        with_manifest_(with_manifest),
        tally_(tally) {}

  absl::Status Run() {
    RETURN_IF_ERROR(with_manifest_([](ManifestWriter& writer) { return writer.Settle(); }));
    ASSIGN_OR_RETURN(Manifest manifest, Manifest::Load(store_, topic_));
    RETURN_IF_ERROR(DeleteRetired(manifest));
    if (tally_->deleted > 0) {
      ASSIGN_OR_RETURN(manifest, Manifest::Load(store_, topic_));
    }
    const int64_t hour = HourOf(now_ - options_.settle);
    // What is merged may be small still: a group has as many objects as fit into memory.
    for (bool merged = true; merged;) {
      merged = false;
      for (const MergeGroup& group : PlanMerges(manifest, hour, options_.limits)) {
        if (!Merge(group, &merged)) return status_;
      }
      if (merged) {
        ASSIGN_OR_RETURN(manifest, Manifest::Load(store_, topic_));
      }
    }
    NoteNext(manifest, hour);
    return absl::OkStatus();
  }

 private:
  absl::Status DeleteRetired(const Manifest& manifest) {
    std::vector<RetiredObject> deleted;
    absl::Status status;
    for (const RetiredObject& object : manifest.retired()) {
      if (absl::FromUnixMicros(object.time_micros()) + options_.grace > now_) continue;
      status = options_.merge.pace(0);
      if (!status.ok()) break;
      status = store_.Delete(
          ObjectName(topic_.directory, object.hour(), object.sequence(), object.hash()));
      if (!status.ok()) break;
      deleted.push_back(object);
    }
    if (!deleted.empty()) {
      RETURN_IF_ERROR(with_manifest_([&](ManifestWriter& writer) {
        RETURN_IF_ERROR(writer.Forget(deleted, now_));
        return Checkpoint(writer);
      }));
      tally_->deleted += deleted.size();
    }
    return status;
  }

  // Merges objects of the group; false if the pass ends with status_.
  bool Merge(const MergeGroup& group, bool* merged) {
    if (std::any_of(group.begin(), group.end(), [this](const ObjectRecord& object) {
          return left_out_.contains(object.sequence());
        })) {
      return true;
    }
    absl::StatusOr<std::optional<MergedObjects>> objects =
        MergeObjects(store_, topic_, group, options_.merge);
    if (objects.ok() && !objects->has_value()) {
      // They are as small as they can be with this memory.
      for (const ObjectRecord& object : group) left_out_.insert(object.sequence());
      return true;
    }
    status_ = objects.ok() ? Replace(**objects) : objects.status();
    if (status_.ok()) {
      *merged = true;
      return true;
    }
    if (!absl::IsDataLoss(status_) && !absl::IsNotFound(status_)) return false;
    tally_->problems.emplace_back(status_.message());
    for (const ObjectRecord& object : group) left_out_.insert(object.sequence());
    return true;
  }

  absl::Status Replace(const MergedObjects& objects) {
    RETURN_IF_ERROR(options_.merge.pace(objects.added.raw_bytes()));
    RETURN_IF_ERROR(VerifyObject(store_, topic_, objects.added));
    RETURN_IF_ERROR(with_manifest_([&](ManifestWriter& writer) {
      RETURN_IF_ERROR(writer.Replace(objects.removed, objects.added, now_));
      return Checkpoint(writer);
    }));
    ++tally_->merges;
    tally_->replaced += objects.removed.size();
    tally_->bytes += objects.added.raw_bytes();
    return absl::OkStatus();
  }

  static absl::Status Checkpoint(ManifestWriter& writer) {
    // Without it, readers take longer.
    if (writer.WantsCheckpoint()) writer.WriteCheckpoint().IgnoreError();
    return absl::OkStatus();
  }

  void NoteNext(const Manifest& manifest, int64_t hour) {
    const auto note = [this](absl::Time time) {
      if (!tally_->next || time < *tally_->next) tally_->next = time;
    };
    for (const RetiredObject& object : manifest.retired()) {
      note(absl::FromUnixMicros(object.time_micros()) + options_.grace);
    }
    for (const auto& [sequence, object] : manifest.objects()) {
      if (object.hour() >= hour) note(HourStart(object.hour() + 1) + options_.settle);
    }
  }

  ObjectStore& store_;
  const LakeTopic& topic_;
  const absl::Time now_;
  const MergeTopicOptions& options_;
  const WithManifest with_manifest_;
  MergeTally* const tally_;
  std::set<uint64_t> left_out_;  // Sequences of objects that this pass does not merge.
  absl::Status status_;
};

}  // namespace

absl::Status MergeTopic(ObjectStore& store, const LakeTopic& topic, absl::Time now,
                        const MergeTopicOptions& options, WithManifest with_manifest,
                        MergeTally* tally) {
  return TopicMerger(store, topic, now, options, with_manifest, tally).Run();
}

}  // namespace eventhub::lake

#include "server/lake/manifest/manifest.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

template <typename Record>
absl::StatusOr<Record> ParseManifestRecord(const std::string& directory, uint64_t number,
                                           absl::string_view payload) {
  Record record;
  if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::DataLossError(
        absl::StrCat("the record ", number, " of ", directory, " is damaged"));
  }
  if (record.version() != kManifestVersion) {
    return absl::UnimplementedError(
        absl::StrCat("the record ", number, " of ", directory, " has version ", record.version(),
                     "; this program knows version ", kManifestVersion));
  }
  return record;
}

std::string Describe(uint32_t partition, int64_t begin, int64_t end) {
  return absl::StrCat("partition ", partition, ", offsets ", begin, " to ", end - 1);
}

// Extends what is archived of a partition, which may have begun at any offset.
absl::Status Extend(uint32_t partition, int64_t begin, int64_t end,
                    std::map<uint32_t, ArchivedRange>* archived) {
  if (begin < 0 || begin >= end) {
    return absl::FailedPreconditionError(
        absl::StrCat("partition ", partition, " has an empty range at offset ", begin));
  }
  const auto [at, is_first] = archived->try_emplace(partition, ArchivedRange{begin, end});
  if (is_first) return absl::OkStatus();
  if (at->second.end != begin) {
    return absl::FailedPreconditionError(absl::StrCat(
        Describe(partition, begin, end), ": ",
        begin < at->second.end ? "already archived to " : "archived only to ", at->second.end - 1));
  }
  at->second.end = end;
  return absl::OkStatus();
}

using RangeList = std::vector<std::pair<int64_t, int64_t>>;

// By partition, with neighbours joined.
std::map<uint32_t, RangeList> Join(const std::vector<const ObjectRecord*>& objects) {
  std::map<uint32_t, RangeList> ranges;
  for (const ObjectRecord* object : objects) {
    for (const OffsetRange& range : object->ranges()) {
      ranges[range.partition()].emplace_back(range.begin(), range.end());
    }
  }
  for (auto& [partition, list] : ranges) {
    std::sort(list.begin(), list.end());
    RangeList joined;
    for (const auto& [begin, end] : list) {
      if (!joined.empty() && joined.back().second == begin) {
        joined.back().second = end;
      } else {
        joined.emplace_back(begin, end);
      }
    }
    list = std::move(joined);
  }
  return ranges;
}

uint64_t EventsOf(const std::vector<const ObjectRecord*>& objects) {
  uint64_t events = 0;
  for (const ObjectRecord* object : objects) events += object->events();
  return events;
}

bool IsSame(const RetiredObject& a, const RetiredObject& b) {
  return a.sequence() == b.sequence() && a.hash() == b.hash();
}

absl::Status CheckRanges(const ObjectRecord& object) {
  for (const OffsetRange& range : object.ranges()) {
    if (range.begin() < 0 || range.begin() >= range.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("object ", object.sequence(), " has an empty range"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSequences(const ManifestStep& step, uint64_t last_sequence) {
  for (const ObjectRecord& object : step.added()) {
    RETURN_IF_ERROR(CheckRanges(object));
    if (object.sequence() != ++last_sequence || object.sequence() == 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("object ", object.sequence(), " follows object ", last_sequence - 1));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string Manifest::Directory(const LakeTopic& topic) {
  return absl::StrCat(topic.directory, "/_manifest");
}

absl::StatusOr<Manifest> Manifest::Load(const ObjectStore& store, const LakeTopic& topic) {
  Manifest manifest;
  const std::string directory = Directory(topic);
  RETURN_IF_ERROR(StepLog::Read(
      store, directory,
      [&manifest, &directory](RecordKind kind, uint64_t number, absl::string_view payload) {
        return manifest.Visit(directory, kind, number, payload);
      }));
  return manifest;
}

absl::Status Manifest::Visit(const std::string& directory, RecordKind kind, uint64_t number,
                             absl::string_view payload) {
  absl::Status status;
  if (kind == RecordKind::kCheckpoint) {
    ASSIGN_OR_RETURN(const ManifestCheckpoint checkpoint,
                     ParseManifestRecord<ManifestCheckpoint>(directory, number, payload));
    status = Restore(checkpoint);
  } else {
    ASSIGN_OR_RETURN(const ManifestStep step,
                     ParseManifestRecord<ManifestStep>(directory, number, payload));
    status = Apply(step);
  }
  last_step_ = number;
  if (status.ok()) return status;
  return absl::DataLossError(absl::StrCat("the record ", number, " of ", directory,
                                          " contradicts those before it: ", status.message()));
}

absl::Status CheckAdded(const ManifestStep& step, uint64_t last_sequence,
                        std::map<uint32_t, ArchivedRange>* archived) {
  RETURN_IF_ERROR(CheckSequences(step, last_sequence));
  // In the order of the offsets: an object and a range that is skipped may follow each other.
  std::vector<PlannedRange> ranges;
  for (const ObjectRecord& object : step.added()) {
    for (const OffsetRange& range : object.ranges()) {
      ranges.push_back({range.partition(), range.begin(), range.end()});
    }
  }
  for (const SkippedRange& skipped : step.skipped()) {
    ranges.push_back({skipped.partition(), skipped.begin(), skipped.end()});
  }
  std::sort(ranges.begin(), ranges.end(), [](const PlannedRange& a, const PlannedRange& b) {
    return std::pair(a.partition, a.begin) < std::pair(b.partition, b.begin);
  });
  for (const PlannedRange& range : ranges) {
    RETURN_IF_ERROR(Extend(range.partition, range.begin, range.end, archived));
  }
  return absl::OkStatus();
}

absl::Status Manifest::CheckReplaced(const ManifestStep& step) const {
  if (step.added_size() != 1 || !step.skipped().empty()) {
    return absl::FailedPreconditionError(
        "a step that replaces objects adds one, and skips nothing");
  }
  const ObjectRecord& added = step.added(0);
  RETURN_IF_ERROR(CheckRanges(added));
  uint64_t last = 0;
  std::vector<const ObjectRecord*> removed;
  for (const uint64_t number : step.removed()) {
    const auto found = objects_.find(number);
    if (found == objects_.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("object ", number, " is removed, but is not there"));
    }
    if (std::find(removed.begin(), removed.end(), &found->second) != removed.end()) {
      return absl::FailedPreconditionError(absl::StrCat("object ", number, " is removed twice"));
    }
    if (found->second.hour() != added.hour()) {
      return absl::FailedPreconditionError(
          absl::StrCat("object ", number, " is removed, but is of another hour"));
    }
    last = std::max(last, number);
    removed.push_back(&found->second);
  }
  if (added.sequence() != last) {
    return absl::FailedPreconditionError(
        absl::StrCat("object ", added.sequence(), " replaces others, the last of which is ", last));
  }
  if (Join({&added}) != Join(removed) || added.events() != EventsOf(removed)) {
    return absl::FailedPreconditionError(
        "what replaces objects must account for the same offsets and events");
  }
  return absl::OkStatus();
}

absl::Status Manifest::CheckDeleted(const ManifestStep& step) const {
  for (const RetiredObject& deleted : step.deleted()) {
    const bool known =
        std::any_of(retired_.begin(), retired_.end(),
                    [&deleted](const RetiredObject& object) { return IsSame(object, deleted); });
    if (!known) {
      return absl::FailedPreconditionError(
          absl::StrCat("object ", deleted.sequence(), " is deleted, but is not retired"));
    }
  }
  return absl::OkStatus();
}

void Manifest::Retire(const ManifestStep& step) {
  retired_.erase(std::remove_if(retired_.begin(), retired_.end(),
                                [&step](const RetiredObject& object) {
                                  return std::any_of(step.deleted().begin(), step.deleted().end(),
                                                     [&object](const RetiredObject& deleted) {
                                                       return IsSame(object, deleted);
                                                     });
                                }),
                 retired_.end());
  for (const uint64_t number : step.removed()) {
    const ObjectRecord& object = objects_.at(number);
    // An object that was damaged is written again under its name.
    if (object.hash() != step.added(0).hash()) {
      RetiredObject& retired = retired_.emplace_back();
      retired.set_sequence(object.sequence());
      retired.set_hour(object.hour());
      retired.set_hash(object.hash());
      retired.set_bytes(object.bytes());
      retired.set_time_micros(step.time_micros());
    }
    objects_.erase(number);
  }
}

absl::Status Manifest::Apply(const ManifestStep& step) {
  RETURN_IF_ERROR(CheckDeleted(step));
  if (step.removed().empty()) {
    std::map<uint32_t, ArchivedRange> archived = archived_;
    RETURN_IF_ERROR(CheckAdded(step, last_sequence_, &archived));
    archived_ = std::move(archived);
  } else {
    RETURN_IF_ERROR(CheckReplaced(step));
  }
  Retire(step);
  for (const ObjectRecord& object : step.added()) {
    last_sequence_ = std::max(last_sequence_, object.sequence());
    objects_.emplace(object.sequence(), object);
  }
  skipped_.insert(skipped_.end(), step.skipped().begin(), step.skipped().end());
  runs_.insert(runs_.end(), step.runs().begin(), step.runs().end());
  return absl::OkStatus();
}

absl::Status Manifest::Restore(const ManifestCheckpoint& checkpoint) {
  std::map<uint32_t, RangeList> ranges;
  for (const ObjectRecord& object : checkpoint.objects()) {
    if (object.sequence() > checkpoint.last_sequence() ||
        !objects_.emplace(object.sequence(), object).second) {
      return absl::DataLossError(absl::StrCat("object ", object.sequence(), " cannot be there"));
    }
    for (const OffsetRange& range : object.ranges()) {
      ranges[range.partition()].emplace_back(range.begin(), range.end());
    }
  }
  for (const SkippedRange& skipped : checkpoint.skipped()) {
    ranges[skipped.partition()].emplace_back(skipped.begin(), skipped.end());
  }
  for (auto& [partition, list] : ranges) {
    std::sort(list.begin(), list.end());
    for (const auto& [begin, end] : list) {
      RETURN_IF_ERROR(Extend(partition, begin, end, &archived_));
    }
  }
  skipped_.assign(checkpoint.skipped().begin(), checkpoint.skipped().end());
  runs_.assign(checkpoint.runs().begin(), checkpoint.runs().end());
  retired_.assign(checkpoint.retired().begin(), checkpoint.retired().end());
  last_sequence_ = checkpoint.last_sequence();
  return absl::OkStatus();
}

ManifestCheckpoint Manifest::ToCheckpoint() const {
  ManifestCheckpoint checkpoint;
  checkpoint.set_version(kManifestVersion);
  checkpoint.set_last_sequence(last_sequence_);
  for (const auto& [sequence, object] : objects_) *checkpoint.add_objects() = object;
  for (const SkippedRange& skipped : skipped_) *checkpoint.add_skipped() = skipped;
  for (const RunStart& run : runs_) *checkpoint.add_runs() = run;
  for (const RetiredObject& retired : retired_) *checkpoint.add_retired() = retired;
  return checkpoint;
}

}  // namespace eventhub::lake

#include "server/lake/read/repair.h"

#include <memory>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/lake/manifest/columns.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/object/object_writer.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {

absl::Status RebuildObject(ObjectStore& store, const LakeTopic& topic, const ObjectRecord& object,
                           ReadEvents read) {
  ObjectPlan plan{.topic = topic, .sequence = object.sequence(), .hour = object.hour()};
  for (const OffsetRange& range : object.ranges()) {
    plan.ranges.push_back({range.partition(), range.begin(), range.end()});
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer, ObjectWriter::Create(store, plan));
  for (const OffsetRange& range : object.ranges()) {
    RETURN_IF_ERROR(
        read(range, [&writer](const EventPosition& position, absl::string_view encoded) {
          return writer->Add(position, encoded);
        }));
  }
  return writer->FinishAs(object);
}

std::vector<ObjectInfo> RemovableOrphans(const LakeTopic& topic,
                                         const std::vector<ObjectInfo>& orphans,
                                         absl::Time before) {
  std::vector<ObjectInfo> removable;
  for (const ObjectInfo& orphan : orphans) {
    const std::optional<ObjectNameParts> parts = ParseObjectName(orphan.name);
    const bool is_object = parts.has_value() && parts->directory == topic.directory;
    const bool is_copy =
        absl::StartsWith(orphan.name, absl::StrCat(Columns::Directory(topic), "/date=")) &&
        absl::EndsWith(orphan.name, ".parquet");
    if ((is_object || is_copy) && orphan.modified < before) removable.push_back(orphan);
  }
  return removable;
}

absl::StatusOr<uint64_t> RemoveOrphans(ObjectStore& store, const LakeTopic& topic,
                                       const std::vector<ObjectInfo>& orphans) {
  ASSIGN_OR_RETURN(const Manifest manifest, Manifest::Load(store, topic));
  ASSIGN_OR_RETURN(const Columns columns, Columns::Load(store, topic));
  std::set<std::string> known;
  for (const auto& [sequence, object] : manifest.objects()) {
    known.insert(ObjectName(topic, object));
  }
  for (const auto& [day, copy] : columns.copies()) known.insert(CopyName(topic, copy));
  uint64_t removed = 0;
  for (const ObjectInfo& orphan : orphans) {
    // The next object of the topic, which the hub may be about to list, has a later sequence.
    const std::optional<ObjectNameParts> parts = ParseObjectName(orphan.name);
    const bool is_next = parts.has_value() && parts->sequence > manifest.last_sequence();
    if (is_next || known.contains(orphan.name)) continue;
    RETURN_IF_ERROR(store.Delete(orphan.name));
    ++removed;
  }
  return removed;
}

}  // namespace eventhub::lake

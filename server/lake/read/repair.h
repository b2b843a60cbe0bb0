// Repairs a topic of a lake, beside the hub that owns it: nothing that manifests say changes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/lake/object/event_line.h"
#include "server/lake/object/object.pb.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// Takes one encoded event.
using TakeEvent =
    absl::FunctionRef<absl::Status(const EventPosition& position, absl::string_view encoded)>;

// Gives the events of a range of a partition, in order, from where they are kept besides the lake.
using ReadEvents = absl::FunctionRef<absl::Status(const OffsetRange& range, TakeEvent take)>;

// Writes an object again that is damaged or missing. It is stored only if it is the same, byte for
// byte, as the manifest says: FAILED_PRECONDITION if it is not, because events of it are gone, or
// because a version of the hub or of zstd wrote it that makes other bytes. Errors of `read` and of
// the store.
absl::Status RebuildObject(ObjectStore& store, const LakeTopic& topic, const ObjectRecord& object,
                           ReadEvents read);

// The files that may be removed: objects and columnar copies, not other files, that were stored
// before `before`. Who writes an object lists it soon after it is stored, or writes it again: an
// old file belongs to nobody.
std::vector<ObjectInfo> RemovableOrphans(const LakeTopic& topic,
                                         const std::vector<ObjectInfo>& orphans, absl::Time before);

// Removes orphans, unless they belong to the topic meanwhile. Returns how many.
absl::StatusOr<uint64_t> RemoveOrphans(ObjectStore& store, const LakeTopic& topic,
                                       const std::vector<ObjectInfo>& orphans);

}  // namespace eventhub::lake

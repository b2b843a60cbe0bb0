// What a lake knows of the hub that writes it, besides events: topics and their settings,
// subscriptions, routes and links.
//
// There is one record for each epoch of the owner, which only that owner overwrites: a hub that was
// fenced cannot touch that of its successor.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/lake/manifest/manifest.pb.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// The newest record; nothing if no hub ever wrote one. DATA_LOSS or UNIMPLEMENTED, naming the file,
// if it is damaged or of a later version.
absl::StatusOr<std::optional<HubRecord>> ReadHubRecord(const ObjectStore& store);

// Stores the record of this owner, whose hub and version it gets, in the place of the one before.
absl::Status WriteHubRecord(ObjectStore& store, const LakeOwner& owner, HubRecord record);

}  // namespace eventhub::lake

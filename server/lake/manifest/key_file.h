// The keys of the hub's subjects, and who was erased: what a hub needs to open the sealed data in a
// lake, besides its master keys.
//
// The keys are in parts, so that a change of one rewrites little. Unlike everything else in a lake,
// these files are replaced, and what they had before is removed.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

inline constexpr uint32_t kKeyParts = 256;

// Empty if there is no such file. DATA_LOSS or UNIMPLEMENTED, naming the file, if it is damaged or
// of a later version.
absl::StatusOr<std::string> ReadKeys(const ObjectStore& store, uint32_t part);
absl::StatusOr<std::string> ReadErasures(const ObjectStore& store);

// Store a file in the place of the one before. `purge`: older versions of it are removed.
absl::Status WriteKeys(ObjectStore& store, uint32_t part, absl::string_view keys, bool purge);
absl::Status WriteErasures(ObjectStore& store, absl::string_view erasures);

}  // namespace eventhub::lake

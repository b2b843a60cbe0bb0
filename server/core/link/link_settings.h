// The rules for a link's name and settings.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/link.pb.h"
#include "google/protobuf/field_mask.pb.h"

namespace eventhub {

// Checks complete settings. INVALID_ARGUMENT names the field at fault, e.g. `link.remote_address`.
absl::Status CheckLinkSettings(const v1::Link& settings);

// Returns the settings of a new link: `asked`, checked, with defaults filled in. Errors as above.
// The caller checks that the local topic exists.
absl::StatusOr<v1::Link> NewLinkSettings(const v1::Link& asked, absl::Time now);

// Returns `current` with the fields of the mask taken from `asked`. Errors as above;
// INVALID_ARGUMENT may also name `update_mask`.
absl::StatusOr<v1::Link> ChangedLinkSettings(const v1::Link& current, const v1::Link& asked,
                                             const google::protobuf::FieldMask& mask);

}  // namespace eventhub

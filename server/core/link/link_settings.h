// The rules for a link's name and settings.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/link.pb.h"
#include "google/protobuf/field_mask.pb.h"

namespace eventhub {

// Whether these can be complete settings. INVALID_ARGUMENT names the field at fault, e.g.
// `link.remote_address`.
absl::Status CheckLinkSettings(const v1::Link& settings);

// The settings that a link is created with: `asked`, checked, defaults filled in. Errors as above.
// Whether there is a local topic of that name is for the caller to see to.
absl::StatusOr<v1::Link> NewLinkSettings(const v1::Link& asked, absl::Time now);

// `current` with the fields that the mask names taken from `asked`. Errors as above, or
// INVALID_ARGUMENT names `update_mask`.
absl::StatusOr<v1::Link> ChangedLinkSettings(const v1::Link& current, const v1::Link& asked,
                                             const google::protobuf::FieldMask& mask);

}  // namespace eventhub

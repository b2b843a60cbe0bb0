// Classifies errors: whether a later attempt may succeed, and whether the request may have taken
// effect (OutcomeIsUnknown in eventhub/error.h).
//
// An error has one of three origins. The hub's errors carry an ErrorDetail, and mean what the
// contract says for their code. gRPC's errors (from the library here, at the hub, or in a proxy)
// carry none, and may arrive after the hub acted. The SDK's errors are marked with the outcome, and
// so are gRPC's if the request is known never to have left.
#pragma once

#include "absl/status/status.h"

namespace eventhub::client {

// Marks the error of a request that has no effect, now or later.
absl::Status WithNothingDone(absl::Status error);

// Marks the error of a request that may have taken effect.
absl::Status WithUnknownOutcome(absl::Status error);

// Whether `error` is marked by WithNothingDone.
bool SaysNothingDone(const absl::Status& error);

// Whether the same request may succeed later, on another stream or call.
bool MayPass(const absl::Status& error);

}  // namespace eventhub::client

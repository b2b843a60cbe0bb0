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

// The outcome of a request whose last attempt failed with `error`. `in_doubt`: an earlier attempt
// may have taken effect, of which the error says nothing.
absl::Status OutcomeOf(absl::Status error, bool in_doubt);

// The outcome of a request that is given up without a reply to its last attempt. `in_doubt`: some
// attempt may have taken effect.
absl::Status OutcomeOfGivenUp(absl::Status error, bool in_doubt);

// Whether `error` is marked by WithNothingDone.
bool SaysNothingDone(const absl::Status& error);

// Whether the same request may succeed later, on another stream or call.
bool MayPass(const absl::Status& error);

// Whether an operation of the program that failed with this code may succeed later. These are the
// codes of transports, timeouts, and services that are overloaded.
bool IsTransientCode(absl::StatusCode code);

}  // namespace eventhub::client

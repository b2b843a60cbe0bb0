// What the SDK makes of errors, in one place: whether a later attempt may do better, and whether
// the request may have been done all the same (OutcomeIsUnknown in eventhub/error.h).
//
// An error comes from one of three sides. The hub's own always carries an ErrorDetail, and says
// what the contract has for its code. gRPC's (the library here, that of the hub, or a proxy in
// between) carries none, and may come after the hub has acted. The SDK's own say by a mark of their
// own which of the two it is, and so does gRPC's where the request is known never to have left.
#pragma once

#include "absl/status/status.h"

namespace eventhub::client {

// `error`, of a request that has done nothing, and will not.
absl::Status WithNothingDone(absl::Status error);

// `error`, of a request that may have been done.
absl::Status WithUnknownOutcome(absl::Status error);

// Whether `error` was marked so: what went with it was not done either.
bool SaysNothingDone(const absl::Status& error);

// Whether the same request may do better later, on another stream or call.
bool MayPass(const absl::Status& error);

}  // namespace eventhub::client

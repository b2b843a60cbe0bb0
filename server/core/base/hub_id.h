// The id of this hub: links record it in events, to name the hubs that an event has passed through.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/log_store.h"

namespace eventhub {

// Returns the id of the store: 32 lower-case hexadecimal digits. Generates it at random and writes
// it on first use. Called before the writer starts.
absl::StatusOr<std::string> TakeHubId(LogStore& store, absl::Time now);

}  // namespace eventhub

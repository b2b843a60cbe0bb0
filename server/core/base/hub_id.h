// What tells this hub from all others: links name the hubs that an event has been in by it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/log_store.h"

namespace eventhub {

// The id of the store: 32 lower-case hexadecimal digits. Made, at random, and written the first
// time. Before the writer is started.
absl::StatusOr<std::string> TakeHubId(LogStore& store, absl::Time now);

}  // namespace eventhub

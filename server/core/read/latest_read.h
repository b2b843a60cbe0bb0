// The latest event with a key; see EventHubService.GetLatest.
#pragma once

#include "absl/status/statusor.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/topic/topic.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

// Returns the latest event with the key of the request. Reads the disk, and waits for the commit of
// an event that is being appended. INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION: see GetLatest;
// UNAVAILABLE: the topic is being deleted, or the writer refuses writes; DATA_LOSS: the store is
// damaged.
absl::StatusOr<v1::GetLatestResponse> ReadLatest(const v1::GetLatestRequest& request, Topic& topic,
                                                 const LogStore& store, LogWriter& writer);

}  // namespace eventhub

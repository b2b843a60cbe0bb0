// What a process finds of the processes before it: topics, and the requests that are pending.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/outbox/format.h"
#include "eventhub/bytes.h"

namespace eventhub::client::outbox {

// A pending request, without its events.
struct StoredRequest {
  uint64_t number = 0;
  uint64_t first_event = 0;
  uint64_t span = 0;
  uint64_t events = 0;
  size_t bytes = 0;
  uint32_t parts = 0;  // The number of the next part.
  absl::Time accepted{};
};

// A topic, as found on disk.
struct StoredTopic {
  TopicNumber number = 0;
  TopicRecord record;
  std::vector<StoredRequest> requests;  // Ascending.
  uint64_t lost_events = 0;             // Accepted, pending, and missing.
  uint64_t refused_events = 0;
  uint64_t refused_bytes = 0;
  uint64_t next_refused = 0;  // The serial number of the next event to be set aside.
};

// A part of a request, as found on disk.
struct StoredPart {
  PartHeader header;
  absl::StatusOr<Bytes> events = absl::UnknownError("not read");  // DATA_LOSS: damaged.
};

// An event that was set aside, as found on disk.
struct StoredRefused {
  uint64_t serial = 0;
  RefusedRecord record;
};

}  // namespace eventhub::client::outbox

// Events and publish requests, as clients encode them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub {

// An event with the required attributes. Tests identify it by its id.
inline v1::Event MakeEvent(absl::string_view id, absl::string_view key = "",
                           absl::string_view data = "") {
  v1::Event event;
  event.set_id(id.data(), id.size());
  event.set_source("/test");
  event.set_type("test.happened");
  event.set_partition_key(key.data(), key.size());
  event.set_data(data.data(), data.size());
  return event;
}

// Adds a tag and a length, as protobuf does: the encoding of an event in requests, batches and the
// store.
inline std::string EncodeEvent(const v1::Event& event) {
  v1::EventBatch batch;
  *batch.add_events() = event;
  return batch.SerializeAsString();
}

// A request with keyless events that have the given ids.
inline v1::PublishStreamRequest MakeRequest(absl::string_view topic,
                                            const std::vector<std::string>& ids) {
  v1::PublishStreamRequest request;
  request.set_topic(topic.data(), topic.size());
  for (const std::string& id : ids) *request.add_events() = MakeEvent(id);
  return request;
}

// Returns the ids of a run of encoded events.
inline std::vector<std::string> IdsOf(absl::string_view region) {
  v1::EventBatch batch;
  std::vector<std::string> ids;
  if (!batch.ParseFromArray(region.data(), static_cast<int>(region.size()))) return {"damaged"};
  for (const v1::Event& event : batch.events()) ids.push_back(event.id());
  return ids;
}

}  // namespace eventhub

// The attribute `hubpath` of events that came through links: which hubs they have been in. Encoded
// events are changed by hand, so that all their other bytes stay as they are.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "eventhub/v1/filter.pb.h"

namespace eventhub {

// What became of an event.
enum class HubPathOutcome {
  kAdded,     // It is in the region.
  kLooped,    // It has been in this hub before.
  kTooLarge,  // With the longer path it has more bytes than the topic takes.
};

// Takes events from one remote hub. Thread-safe.
class HubPath {
 public:
  HubPath(std::string remote_hub, std::string this_hub)
      : remote_hub_(std::move(remote_hub)), this_hub_(std::move(this_hub)) {}

  // Adds an encoded event to a region of `repeated Event events = 15`, with the remote hub at the
  // end of its path. An event that has none gets one; a `hubpath` that is no string is replaced.
  HubPathOutcome Add(absl::string_view event, size_t max_event_bytes, std::string* region) const;

  // What has the remote hub leave out itself: events that do not pass `filter`, which may be null,
  // and those that have been in this hub.
  v1::Filter RemoteFilter(const v1::Filter* filter) const;

 private:
  const std::string remote_hub_;
  const std::string this_hub_;
};

}  // namespace eventhub

// The event attribute `hubpath` of events that arrived through links: the hubs that an event has
// passed through. Encoded events are edited as bytes, so that all their other bytes stay unchanged.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "eventhub/v1/filter.pb.h"

namespace eventhub {

// The outcome for one event.
enum class HubPathOutcome {
  kAdded,     // The event is in the region.
  kLooped,    // The event has passed through this hub before.
  kTooLarge,  // The event, without its path, exceeds the size limit.
};

// Extends the paths of events from one remote hub. Thread-safe.
class HubPath {
 public:
  HubPath(std::string remote_hub, std::string this_hub)
      : remote_hub_(std::move(remote_hub)), this_hub_(std::move(this_hub)) {}

  // Appends an encoded event to a region of `repeated Event events = 15`, with the remote hub added
  // at the end of its path. Adds the attribute if it is absent; replaces a `hubpath` that is not a
  // string.
  HubPathOutcome Add(absl::string_view event, size_t max_event_bytes, std::string* region) const;

  // The filter for the remote hub to apply: it excludes events that do not pass `filter`, which may
  // be null, and events that have passed through this hub.
  v1::Filter RemoteFilter(const v1::Filter* filter) const;

 private:
  const std::string remote_hub_;
  const std::string this_hub_;
};

}  // namespace eventhub

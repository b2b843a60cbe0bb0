// The values of LinkClient: links, by which a hub appends the events of another hub's topic to a
// topic of its own. They mirror the messages of eventhub/v1/link.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/filter.h"
#include "eventhub/position.h"

namespace eventhub::client {

// Appends the events of a remote hub's topic to a topic of this hub, each exactly once.
struct Link {
  // 1 to 200 of `a-z A-Z 0-9 . _ -`, the first one a letter, a digit or `_`. Cannot be changed.
  std::string name{};
  // The address of the remote hub: `host:port` or `unix:/path`.
  std::string remote_address{};
  // The remote topic; need not exist yet. Cannot be changed.
  std::string remote_topic{};
  // The local topic; must exist. Cannot be changed.
  std::string local_topic{};
  // Only events that pass this filter, which the remote hub evaluates.
  std::optional<Filter> filter{};
  // Where to begin in each partition. Cannot be changed.
  StartPosition start{};
  // A disabled link keeps its positions but does nothing.
  bool disabled = false;
  // For people; at most 1,024 bytes.
  std::string description{};
  // Set by the hub.
  absl::Time create_time = absl::InfinitePast();
  // Whether to connect with TLS, using the authorities and the certificate of the hub that has the
  // link.
  bool tls = false;
};

// A change of a link: fields that are set are changed. Positions are kept.
struct LinkUpdate {
  std::optional<std::string> remote_address{};
  std::optional<std::optional<Filter>> filter{};  // An empty inner optional removes the filter.
  std::optional<bool> disabled{};
  std::optional<std::string> description{};
  std::optional<bool> tls{};
};

// The state and the counters of a link. Counters are since the hub started unless noted.
struct LinkStatus {
  enum class State {
    kUnknown = 0,
    kDisabled = 1,
    kConnecting = 2,  // Trying to reach the remote hub or topic.
    kCatchingUp = 3,  // Copying events; more are waiting.
    kCaughtUp = 4,    // At the end of the remote log.
    kBlocked = 5,     // The local topic refuses the events; the link retries.
  };

  State state = State::kUnknown;
  std::string error{};  // What went wrong; empty in states without an error.
  absl::Time state_time = absl::InfinitePast();
  std::string remote_hub_id{};               // Empty until it was reached.
  uint64_t lag_events = 0;                   // Remote events still to be processed.
  std::optional<absl::Duration> lag_time{};  // Unset while caught up.
  uint64_t appended_events = 0;
  uint64_t appended_bytes = 0;
  uint64_t looped_events = 0;   // Skipped, because they had been in this hub before.
  uint64_t lost_events = 0;     // Trimmed at the remote hub before they were read, ever.
  uint64_t refused_events = 0;  // Skipped, because the local topic can never take them, ever.
  uint64_t failures = 0;        // Connections that broke or could not be opened.
  // The next position in each remote partition; empty in lists.
  std::vector<PartitionOffset> positions{};
};

// A link and its state.
struct LinkDescription {
  Link link{};
  LinkStatus status{};
};

}  // namespace eventhub::client

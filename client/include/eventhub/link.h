// Links between hubs: this hub appends events of a topic of another one to a topic of its own; the
// values of LinkClient. See eventhub/v1/link.proto, whose messages these mirror.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/filter.h"
#include "eventhub/position.h"

namespace eventhub::client {

// A flow of events from a topic of a remote hub into a topic of this one, each appended once.
struct Link {
  // 1 to 200 of `a-z A-Z 0-9 . _ -`, the first one a letter, a digit or `_`. Cannot be changed.
  std::string name{};
  // Where the remote hub listens: `host:port` or `unix:/path`.
  std::string remote_address{};
  // The topic there; need not exist yet. Cannot be changed.
  std::string remote_topic{};
  // The topic here; has to exist. Cannot be changed.
  std::string local_topic{};
  // Only events that pass, evaluated by the remote hub.
  std::optional<Filter> filter{};
  // Where to begin in each partition, the first time. Cannot be changed.
  StartPosition start{};
  // It is kept, with its positions, but does nothing.
  bool disabled = false;
  // For people; at most 1,024 bytes.
  std::string description{};
  // Set by the hub.
  absl::Time create_time = absl::InfinitePast();
  // The remote hub is reached by TLS, with the trust and the certificate of the hub that has the
  // link.
  bool tls = false;
};

// A change of a link: what is set is changed. Positions stay.
struct LinkUpdate {
  std::optional<std::string> remote_address{};
  std::optional<std::optional<Filter>> filter{};  // Holds nothing: no filter any more.
  std::optional<bool> disabled{};
  std::optional<std::string> description{};
  std::optional<bool> tls{};
};

// How a link does; counts are since the hub started unless said otherwise.
struct LinkStatus {
  enum class State {
    kUnknown = 0,
    kDisabled = 1,
    kConnecting = 2,  // It tries to reach the remote hub or topic.
    kCatchingUp = 3,  // Events flow, and there are more.
    kCaughtUp = 4,    // It has all there is.
    kBlocked = 5,     // The local topic refuses the events; it tries again.
  };

  State state = State::kUnknown;
  std::string error{};  // What went wrong; empty in the states without.
  absl::Time state_time = absl::InfinitePast();
  std::string remote_hub_id{};               // Empty until it was reached.
  uint64_t lag_events = 0;                   // Remote events that it has not passed yet.
  std::optional<absl::Duration> lag_time{};  // Not set while it is caught up.
  uint64_t appended_events = 0;
  uint64_t appended_bytes = 0;
  uint64_t looped_events = 0;   // Passed over: they had been in this hub before.
  uint64_t lost_events = 0;     // Trimmed there before they could be read, ever.
  uint64_t refused_events = 0;  // Passed over: the local topic can never take them, ever.
  uint64_t failures = 0;        // Connections that broke, or could not be made.
  std::vector<PartitionOffset>
      positions{};  // What to read next, per remote partition; not in lists.
};

// A link, and how it does.
struct LinkDescription {
  Link link{};
  LinkStatus status{};
};

}  // namespace eventhub::client

// Prints on the terminal that a command waits for its hub.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cli/run/ticker.h"
#include "eventhub/connection.h"
#include "eventhub/publisher.h"

namespace eventhub::cli {

// Prints a line on stderr when the hub has not answered or accepted anything for a second, and
// another when it does again. Owns a thread.
class HubWatch {
 public:
  // UNAVAILABLE and DEADLINE_EXCEEDED mean that the hub does not respond, RESOURCE_EXHAUSTED that
  // it accepts nothing now, CANCELLED that the command ends; any other status that all is well.
  using Probe = std::function<absl::Status()>;

  // `probe` is called about once a second, one call at a time; it may block for a second.
  HubWatch(std::string address, Probe probe);

 private:
  struct Trouble;
  static const Trouble kSilent;
  static const Trouble kFull;

  // The trouble that a status means; null if none.
  static const Trouble* TroubleOf(const absl::Status& status);
  // Probes once, prints a change, and returns the delay until the next probe.
  absl::Duration Look();

  const std::string address_;
  const Probe probe_;
  // Used by the thread: when the trouble began, and which trouble was printed.
  std::optional<absl::Duration> since_;
  const Trouble* told_ = nullptr;
  Ticker ticker_;  // Last: its thread uses the members above.
};

// Asks the hub for its health, unless `progress`, a count, went up since the last time.
HubWatch::Probe HealthProbe(std::shared_ptr<client::Connection> hub,
                            std::function<uint64_t()> progress);

// The same for a publisher, which knows why its events are not accepted.
HubWatch::Probe PublishProbe(std::shared_ptr<client::Connection> hub,
                             const client::Publisher& publisher,
                             std::function<uint64_t()> progress);

}  // namespace eventhub::cli

// Tells a person at the terminal that a command waits for its hub.
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

// Prints one line on stderr when the hub has not answered, or has taken nothing, for a second, and
// one when it does again. Has a thread of its own, which ends with it.
class HubWatch {
 public:
  // UNAVAILABLE and DEADLINE_EXCEEDED mean that the hub does not answer, RESOURCE_EXHAUSTED that it
  // takes nothing now, CANCELLED that the command ends; all else is well.
  using Probe = std::function<absl::Status()>;

  // `probe` is called about once a second, one call at a time; it may block for a second.
  HubWatch(std::string address, Probe probe);

 private:
  struct Trouble;
  static const Trouble kSilent;
  static const Trouble kFull;

  // What the status means; null if all is well.
  static const Trouble* TroubleOf(const absl::Status& status);
  // Asks once, says what there is to say, and gives the delay until the next time.
  absl::Duration Look();

  const std::string address_;
  const Probe probe_;
  // Of the thread: since when there is trouble, and what was said of it.
  std::optional<absl::Duration> since_;
  const Trouble* told_ = nullptr;
  Ticker ticker_;  // Last: its thread uses what is above.
};

// Asks the hub for its health, unless `progress`, a count, went up since the last time.
HubWatch::Probe HealthProbe(std::shared_ptr<client::Connection> hub,
                            std::function<uint64_t()> progress);

// The same for a publisher, which knows why what it sends is not taken.
HubWatch::Probe PublishProbe(std::shared_ptr<client::Connection> hub,
                             const client::Publisher& publisher,
                             std::function<uint64_t()> progress);

}  // namespace eventhub::cli

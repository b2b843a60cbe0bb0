// Implements `eventhub consume`: prints events or passes them to commands, and settles them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cli/frame/command.h"
#include "client/cli/output/event_format.h"

namespace eventhub::cli {

struct ConsumeOptions {
  std::string subscription;
  // The name of this consumer in statistics; empty: its address.
  std::string name;

  // The command to run; empty: print the events.
  std::vector<std::string> command;
  // Run it once for each batch, with JSON lines on standard input, instead of once for each event.
  bool batches = false;
  // The maximum events of a batch; 0: as delivered.
  uint32_t batch_size = 0;
  // Commands that run in parallel.
  uint32_t concurrency = 1;
  // The delay of a retry; not set: the setting of the subscription.
  std::optional<absl::Duration> retry_delay;

  // The format of printed events, unless they are printed as JSON.
  EventFormat format;
  bool json = false;

  // End after this many events, or after this long without one while the hub was connected.
  uint64_t limit = std::numeric_limits<uint64_t>::max();
  std::optional<absl::Duration> idle_exit;

  // Limits of events in flight. Not set: two events for each command, or the default.
  std::optional<uint32_t> credit_events;
  std::optional<uint64_t> credit_bytes;

  // Print a summary on stderr at the end.
  bool summary = false;
};

// Consumes until a limit is reached, an interrupt, or a permanent error. After an interrupt,
// handles and settles the delivered events, and succeeds.
absl::Status RunConsume(const Context& context, const ConsumeOptions& options);

}  // namespace eventhub::cli

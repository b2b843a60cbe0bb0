// The work of `eventhub consume`: events in, printed or given to commands, outcomes out.
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
  // Of this consumer, for stats; empty: its address.
  std::string name;

  // What to run; empty: print the events.
  std::vector<std::string> command;
  // Once for a batch, which is JSON lines on its standard input, instead of once for each event.
  bool batches = false;
  // The most events of one run; 0: as they came.
  uint32_t batch_size = 0;
  // Commands at the same time.
  uint32_t concurrency = 1;
  // Of a retry; not set: as the subscription has it.
  std::optional<absl::Duration> retry_delay;

  // How events are printed: in this format, or as JSON.
  EventFormat format;
  bool json = false;

  // End after so many events, or when none came for so long while the hub was connected.
  uint64_t limit = std::numeric_limits<uint64_t>::max();
  std::optional<absl::Duration> idle_exit;

  // What may be delivered and not settled. Not set: two events for each command, else the default.
  std::optional<uint32_t> credit_events;
  std::optional<uint64_t> credit_bytes;

  // At the end, say on stderr how much it was.
  bool summary = false;
};

// Consumes until the limit, the end of patience, an interrupt, or an error that stays. An interrupt
// lets what was delivered be done and settled, and is a success.
absl::Status RunConsume(const Context& context, const ConsumeOptions& options);

}  // namespace eventhub::cli

// Limits how fast a command goes through events.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "eventhub/subscription.h"

namespace eventhub::cli {

// Thread-compatible.
class Pacer {
 public:
  // A limit of 0 is none.
  explicit Pacer(const client::RateLimit& limit);

  // How long to wait before this event, which then counts; zero within the limits.
  absl::Duration Take(uint64_t bytes);

  // Waits, or until `interrupt_fd` is readable.
  static void Wait(absl::Duration time, int interrupt_fd);

 private:
  const client::RateLimit limit_;
  absl::Duration due_;  // Monotonic: when the next event may go.
};

// The time that this many events take at the limit; zero without one.
absl::Duration TimeUnder(const client::RateLimit& limit, uint64_t events, uint64_t bytes);

}  // namespace eventhub::cli

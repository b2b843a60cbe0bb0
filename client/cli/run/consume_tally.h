// Counts the outcomes of a run of `eventhub consume`, and enforces its limit.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "eventhub/subscriber.h"
#include "storage/base/mutex.h"

namespace eventhub::cli {

// Thread-safe.
class ConsumeTally {
 public:
  // At most `limit` events are handled.
  explicit ConsumeTally(uint64_t limit);

  // Called before `count` events are handled. Returns how many of them may be, from the first on.
  uint64_t Begin(uint64_t count);
  // Records the outcome of `count` handled events of `bytes` encoded bytes.
  void Count(const client::Outcome& outcome, uint64_t count, uint64_t bytes);
  // Called after `count` begun events are done. Returns how many may still follow.
  uint64_t End(uint64_t count);

  // Restarts the idle time.
  void Touch();
  // How long no event has been handled; zero while one is.
  absl::Duration IdleFor() const;

  uint64_t running() const;
  uint64_t handled() const;
  uint64_t bytes() const;

  // The number of handled events that the hub did not confirm: they may be delivered again.
  uint64_t Unconfirmed(const client::SubscriberCounters& hub) const;
  // `12 acked, 1 to be retried, 0 parked, 0 skipped`, by what the hub confirmed; `, 3 not
  // confirmed`, if there are any.
  std::string Outcomes(const client::SubscriberCounters& hub) const;

 private:
  const uint64_t limit_;
  mutable Mutex mutex_;
  uint64_t begun_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Retries need no confirmation: without one, the event is redelivered anyway.
  uint64_t retried_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t done_with_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration touched_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::cli

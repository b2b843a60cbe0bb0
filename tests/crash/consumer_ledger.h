// What the consumers of one subscription know about its events, across crashes: each entry is
// checked against the earlier ones.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "gtest/gtest.h"
#include "storage/base/mutex.h"
#include "tests/crash/crash_publisher.h"

namespace eventhub {

// Thread-safe. A contradiction fails the test.
class ConsumerLedger {
 public:
  // `ordered`: entries are added in the order of the events they describe, as by threads of one
  // process. Otherwise the hub must not be killed. `max_attempts`: those of a QUEUE, where each
  // delivery counts as an attempt, except that a last attempt is made again, alone, if its consumer
  // died with other events in flight. 0: a STREAM, where some deliveries end with the consumer
  // without a failed attempt.
  explicit ConsumerLedger(bool ordered, uint32_t max_attempts = 0)
      : ordered_(ordered), max_attempts_(max_attempts) {}

  void Delivered(const Place& place, uint32_t attempt) {
    MutexLock lock(mutex_);
    ++deliveries_;
    Entry& entry = entries_[place];
    if (ordered_) {
      EXPECT_FALSE(entry.settled) << "offset " << place.second << " of partition " << place.first
                                  << " comes again after its ack was confirmed";
      EXPECT_GT(attempt, entry.nacked_attempt) << "the attempts of offset " << place.second
                                               << " of partition " << place.first << " go back";
    } else if (max_attempts_ > 0) {
      const int may_come = attempt == max_attempts_ ? 2 : 1;
      EXPECT_LE(++entry.deliveries[attempt], may_come)
          << "attempt " << attempt << " at offset " << place.second << " of partition "
          << place.first << " is repeated";
    }
    entry.attempt = std::max(entry.attempt, attempt);
    CheckEnd(place, entry);
  }

  // The hub confirmed the ack of an event that was delivered with this attempt.
  void Settled(const Place& place, uint32_t attempt) {
    MutexLock lock(mutex_);
    Entry& entry = entries_[place];
    EXPECT_FALSE(entry.settled) << "offset " << place.second << " of partition " << place.first
                                << " was acked by two";
    entry.settled = true;
    entry.settled_attempt = attempt;
    CheckEnd(place, entry);
  }

  // The hub confirmed the nack of an event, so this attempt counts, whatever happens. An
  // unconfirmed one may be forgotten by a crash.
  void Nacked(const Place& place, uint32_t attempt) {
    MutexLock lock(mutex_);
    uint32_t& nacked = entries_[place].nacked_attempt;
    nacked = std::max(nacked, attempt);
  }

  size_t deliveries() const {
    MutexLock lock(mutex_);
    return deliveries_;
  }
  size_t settled() const {
    MutexLock lock(mutex_);
    return static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(),
                                             [](const auto& e) { return e.second.settled; }));
  }
  bool WasDelivered(const Place& place) const {
    MutexLock lock(mutex_);
    return entries_.count(place) > 0;
  }

 private:
  struct Entry {
    uint32_t attempt = 0;
    uint32_t nacked_attempt = 0;  // Of the last confirmed nack.
    bool settled = false;
    uint32_t settled_attempt = 0;
    std::map<uint32_t, int> deliveries;  // By attempt; only if not ordered.
  };

  static void CheckEnd(const Place& place, const Entry& entry) {
    if (!entry.settled) return;
    EXPECT_LE(entry.attempt, entry.settled_attempt)
        << "offset " << place.second << " of partition " << place.first
        << " comes again after its ack was confirmed";
  }

  const bool ordered_;
  const uint32_t max_attempts_;
  mutable Mutex mutex_;
  size_t deliveries_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Place, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub

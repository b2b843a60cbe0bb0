// Selects the events that a cursor delivers next, and records deliveries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "server/core/subscription/cursor/delivery_rules.h"
#include "server/core/subscription/cursor/effects.h"
#include "server/core/subscription/cursor/event_ledger.h"
#include "server/core/subscription/cursor/pending_ranges.h"
#include "storage/base/types.h"

namespace eventhub {

// Events to deliver next.
struct Candidate {
  Offset start;
  Offset end;                // Exclusive.
  uint32_t attempts = 0;     // Failed attempts.
  bool fresh = false;        // Never delivered before.
  bool redelivered = false;  // A consumer may have handled it.
  bool extra = false;
  bool alone = false;
  std::optional<DeadLetterPlace> redriven_from = {};  // Where a copy is, for a single event.

  Flow flow() const { return alone ? Flow::kIsolated : (extra ? Flow::kExtra : Flow::kLive); }
};

// The terms of a delivery.
struct LeaseTerms {
  ConsumerId consumer;
  uint64_t epoch;
  uint32_t event_bytes;  // The mean size.
  int64_t due;           // When it ends.
};

// STREAM: any event in flight at a crashed consumer may have caused the crash. Each crash halves
// the number of these events that may be in flight together, so after a few the culprit is the
// first event in flight.
class SuspectWindow {
 public:
  // Another consumer crashed with `in_flight` live events in flight, the first at `first`.
  void Shrink(Offset first, int64_t in_flight);
  // Events before `end` are suspects, too.
  void Extend(Offset end);
  void Clear() { end_ = Offset(0); }

  // Whether the event is a suspect.
  bool Holds(Offset event) const { return event < end_; }
  // Limits a candidate; nullopt if as many as may be are in flight.
  std::optional<Candidate> Narrow(Candidate candidate, int64_t in_flight) const;

 private:
  int64_t size_ = std::numeric_limits<int64_t>::max();
  Offset end_{0};
};

// A QUEUE delivers whatever is ready, a STREAM in order. Not thread-safe.
class Candidates {
 public:
  // Whether nothing new is delivered: there are as many pending ranges as may be, or as many events
  // that wait for their keys.
  static bool Exhausted(const EventLedger& ledger, const DeliveryRules& rules);
  // The next events of a flow; a single event for kIsolated.
  std::optional<Candidate> Next(const EventLedger& ledger, const DeliveryRules& rules,
                                Flow flow) const;

  // See PartitionCursor::Following.
  std::vector<Candidate> Following(const EventLedger& ledger, const DeliveryRules& rules,
                                   const Candidate& candidate, size_t limit) const;

  // Mark events of a candidate: see PartitionCursor.
  void Deliver(EventLedger& ledger, const Candidate& candidate, Offset start, uint32_t count,
               const LeaseTerms& terms);
  void Block(EventLedger& ledger, const Candidate& candidate, Offset event);
  bool Pass(EventLedger& ledger, const Candidate& candidate, Offset from, Offset to);

  // The cursor moves: nothing is known about the events that follow.
  void Reset();
  SuspectWindow& suspects() { return suspects_; }

 private:
  // The next events, not considering whether they may be delivered in part.
  std::optional<Candidate> Choose(const EventLedger& ledger, const DeliveryRules& rules,
                                  Flow flow) const;
  // A STREAM's next events, live or extra.
  std::optional<Candidate> NextInOrder(const EventLedger& ledger, const DeliveryRules& rules,
                                       bool extra) const;
  // Whether the next live candidate is a fresh one, if there are any fresh events.
  bool FreshComesNext(const DeliveryRules& rules) const {
    return fresh_turn_ && (!rules.ordered_by_key || all_known_);
  }
  // Events of a candidate were delivered, blocked or filtered out.
  void NoteTakenUp(const Candidate& candidate);

  SuspectWindow suspects_;
  // QUEUE: fresh live events and redeliveries take turns, so that events that fail repeatedly do
  // not delay all others.
  bool fresh_turn_ = false;
  // With ordered_by_key: the keys of all ready live events are known. Otherwise a fresh event of
  // the same key could overtake one of them.
  bool all_known_ = false;
};

}  // namespace eventhub

// Gives units the state of their key, and stores the state as they change it.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/processor/call.h"
#include "eventhub/processor/internal/call_gate.h"
#include "eventhub/processor/internal/stored_state.h"
#include "eventhub/processor/internal/trigger.h"
#include "eventhub/processor/internal/unit.h"

namespace eventhub::processor::internal {

class Runtime;

// A unit that needs the state of its key.
class StateItem {
 public:
  virtual ~StateItem() = default;

  virtual const AnyUnit& unit() const = 0;
  // Called when it is the item's turn. `state` is the committed state of the key; empty: none. May
  // call StateGate::Put or Hold, and then passes the unit on, or finishes or fails it. The item is
  // destroyed afterwards. Or calls StateGate::Again, and does nothing else.
  virtual void Take(std::string_view state) = 0;
};

// The state of each key of each partition is the latest event of a key in a topic of the hub. The
// transaction that acks an event also writes the state that the event changes. So the state results
// from exactly the acked events. A redelivered event finds the state from before the event if the
// event was not acked, and otherwise the state as the event left it.
//
// One event of a key is processed at a time: the next one waits until the outcome of the state is
// known. Only the consumer that has a partition can ack its events and so change their state.
// Therefore state that it has read or written is valid as long as it has the partition.
//
// On the strand only.
class StateGate {
 public:
  // `runtime` must outlive it.
  // `turns`: how items take their turn again.
  StateGate(Runtime& runtime, std::string step, std::string topic, size_t cache_bytes,
            CallOptions turns = {});
  ~StateGate();

  StateGate(const StateGate&) = delete;
  StateGate& operator=(const StateGate&) = delete;

  // The key is the partition key of the unit's event; an event without one is a fault.
  void Add(std::unique_ptr<StateItem> item);

  // Sets the state after the item's event; empty: deletes it. Called during the item's turn, or
  // after Hold. Returns false if the unit has failed. The type and attributes of `event` only
  // inform readers of the topic.
  bool Put(const AnyUnit& unit, v1::Event event, std::string state);
  // Called during the item's turn: the key waits until the unit's event is settled, even if no
  // state is put.
  void Hold(const AnyUnit& unit);

  // Called during an item's turn that failed with an error to be retried: the item takes its turn
  // again later, while its key waits; see StepOptions.
  void Again(absl::Status error) { again_ = std::move(error); }
  // Whether an error is to be retried.
  bool Retryable(const absl::Status& error) const { return turns_.Retryable(error); }

  // Publishes a timer of the pipeline, with the key and in the partition of the unit. Returns false
  // if the unit has failed.
  bool SetTimer(const AnyUnit& unit, v1::Event timer);

 private:
  struct Entry;
  class Turn;

  // Runs the turns of items until one of them puts a new state.
  void Work(Entry& entry);
  // Gives an item its turn; the error if it has to take it again.
  absl::Status TakeTurn(Entry& entry, StateItem& item);
  bool IsCurrent(const Entry& entry, const Trigger& trigger) const;
  void Read(Entry& entry);
  void OnRead(Entry& entry, absl::StatusOr<StoredState> stored);
  void RetryLater(Entry& entry, const absl::Status& error);
  void OnReadable(Entry& entry);
  Entry& EntryOf(const AnyUnit& unit) const;
  void OnSettled(Entry& entry, bool committed);
  // Called when nothing waits for the key: caches the state, or drops it.
  void Rest(Entry& entry);
  void TakeFromCache(Entry& entry);

  Runtime& runtime_;
  const std::string step_;
  const std::string topic_;
  const size_t cache_bytes_;
  std::string subscription_topic_;  // Known from the first turn of an item on.

  std::unordered_map<std::string, std::unique_ptr<Entry>> entries_;
  Entry* working_ = nullptr;     // The entry of the item whose turn it is.
  absl::Status again_;           // See Again.
  std::vector<Entry*> settled_;  // Entries to continue with.
  size_t unreadable_ = 0;        // Entries whose last read failed.

  std::list<Entry*> cache_;  // Entries without waiting items, least recently used first.
  size_t cached_bytes_ = 0;

  CallGate turns_;  // Of items that take their turn again.
};

}  // namespace eventhub::processor::internal

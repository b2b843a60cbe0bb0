// Gives units the state of their key, and keeps what they make of it.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
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
  // Its turn. `state` is what was committed for the key; empty: nothing. May call StateGate::Put or
  // Hold; then the unit is passed on, finished or failed. The item is destroyed afterwards.
  virtual void Take(std::string_view state) = 0;
};

// The state of each key of each partition is the latest event of a key in a topic of the hub. It
// changes in the transaction that acks the event which changes it. So it is what all acked events
// have made of it, and no others: an event that is delivered again finds it as it was before the
// event if that was not acked, and otherwise as the event left it.
//
// One event of a key is in work at a time: the next one waits until it is known what became of the
// state. Only the consumer that has a partition can ack its events, and so change their state; that
// is why what it has read or written is valid as long as it has the partition.
//
// On the strand only.
class StateGate {
 public:
  // `runtime` must outlive it.
  StateGate(Runtime& runtime, std::string step, std::string topic, size_t cache_bytes);
  ~StateGate();

  StateGate(const StateGate&) = delete;
  StateGate& operator=(const StateGate&) = delete;

  // The key is the partition key of the unit's event; an event without one is a fault.
  void Add(std::unique_ptr<StateItem> item);

  // While an item takes its turn, or after Hold: the state after its event. Empty: deleted. False:
  // the unit has failed. The type and attributes of `event` are for people who look at the topic.
  bool Put(const AnyUnit& unit, v1::Event event, std::string state);
  // While an item takes its turn: the key waits until the unit's event is settled, also if nothing
  // is put.
  void Hold(const AnyUnit& unit);

  // Publishes a timer of the pipeline, with the key and in the partition of the unit. False: the
  // unit has failed.
  bool SetTimer(const AnyUnit& unit, v1::Event timer);

 private:
  struct Entry;

  // Gives items their turn until one of them puts a new state.
  void Work(Entry& entry);
  bool IsCurrent(const Entry& entry, const Trigger& trigger) const;
  void Read(Entry& entry);
  void OnRead(Entry& entry, absl::StatusOr<StoredState> stored);
  void RetryLater(Entry& entry, const absl::Status& error);
  void OnReadable(Entry& entry);
  Entry& EntryOf(const AnyUnit& unit) const;
  void OnSettled(Entry& entry, bool committed);
  // Nothing waits for the key: keeps the state for later, or forgets it.
  void Rest(Entry& entry);
  void TakeFromCache(Entry& entry);

  Runtime& runtime_;
  const std::string step_;
  const std::string topic_;
  const size_t cache_bytes_;
  std::string subscription_topic_;  // Known when an item takes its turn.

  std::unordered_map<std::string, std::unique_ptr<Entry>> entries_;
  Entry* working_ = nullptr;     // Whose item takes its turn.
  std::vector<Entry*> settled_;  // To go on with.
  size_t unreadable_ = 0;        // Entries whose last read failed.

  std::list<Entry*> cache_;  // At rest, least recently used first.
  size_t cached_bytes_ = 0;
};

}  // namespace eventhub::processor::internal

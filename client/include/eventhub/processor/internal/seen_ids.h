// The durable step SkipRepeats: remembers ids in the hub.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "eventhub/processor/internal/state_gate.h"
#include "eventhub/processor/repeats.h"

namespace eventhub::processor::internal {

class SeenIds;
struct SeenState;

// A unit at a step that skips repetitions.
class SeenItem : public StateItem {
 public:
  explicit SeenItem(SeenIds& ids) : ids_(ids) {}

  void Take(std::string_view state) final;

  // Passes the unit on: its event is not a repetition.
  virtual void Pass() = 0;

 private:
  SeenIds& ids_;
};

// The ids of one step. All decisions follow from the events in the log; it reads no clock. On the
// strand only.
class SeenIds {
 public:
  // `runtime` and `memory` must outlive it.
  SeenIds(Runtime& runtime, std::string step, const DurableMemory& memory);

  void Add(std::unique_ptr<SeenItem> item) { gate_.Add(std::move(item)); }

 private:
  friend class SeenItem;

  void Take(SeenItem& item, std::string_view bytes);
  void TakeEvent(SeenItem& item, SeenState state);
  void TakeTimer(SeenItem& item, SeenState state);
  // Forgets the ids that had expired when the item's event was appended.
  void Prune(const SeenItem& item, SeenState& state) const;
  bool Put(const SeenItem& item, const SeenState& state, bool new_timer);

  Runtime& runtime_;
  const std::string step_;
  const DurableMemory& memory_;
  StateGate gate_;
};

}  // namespace eventhub::processor::internal

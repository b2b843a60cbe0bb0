// Events that are settled together, with the events published for them.
#pragma once

#include <cstddef>

#include "absl/container/inlined_vector.h"
#include "eventhub/processor/internal/trigger.h"

namespace eventhub::processor::internal {

// Usually one event; several if they were grouped.
struct Bundle {
  absl::InlinedVector<Trigger*, 1> triggers{};
  size_t events = 0;  // Acked and emitted.
  size_t bytes = 0;   // Emitted.
  // The emissions of each pipeline are a transaction of their own, whose id is the same in every
  // delivery of the event. The event is settled after these transactions.
  bool piecewise = false;
};

// Whether any pipeline gave up on the event.
inline bool HasFault(const Trigger& trigger) {
  if (!trigger.unknown.empty()) return true;
  for (const Task& task : trigger.tasks) {
    if (task.fault != nullptr) return true;
  }
  return false;
}

// Whether the pipeline publishes for the event.
inline bool Emits(const Task& task) { return task.fault == nullptr && !task.emissions.empty(); }

// Calls `visit(task)` for each task that publishes, in the order of the events.
template <typename Visit>
void ForEachEmitter(const Bundle& bundle, Visit visit) {
  for (Trigger* const trigger : bundle.triggers) {
    for (Task& task : trigger->tasks) {
      if (Emits(task)) visit(task);
    }
  }
}

}  // namespace eventhub::processor::internal

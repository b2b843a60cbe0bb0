// Events that are settled together, with the events published for them.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "eventhub/processor/fault.h"
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

// Whether what was published for its event may have been committed before without the ack: a dead
// letter cannot be made in a transaction, so that something may happen between the commit and the
// dead letter. The event is delivered again then, and must find committed what was.
bool NeedsPieces(const Bundle& bundle);

// Counts what is acked and emitted.
void Measure(Bundle& bundle);

// A task that shares the fate of one that failed, failed, too: gives it the fault that `make`
// returns. Their faults form a group.
void SpreadFaults(
    const Bundle& bundle,
    absl::FunctionRef<std::unique_ptr<Fault>(const Task& failed, const Trigger& event)> make);

}  // namespace eventhub::processor::internal

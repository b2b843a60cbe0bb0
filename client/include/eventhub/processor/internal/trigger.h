// An event in flight, and the results of each pipeline for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/processor/arrival.h"
#include "eventhub/processor/fault.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor::internal {

class Runtime;
struct Trigger;

// An event to publish.
struct Emission {
  const std::string* topic;  // Owned by the pipeline's description or a step, which outlive it.
  std::string encoded;       // A field `events` of a v1::TransactAppend.
  std::optional<uint32_t> partition{};  // Unset: the partition of the event's key.
};

// A step that must know the outcome of the events that it emitted.
class TaskWatcher {
 public:
  // Called when the event is settled. `committed`: the events that the task emitted are in the log;
  // otherwise they are not, or it is unknown.
  virtual void OnSettled(bool committed) = 0;

 protected:
  ~TaskWatcher() = default;
};

// The work of one pipeline for one event. It is done when all of its units are done.
//
// If units of several events were grouped, their tasks form a ring: they succeed or fail together.
struct Task {
  Trigger* trigger = nullptr;
  Runtime* pipeline = nullptr;
  uint32_t open = 0;  // Units that are not done.
  // Set if a unit failed; the emissions are then discarded.
  std::unique_ptr<Fault> fault{};
  std::vector<Emission> emissions{};
  TaskWatcher* watcher = nullptr;
  Task* next_bound = this;
};

// An event between its delivery and its settlement. Reused, so that parsing an event rarely
// allocates. It is settled together with all events with which it was grouped, in any pipeline;
// they form a ring of triggers.
struct Trigger {
  virtual ~Trigger() = default;

  v1::Event event{};
  Arrival arrival{};
  size_t bytes = 0;
  uint64_t lease_epoch = 0;
  uint64_t session = 0;

  uint64_t number = 0;        // In the order of delivery.
  std::vector<Task> tasks{};  // One for each pipeline that selects it; addresses are stable.
  uint32_t open = 0;          // Tasks that are not done.
  uint32_t wanted = 0;        // The number of pipelines that select it.
  bool may_be_grouped = false;
  // Pipelines to which it was redriven and which the processor does not have.
  std::vector<std::string> unknown{};
  uint64_t lane = 0;  // Settled in order with events of the same lane; 0: in any order.
  Trigger* next_in_lane = nullptr;
  bool done = false;  // All pipelines are done with it; for its lane.
  Trigger* next_bound = this;
  bool released = false;  // All pipelines are done with it and with all before it in its lane.
  uint32_t pieces = 0;    // Remaining transactions, if it is committed piece by piece.

  // Its neighbours among events in flight, oldest first.
  struct Place {
    Trigger* previous = nullptr;
    Trigger* next = nullptr;
  };
  Place among_all{};
  Place in_partition{};
};

// Joins the rings of `a` and `b`, unless they are in one ring already.
template <typename T>
void Bind(T& a, T& b) {
  if (&a == &b) return;
  // A ring of one is joined at once.
  if (a.next_bound != &a && b.next_bound != &b) {
    for (const T* at = a.next_bound; at != &a; at = at->next_bound) {
      if (at == &b) return;
    }
  }
  std::swap(a.next_bound, b.next_bound);
}

}  // namespace eventhub::processor::internal

// An event in flight, and what each pipeline has made of it.
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
  const std::string* topic;  // In the pipeline's description or a step, which outlive it.
  std::string encoded;       // A field `events` of a v1::TransactAppend.
  std::optional<uint32_t> partition{};  // Unset: that of the event's key.
};

// A step that has to know what becomes of what it emitted.
class TaskWatcher {
 public:
  // The event was settled. `committed`: what the task emitted is in the log; if not, it is not, or
  // nobody knows.
  virtual void OnSettled(bool committed) = 0;

 protected:
  ~TaskWatcher() = default;
};

// One pipeline's part of the work for one event. It is done when none of its units is open.
//
// Events whose units were grouped share their fate in that pipeline: a ring of tasks.
struct Task {
  Trigger* trigger = nullptr;
  Runtime* pipeline = nullptr;
  uint32_t open = 0;  // Units that are not done.
  // Set if a unit failed: then the emissions are void.
  std::unique_ptr<Fault> fault{};
  std::vector<Emission> emissions{};
  TaskWatcher* watcher = nullptr;
  Task* next_bound = this;
};

// An event between its delivery and its settlement. Reused, so that parsing an event rarely
// allocates. It is settled together with all events that it shares a fate with, in any pipeline: a
// ring of triggers.
struct Trigger {
  virtual ~Trigger() = default;

  v1::Event event{};
  Arrival arrival{};
  size_t bytes = 0;
  uint64_t lease_epoch = 0;
  uint64_t session = 0;

  uint64_t number = 0;        // In the order of delivery.
  std::vector<Task> tasks{};  // One for each pipeline that wants the event; addresses are stable.
  uint32_t open = 0;          // Tasks that are not done.
  uint32_t wanted = 0;        // How many pipelines want it.
  bool may_be_grouped = false;
  // Pipelines that it was redriven to and that the processor does not have.
  std::vector<std::string> unknown{};
  uint64_t lane = 0;  // Settled in order with events of the same lane; 0: in any order.
  Trigger* next_bound = this;
  bool released = false;  // All pipelines are done with it, and all before it in its lane were.
  uint32_t pieces = 0;    // Transactions to go, if it is committed piece by piece.

  // Its place among all events in flight, oldest first.
  Trigger* previous = nullptr;
  Trigger* next = nullptr;
};

// Joins the rings that `a` and `b` are in, if they are not the same.
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

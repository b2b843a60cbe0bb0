#include "client/processor/bundle.h"

#include <algorithm>
#include <string>
#include <utility>

namespace eventhub::processor::internal {
namespace {

// Gives the faults of the tasks that share a fate a name in common.
void NameGroup(Task& first) {
  if (first.next_bound == &first || !first.fault->group.empty()) return;
  std::string name = first.fault->id;  // The least id, so that a retry names it alike.
  for (Task* task = first.next_bound; task != &first; task = task->next_bound) {
    name = std::min(name, task->fault->id);
  }
  Task* task = &first;
  do {
    task->fault->group = name;
    task = task->next_bound;
  } while (task != &first);
}

}  // namespace

bool NeedsPieces(const Bundle& bundle) {
  if (bundle.triggers.size() > 1) return false;
  const Trigger& trigger = *bundle.triggers[0];
  if (HasFault(trigger)) return true;
  const bool had_fault = trigger.wanted > 1 && trigger.arrival.redelivered;  // Perhaps.
  return had_fault && !trigger.arrival.replayed && !trigger.may_be_grouped;
}

void Measure(Bundle& bundle) {
  bundle.events = bundle.triggers.size();
  ForEachEmitter(bundle, [&](Task& task) {
    bundle.events += task.emissions.size();
    for (const Emission& emission : task.emissions) bundle.bytes += emission.encoded.size();
  });
}

void SpreadFaults(
    const Bundle& bundle,
    absl::FunctionRef<std::unique_ptr<Fault>(const Task& failed, const Trigger& event)> make) {
  if (bundle.triggers.size() == 1) return;
  for (Trigger* const trigger : bundle.triggers) {
    for (Task& task : trigger->tasks) {
      if (task.fault == nullptr) continue;
      for (Task* other = task.next_bound; other != &task; other = other->next_bound) {
        if (other->fault != nullptr) break;  // It was here.
        other->fault = make(task, *other->trigger);
      }
    }
  }
  for (Trigger* const trigger : bundle.triggers) {
    for (Task& task : trigger->tasks) {
      if (task.fault != nullptr) NameGroup(task);
    }
  }
}

}  // namespace eventhub::processor::internal

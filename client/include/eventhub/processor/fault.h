// The fault of an event that a pipeline gave up on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/fault.h"

namespace eventhub::processor {

// One event that one pipeline could not process, because of a permanent error, or because its
// retries are exhausted. The event becomes a dead letter of its subscription, with ReasonOf(fault)
// as its reason and DetailOf(fault) as its details; the event itself is not changed. `eventhub
// faults` lists these dead letters, and resubmits them to their pipeline.
struct Fault {
  // Identifies the fault: a hash of the subscription, the pipeline, and the event's source, id and
  // position. It is the same each time the event fails in the pipeline, and the same in the hub.
  std::string id{};

  // ProcessorOptions::source.
  std::string processor{};
  std::string pipeline{};
  // The name of the step: as given to Call, or the kind of step and its number in the pipeline,
  // e.g. "map 2".
  std::string step{};
  // The name of a status code, e.g. "INVALID_ARGUMENT", or the type of an exception, e.g.
  // "std::out_of_range".
  std::string type{};
  std::string message{};
  // The exceptions nested in it (std::nested_exception), the outermost first.
  std::vector<std::string> causes{};
  // The number of attempts of the step.
  uint32_t attempts = 1;

  // The event and its position.
  std::string event_id{};
  std::string event_source{};
  std::string event_type{};
  uint32_t partition = 0;
  int64_t offset = 0;
  // The number of the delivery in which it failed; see ReceivedEvent::delivery_attempt.
  uint32_t delivery_attempt = 0;

  // When it failed, by this process's clock, and on which machine.
  absl::Time time = absl::InfinitePast();
  std::string host{};
  // The trace id of the event's attribute `traceparent`; empty if it has none.
  std::string trace_id{};
  // The same for all events of a group that failed together; empty if the event failed alone.
  std::string group{};
};

// One line to read, e.g. "pipeline fraud, step score: UNAVAILABLE in 10 attempts: no route to host
// [fault 1f0c…]".
std::string ReasonOf(const Fault& fault);

// The details that the dead letter stores.
client::FaultDetail DetailOf(const Fault& fault);

}  // namespace eventhub::processor

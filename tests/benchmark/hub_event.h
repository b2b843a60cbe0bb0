// The events that the hub is measured with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::benchmark {

struct EventShape {
  // The size of an event as it is encoded, which is what the hub stores and delivers.
  size_t bytes = 100;
  // Distinct partition keys; 0: events without one.
  int keys = 0;
  // Distinct types, and how many events of one follow one another.
  int types = 1;
  int type_run = 1;
};

// The i-th type, from 0; all are of the same length.
std::string TypeName(int i);

// Makes events of a fixed encoded size that differ in their ids, and in keys and types as the shape
// says. For one thread.
class EventMaker {
 public:
  // INVALID_ARGUMENT if an event of so few bytes cannot hold what every event has to. `producer` is
  // part of the ids.
  static absl::StatusOr<EventMaker> Create(const EventShape& shape, int producer);

  // The next event; valid until the next call.
  const v1::Event& Next();

 private:
  EventMaker(const EventShape& shape, int producer);

  EventShape shape_;
  uint64_t count_ = 0;
  v1::Event event_;
};

}  // namespace eventhub::benchmark

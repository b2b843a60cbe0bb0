// The events that the hub is measured with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::benchmark {

// Makes events of a fixed encoded size that differ in their ids, and in their keys if there are
// any. For one thread.
class EventMaker {
 public:
  // INVALID_ARGUMENT if an event of so few bytes cannot hold what every event has to. `producer` is
  // part of the ids. `keys` distinct partition keys; 0: none.
  static absl::StatusOr<EventMaker> Create(size_t encoded_bytes, int producer, int keys);

  // The next event; valid until the next call.
  const v1::Event& Next();

 private:
  EventMaker(int producer, int keys);

  const int keys_;
  uint64_t count_ = 0;
  v1::Event event_;
};

}  // namespace eventhub::benchmark

// The events of the benchmark's workloads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::benchmark {

struct EventShape {
  // The encoded size of an event, which the hub stores and delivers.
  size_t bytes = 100;
  // The number of distinct partition keys; 0: events without a key.
  int keys = 0;
  // The number of distinct types, and of consecutive events of one type.
  int types = 1;
  int type_run = 1;
  // The data is JSON as services write it (orders.h); then `bytes` is only about the size.
  // Otherwise it is one letter, repeated.
  bool json = false;
};

// Returns the i-th type, from 0; all have the same length.
std::string TypeName(int i);

// Makes events of a fixed encoded size that differ in their ids and, as the shape specifies, in
// keys and types. Not thread-safe.
class EventMaker {
 public:
  // INVALID_ARGUMENT if the size is too small for the required fields. `producer` is part of the
  // ids.
  static absl::StatusOr<EventMaker> Create(const EventShape& shape, int producer);

  // Returns the next event; valid until the next call.
  const v1::Event& Next();

 private:
  EventMaker(const EventShape& shape, int producer);

  EventShape shape_;
  uint64_t count_ = 0;
  std::vector<std::string> data_;  // In turn, if it is JSON.
  v1::Event event_;
};

}  // namespace eventhub::benchmark

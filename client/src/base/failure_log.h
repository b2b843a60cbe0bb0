// What went wrong with events, for every thread that wants to know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <thread>

#include "absl/status/status.h"

namespace eventhub::client {

// Thread-compatible. Each thread takes the failures since it last did, or since it came: what one
// takes is not taken from another. Keeps the newest kMaxFailures, and the places of the kMaxThreads
// threads that took last; who is forgotten may be told of a failure a second time.
class FailureLog {
 public:
  static constexpr size_t kMaxFailures = 64;
  static constexpr size_t kMaxThreads = 1024;

  FailureLog();

  // This thread takes part, from now on if it has not yet.
  void Enter();

  void Add(const absl::Status& failure);

  // The first failure since this thread took one, or entered, that is kept; of a thread that never
  // entered, since the beginning. OK if there is none.
  absl::Status Take();

 private:
  void SetPlace(uint64_t place);

  const uint64_t id_;  // Of this log among those of the process.
  std::deque<absl::Status> failures_;
  uint64_t end_ = 0;  // The number of failures that there ever were.
  std::map<std::thread::id, uint64_t> places_;
};

}  // namespace eventhub::client

// A log of failures that several threads read independently.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <thread>

#include "absl/status/status.h"

namespace eventhub::client {

// Guarded by the publisher's mutex. Each thread takes the failures since it last did, or since it
// entered; threads do not take failures from each other. Keeps the newest kMaxFailures failures and
// the positions of the kMaxThreads threads that took last; a forgotten thread may see a failure
// twice.
class FailureLog {
 public:
  static constexpr size_t kMaxFailures = 64;
  static constexpr size_t kMaxThreads = 1024;

  FailureLog();

  // The calling thread sees failures from now on, if it does not yet.
  void Enter();

  void Add(const absl::Status& failure);

  // Returns the first kept failure since the calling thread last called Take or entered; if it
  // never entered, since the beginning. OK if there is none.
  absl::Status Take();

 private:
  void SetPlace(uint64_t place);

  const uint64_t id_;  // Unique in the process.
  std::deque<absl::Status> failures_;
  uint64_t end_ = 0;  // The number of failures ever added.
  std::map<std::thread::id, uint64_t> places_;
};

}  // namespace eventhub::client

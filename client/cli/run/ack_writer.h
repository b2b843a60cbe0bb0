// Prints acknowledged events to standard output, off the threads that report them.
#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eventhub/publisher.h"
#include "storage/base/mutex.h"

namespace eventhub::cli {

// Lines of `partition offset id`, separated by tabs; `delayed`, the delay id and the id of what
// waits for its time, and `duplicate - id` of what waits already. Each is printed as soon as the
// event is acknowledged. Thread-safe. Holds what standard output does not take yet; WaitForRoom
// bounds it.
class AckWriter {
 public:
  AckWriter();
  // Prints what is left.
  ~AckWriter();

  AckWriter(const AckWriter&) = delete;
  AckWriter& operator=(const AckWriter&) = delete;

  // Does not block.
  void Add(absl::string_view id, const client::PublishedEvent& event);

  // Returns when less than 8 MiB wait to be printed; what printing failed with, if it did.
  absl::Status WaitForRoom();

  // Returns when all is printed.
  absl::Status Finish();

 private:
  void Run();
  absl::Status WaitUntilBelow(size_t bytes);

  Mutex mutex_;
  CondVar added_;
  CondVar printed_;
  std::string pending_ ABSL_GUARDED_BY(mutex_);
  bool printing_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // Last: it uses what is above.
};

}  // namespace eventhub::cli

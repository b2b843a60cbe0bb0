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

// Prints lines of `partition offset id`, separated by tabs; `delayed`, the delay id and the id for
// a delayed event; `duplicate - id` for a delayed event that is there already. Prints each as soon
// as the event is acknowledged. Thread-safe. Buffers lines that standard output does not accept
// yet; WaitForSpace() bounds the buffer.
class AckWriter {
 public:
  AckWriter();
  // Prints the remaining lines.
  ~AckWriter();

  AckWriter(const AckWriter&) = delete;
  AckWriter& operator=(const AckWriter&) = delete;

  // Does not block.
  void Add(absl::string_view id, const client::PublishedEvent& event);

  // Waits until less than 8 MiB are buffered. Returns the error of printing, if any.
  absl::Status WaitForSpace();

  // Waits until everything is printed.
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
  std::thread thread_;  // Last: uses the members above.
};

}  // namespace eventhub::cli

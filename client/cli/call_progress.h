// A line of progress on the terminal while one call to the hub runs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/base/mutex.h"

namespace eventhub::cli {

// From construction to destruction: `redriving, 12s, 41% of 1,234,567, 17s left`, drawn anew twice
// a second from the first second on, if stderr is a terminal; else nothing. Has a thread of its
// own.
class CallProgress {
 public:
  // How much is done; an error says that it is not known now.
  using Measure = std::function<absl::StatusOr<uint64_t>()>;

  // Without `measure`, or with a total of 0, it says how long it takes. `measure` is called by the
  // thread, one call at a time, and may block for a second.
  explicit CallProgress(std::string doing, uint64_t total = 0, Measure measure = nullptr);
  ~CallProgress();

  CallProgress(const CallProgress&) = delete;
  CallProgress& operator=(const CallProgress&) = delete;

  // Whether anything is drawn: else measuring can be saved.
  static bool IsShown();

 private:
  void Run();
  bool WaitForNext(absl::Duration delay);

  const std::string doing_;
  const uint64_t total_;
  const Measure measure_;
  Mutex mutex_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses what is above. Not started if nothing is shown.
};

}  // namespace eventhub::cli

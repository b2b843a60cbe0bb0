// Tells a person at the terminal that a command waits for its hub.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "storage/base/mutex.h"

namespace eventhub::cli {

// Prints one line on stderr when the hub has not answered, or has taken nothing, for a second, and
// one when it does again. Has a thread of its own, which ends with it.
class HubWatch {
 public:
  // UNAVAILABLE and DEADLINE_EXCEEDED mean that the hub does not answer, RESOURCE_EXHAUSTED that it
  // takes nothing now; all else is well.
  using Probe = std::function<absl::Status()>;

  // `probe` is called about once a second, one call at a time; it may block for a second.
  HubWatch(std::string address, Probe probe);
  ~HubWatch();

  HubWatch(const HubWatch&) = delete;
  HubWatch& operator=(const HubWatch&) = delete;

 private:
  void Run();
  bool WaitForNext(absl::Duration delay);

  const std::string address_;
  const Probe probe_;
  Mutex mutex_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses what is above.
};

// Asks the hub for its health, unless `progress`, a count, went up since the last time.
HubWatch::Probe HealthProbe(std::shared_ptr<client::Connection> hub,
                            std::function<uint64_t()> progress);

// The same for a publisher, which knows why what it sends is not taken.
HubWatch::Probe PublishProbe(std::shared_ptr<client::Connection> hub,
                             const client::Publisher& publisher,
                             std::function<uint64_t()> progress);

}  // namespace eventhub::cli

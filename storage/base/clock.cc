#include "storage/base/clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace eventhub {
namespace {

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
  absl::Duration Monotonic() const override {
    return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  }
};

}  // namespace

const Clock& Clock::System() {
  // Never destroyed: threads that outlive main may still ask for the time.
  static const SystemClock* const clock = new SystemClock;
  return *clock;
}

}  // namespace eventhub

// When a stream of gRPC's callback API may be written to.
#pragma once

#include <atomic>

namespace eventhub::client {

// gRPC may be asked for something new only while the call is held (AddHold). The hold is given up,
// once, when the call has ended and no write is being started. Lock-free; one write at a time.
class WriteGate {
 public:
  // Whether a write may be started; then Leave follows.
  bool Enter() {
    int state = state_.load();
    do {
      if (state & kEnded) return false;
    } while (!state_.compare_exchange_weak(state, state + kWriter));
    return true;
  }

  // The write is started. Whether the hold is to be given up now.
  [[nodiscard]] bool Leave() { return state_.fetch_sub(kWriter) == kWriter + kEnded; }

  // The call has ended. Whether the hold is to be given up now.
  [[nodiscard]] bool End() { return state_.fetch_or(kEnded) == 0; }

 private:
  static constexpr int kEnded = 1;
  static constexpr int kWriter = 2;

  std::atomic<int> state_{0};
};

}  // namespace eventhub::client

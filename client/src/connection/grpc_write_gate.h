// Decides when a stream of gRPC's callback API may be written to.
#pragma once

#include <atomic>

namespace eventhub::client {

// New operations may be started only while the call is held (AddHold). The hold is released once,
// when the call has ended and no write is being started. Thread-safe, without locks; one write at a
// time.
class WriteGate {
 public:
  // Returns whether a write may be started; if so, Leave must follow.
  bool Enter() {
    int state = state_.load();
    do {
      if (state & kEnded) return false;
    } while (!state_.compare_exchange_weak(state, state + kWriter));
    return true;
  }

  // The write is started. Returns whether the hold must be released now.
  [[nodiscard]] bool Leave() { return state_.fetch_sub(kWriter) == kWriter + kEnded; }

  // The call has ended. Returns whether the hold must be released now.
  [[nodiscard]] bool End() { return state_.fetch_or(kEnded) == 0; }

 private:
  static constexpr int kEnded = 1;
  static constexpr int kWriter = 2;

  std::atomic<int> state_{0};
};

}  // namespace eventhub::client

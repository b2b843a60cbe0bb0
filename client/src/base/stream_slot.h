// The stream that a core sends its requests on, and what happens after a failure.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/src/base/backoff.h"

namespace eventhub::client {

// A core opens one stream after another; each has a number, by which its handler tells the core
// that stream from the others (NumberedHandler). One operation at a time is in progress: a write,
// or the opening of a stream. Guarded by the core's mutex.
template <typename Stream>
class StreamSlot {
 public:
  StreamSlot(const RetryOptions& retry, absl::Duration now) : backoff_(retry), not_before_(now) {}

  bool is_open() const { return stream_ != nullptr; }
  bool busy() const { return busy_; }
  // Whether the number is that of the current stream.
  bool Is(uint64_t number) const { return number == number_; }

  // Begins to open a stream, if none is open; returns its number. Opened follows.
  uint64_t BeginOpen() {
    busy_ = true;
    return ++number_;
  }
  // The stream was opened. Returns false if it was lost meanwhile: then the caller drops it,
  // without the mutex, which cancels it.
  bool Opened(uint64_t number, std::shared_ptr<Stream>& stream) {
    if (number != number_) return false;
    stream_ = std::move(stream);
    busy_ = false;
    return true;
  }

  // Begins a write to the open stream, which the caller carries out without the mutex. Written
  // follows.
  std::shared_ptr<Stream> BeginWrite() {
    busy_ = true;
    return stream_;
  }
  // Returns false if the stream is no longer the current one.
  bool Written(uint64_t number) {
    if (number != number_) return false;
    busy_ = false;
    return true;
  }

  // Forgets the stream; the caller drops the result without the mutex.
  std::shared_ptr<Stream> Lose() {
    ++number_;
    busy_ = false;
    return std::exchange(stream_, nullptr);
  }

  // ---- Failures.

  // The earliest time for the next attempt.
  absl::Duration not_before() const { return not_before_; }
  // Why the last attempt failed; OK if it succeeded.
  const absl::Status& last_failure() const { return last_failure_; }

  // An attempt failed: delays the next.
  void BackOff(const absl::Status& failure, absl::Duration now) {
    last_failure_ = failure;
    not_before_ = now + backoff_.DelayAfter(failure);
  }
  // An attempt failed; the next is not delayed.
  void NoteFailure(const absl::Status& failure) { last_failure_ = failure; }
  // An attempt succeeded.
  void NoteSuccess() {
    backoff_.Reset();
    last_failure_ = absl::OkStatus();
  }

 private:
  std::shared_ptr<Stream> stream_;
  uint64_t number_ = 0;  // Of the current stream.
  bool busy_ = false;
  Backoff backoff_;
  absl::Duration not_before_;
  absl::Status last_failure_;
};

}  // namespace eventhub::client

// One attempt of a call, and its answer.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/processor/internal/unit.h"

namespace eventhub::processor::internal {

class Attempt;
class CallGate;

// One unit, or a batch of units, at a call.
class CallItem {
 public:
  // The outcome of an attempt.
  struct Verdict {
    absl::Status retry{};  // OK: the item is done. Otherwise the rest of it may be retried.
    bool answered = true;  // Whether the service worked, at least for a part of the item.
    bool counts = true;    // Whether a failure uses up an attempt of the item.
  };

  virtual ~CallItem() = default;

  // Drops units whose events are no longer leased here, which need not be called. Returns whether
  // nothing is left.
  virtual bool DropLost() = 0;
  virtual std::unique_ptr<Attempt> NewAttempt() = 0;
  virtual Ref<Counted> arguments() const = 0;
  // Calls the program's function; may throw. The reply then owns `attempt`.
  virtual void Invoke(Attempt& attempt) = 0;
  // Passes on units that succeeded, and fails those with a permanent error, after `attempts`.
  virtual Verdict Take(Attempt& attempt, int attempts) = 0;
  // Fails all remaining units: with an error, or with the current exception.
  virtual void GiveUp(const absl::Status& error, int attempts) = 0;
  virtual void GiveUpThrown(int attempts) = 0;

 private:
  friend class CallGate;

  uint64_t lane_ = 0;
  int attempts_ = 0;  // Those that count.
  bool called_ = false;
  absl::Duration since_;  // When it arrived.
};

// Belongs to the thread that has its reply until it is answered, and then to the gate.
class Attempt {
 public:
  virtual ~Attempt() = default;

  absl::Duration timeout() const { return timeout_; }

 protected:
  // Passes the attempt, with its answer, to the gate.
  void Answered();

 private:
  friend class CallGate;

  CallGate* gate_ = nullptr;
  std::unique_ptr<CallItem> item_;  // Null after a timeout.
  Ref<Counted> arguments_;          // Keeps them valid.
  absl::Duration started_;
  absl::Duration timeout_;
  Attempt* previous_ = nullptr;  // Its position among the attempts in progress, oldest first.
  Attempt* next_ = nullptr;
};

template <typename Result>
class TypedAttempt final : public Attempt {
 public:
  void Complete(Result result) {
    result_ = std::move(result);
    Answered();
  }
  Result& result() { return result_; }

 private:
  Result result_{};
};

// The base of Reply and BatchReply.
template <typename R>
class Answer {
 public:
  using Result = R;

  explicit Answer(TypedAttempt<Result>* attempt) : attempt_(attempt) {}
  Answer(Answer&& other) noexcept : attempt_(std::exchange(other.attempt_, nullptr)) {}
  Answer& operator=(Answer&& other) noexcept {
    std::swap(attempt_, other.attempt_);
    return *this;
  }
  ~Answer() {
    if (attempt_ != nullptr) (*this)(absl::CancelledError("the call was dropped without a reply"));
  }

  void operator()(Result result) {
    if (attempt_ != nullptr) std::exchange(attempt_, nullptr)->Complete(std::move(result));
  }

  // How long the attempt may take; see CallOptions::timeout.
  absl::Duration timeout() const {
    return attempt_ == nullptr ? absl::ZeroDuration() : attempt_->timeout();
  }

 private:
  TypedAttempt<Result>* attempt_;
};

}  // namespace eventhub::processor::internal

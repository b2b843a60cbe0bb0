#include "eventhub/processor/internal/call_gate.h"

#include <algorithm>
#include <cmath>

#include "absl/random/distributions.h"
#include "absl/strings/str_cat.h"
#include "eventhub/processor/internal/runtime.h"

namespace eventhub::processor::internal {

absl::Duration RetryDelay(const CallRetry& retry, int attempts, absl::BitGenRef random) {
  // Later ones would be no longer; the power has to stay finite.
  const double growth = std::pow(retry.multiplier, std::min(attempts, 1000) - 1);
  const absl::Duration longest = std::min(retry.initial_delay * growth, retry.max_delay);
  return longest * absl::Uniform(random, 0.0, 1.0);
}

void Attempt::Answered() {
  gate_->runtime_.Post([this] { gate_->OnAnswer(std::unique_ptr<Attempt>(this)); });
}

CallGate::CallGate(Runtime& runtime, std::string step, CallOptions options)
    : runtime_(runtime), step_(std::move(step)), options_(std::move(options)) {}

CallGate::~CallGate() = default;

bool CallGate::Retryable(const absl::Status& error) const {
  return options_.retry.retryable(error);
}

void CallGate::Add(std::unique_ptr<CallItem> item, uint64_t lane) {
  item->lane_ = lane;
  item->since_ = runtime_.Now();
  runtime_.counters().waiting.Add(1);
  if (lane != 0) {
    const auto [it, free] = lanes_.try_emplace(lane);
    if (!free) {
      it->second.push_back(std::move(item));
      return;
    }
  }
  ready_.push_back(std::move(item));
  Pump();
}

void CallGate::AddFailed(std::unique_ptr<CallItem> item, uint64_t lane, const absl::Status& error) {
  item->lane_ = lane;
  item->called_ = true;
  item->attempts_ = 1;
  if (lane != 0) lanes_.try_emplace(lane);
  Settle(std::move(item), {.retry = error, .answered = false});
  Pump();  // Nobody else does, if the item is done.
}

bool CallGate::MayCall() const {
  if (runtime_.closing() || in_progress_ >= options_.parallel) return false;
  return circuit_ == Circuit::kClosed || (circuit_ == Circuit::kTrial && trial_ == nullptr);
}

void CallGate::Pump() {
  if (pumping_) return;  // A finished item may add the next one.
  pumping_ = true;
  while (!ready_.empty() && MayCall()) {
    std::unique_ptr<CallItem> item = std::move(ready_.front());
    ready_.pop_front();
    if (item->DropLost()) {
      if (!item->called_) runtime_.counters().waiting.Add(-1);
      Done(std::move(item));
    } else {
      Call(std::move(item));
    }
  }
  pumping_ = false;
}

void CallGate::Call(std::unique_ptr<CallItem> item) {
  Counters& counters = runtime_.counters();
  const absl::Duration now = runtime_.Now();
  counters.calls.Add(1);
  if (item->called_) {
    counters.retries.Add(1);
  } else {
    item->called_ = true;
    counters.waiting.Add(-1);
    counters.io_wait.Add(now - item->since_);
  }
  ++item->attempts_;
  CallItem& called = *item;
  // The attempt belongs to the owner of the reply until it is answered.
  Attempt& attempt = *called.NewAttempt().release();
  attempt.gate_ = this;
  attempt.arguments_ = called.arguments();
  attempt.timeout_ = options_.timeout;
  attempt.started_ = now;
  attempt.item_ = std::move(item);
  if (circuit_ == Circuit::kTrial) trial_ = &attempt;
  Link(attempt);
  try {
    called.Invoke(attempt);
  } catch (...) {
    item = Unlink(attempt);
    item->GiveUpThrown(item->attempts_);
    Done(std::move(item));
  }
}

void CallGate::Link(Attempt& attempt) {
  runtime_.CountAttempt(1);
  ++in_progress_;
  attempt.previous_ = newest_;
  (newest_ != nullptr ? newest_->next_ : oldest_) = &attempt;
  newest_ = &attempt;
  if (!deadline_armed_) ArmDeadline();
}

std::unique_ptr<CallItem> CallGate::Unlink(Attempt& attempt) {
  --in_progress_;
  if (trial_ == &attempt) trial_ = nullptr;
  runtime_.counters().io_time.Add(runtime_.Now() - attempt.started_);
  (attempt.previous_ != nullptr ? attempt.previous_->next_ : oldest_) = attempt.next_;
  (attempt.next_ != nullptr ? attempt.next_->previous_ : newest_) = attempt.previous_;
  return std::move(attempt.item_);
}

void CallGate::OnAnswer(std::unique_ptr<Attempt> attempt) {
  runtime_.CountAttempt(-1);
  if (attempt->item_ == nullptr) return;  // It has timed out before.
  std::unique_ptr<CallItem> item = Unlink(*attempt);
  const absl::Duration start = runtime_.Now();
  const CallItem::Verdict verdict = item->Take(*attempt, item->attempts_);
  runtime_.counters().map_time.Add(runtime_.Now() - start);
  Settle(std::move(item), verdict);
  Pump();
}

void CallGate::ArmDeadline() {
  if (oldest_ == nullptr || options_.timeout == absl::InfiniteDuration()) return;
  deadline_armed_ = true;
  runtime_.At(oldest_->started_ + options_.timeout, [this] { OnDeadline(); });
}

void CallGate::OnDeadline() {
  deadline_armed_ = false;
  const absl::Duration now = runtime_.Now();
  const absl::Status error = absl::DeadlineExceededError(
      absl::StrCat("no reply within ", absl::FormatDuration(options_.timeout)));
  while (oldest_ != nullptr && oldest_->started_ + options_.timeout <= now) {
    runtime_.counters().timeouts.Add(1);
    std::unique_ptr<CallItem> item = Unlink(*oldest_);
    if (Retryable(error)) {
      Settle(std::move(item), {.retry = error, .answered = false});
    } else {
      item->GiveUp(error, item->attempts_);
      Done(std::move(item));
    }
  }
  ArmDeadline();
  Pump();
}

void CallGate::Settle(std::unique_ptr<CallItem> item, const CallItem::Verdict& verdict) {
  if (verdict.answered) OnSuccess();
  if (verdict.retry.ok()) {
    Done(std::move(item));
    return;
  }
  // An attempt that fails because the service is down does not count against the item.
  if (!verdict.answered && OnFailure(verdict.retry)) {
    --item->attempts_;
    ready_.push_back(std::move(item));
  } else if (!verdict.counts) {
    const int attempts = item->attempts_--;
    RetryLater(std::move(item), attempts);
  } else if (item->attempts_ >= options_.retry.max_attempts) {
    item->GiveUp(verdict.retry, item->attempts_);
    Done(std::move(item));
  } else {
    const int attempts = item->attempts_;
    RetryLater(std::move(item), attempts);
  }
}

void CallGate::RetryLater(std::unique_ptr<CallItem> item, int attempts) {
  const absl::Duration delay = RetryDelay(options_.retry, attempts, runtime_.random());
  runtime_.At(runtime_.Now() + delay, [this, item = std::move(item)]() mutable {
    ready_.push_back(std::move(item));
    Pump();
  });
}

void CallGate::Done(std::unique_ptr<CallItem> item) {
  if (item->lane_ == 0) return;
  const auto lane = lanes_.find(item->lane_);
  if (lane->second.empty()) {
    lanes_.erase(lane);
  } else {
    ready_.push_back(std::move(lane->second.front()));
    lane->second.pop_front();
  }
}

bool CallGate::OnFailure(const absl::Status& error) {
  const CircuitBreaker& breaker = options_.breaker;
  if (breaker.failures == 0) return false;
  if (circuit_ == Circuit::kOpen) return true;
  if (circuit_ == Circuit::kClosed) {
    if (++failures_ < breaker.failures) return false;
    open_for_ = breaker.open_for;
  } else {
    open_for_ = std::min(open_for_ * 2, breaker.max_open_for);
  }
  circuit_ = Circuit::kOpen;
  runtime_.counters().circuits.Add(1);
  runtime_.SetWaiting(step_,
                      absl::StrCat("the circuit is open, the last error being ",
                                   error.ToString(absl::StatusToStringMode::kWithNoExtraData)));
  runtime_.At(runtime_.Now() + open_for_, [this] {
    if (circuit_ != Circuit::kOpen) return;
    circuit_ = Circuit::kTrial;
    Pump();
  });
  return true;
}

void CallGate::OnSuccess() {
  failures_ = 0;
  if (circuit_ == Circuit::kClosed) return;
  circuit_ = Circuit::kClosed;
  runtime_.SetWaiting(step_, "");
}

}  // namespace eventhub::processor::internal

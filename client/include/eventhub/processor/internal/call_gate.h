// Decides when the units that wait at a call are called and retried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/random/bit_gen_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/processor/call.h"
#include "eventhub/processor/internal/attempt.h"

namespace eventhub::processor::internal {

class Runtime;

// The delay before the attempt that follows `attempts`, at least 1.
absl::Duration RetryDelay(const CallRetry& retry, int attempts, absl::BitGenRef random);

// The items at one call: those that wait, those in progress, and the circuit breaker. On the strand
// only, except for the answers of attempts.
//
// Items of a lane are called one after another, in the order of their arrival.
class CallGate {
 public:
  // `runtime` must outlive it.
  CallGate(Runtime& runtime, std::string step, CallOptions options);
  // Drops the items. All attempts must be answered before.
  ~CallGate();

  CallGate(const CallGate&) = delete;
  CallGate& operator=(const CallGate&) = delete;

  void Add(std::unique_ptr<CallItem> item, uint64_t lane);

  // For steps that try at once, without the gate, and come here with what failed.
  //
  // Whether nothing waits here that others may have to wait for.
  bool idle() const { return lanes_.empty() && circuit_ == Circuit::kClosed; }
  // Whether an item of the lane has to wait: then it is to be added untried.
  bool Holds(uint64_t lane) const {
    return circuit_ != Circuit::kClosed || (lane != 0 && lanes_.contains(lane));
  }
  // An item whose first attempt failed with an error that is worth a retry.
  void AddFailed(std::unique_ptr<CallItem> item, uint64_t lane, const absl::Status& error);
  // An attempt succeeded that was made without the gate, while the lane was not held.
  void CountSuccess() { failures_ = 0; }

  bool Retryable(const absl::Status& error) const;
  const std::string& step() const { return step_; }

 private:
  friend class Attempt;
  using Lane = std::deque<std::unique_ptr<CallItem>>;
  enum class Circuit { kClosed, kOpen, kTrial };  // kTrial: half-open.

  bool MayCall() const;
  // Calls the items that may be called now.
  void Pump();
  void Call(std::unique_ptr<CallItem> item);
  // Called when an attempt takes a slot, and when it releases the slot.
  void Link(Attempt& attempt);
  std::unique_ptr<CallItem> Unlink(Attempt& attempt);

  void OnAnswer(std::unique_ptr<Attempt> attempt);
  void ArmDeadline();
  void OnDeadline();
  // Called when an attempt of the item has ended.
  void Settle(std::unique_ptr<CallItem> item, const CallItem::Verdict& verdict);
  void RetryLater(std::unique_ptr<CallItem> item, int attempts);
  void Done(std::unique_ptr<CallItem> item);

  // Returns whether the circuit is open.
  bool OnFailure(const absl::Status& error);
  void OnSuccess();

  Runtime& runtime_;
  const std::string step_;
  const CallOptions options_;

  // Items that are ready, and items that wait for an earlier one of their lane. Only lanes in use
  // have an entry.
  std::deque<std::unique_ptr<CallItem>> ready_;
  std::unordered_map<uint64_t, Lane> lanes_;
  bool pumping_ = false;
  // Attempts in progress, without those that timed out.
  size_t in_progress_ = 0;
  Attempt* oldest_ = nullptr;
  Attempt* newest_ = nullptr;
  bool deadline_armed_ = false;

  Circuit circuit_ = Circuit::kClosed;
  int failures_ = 0;                // In a row, while the circuit is closed.
  const Attempt* trial_ = nullptr;  // While the circuit is half-open: the one attempt in progress.
  absl::Duration open_for_;
};

}  // namespace eventhub::processor::internal

// Decides when the units that wait at a call are called, and called again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/processor/call.h"
#include "eventhub/processor/internal/attempt.h"

namespace eventhub::processor::internal {

class Runtime;

// The items at one call: which wait, which are in progress, and the circuit. On the strand only,
// except for the answers of attempts.
//
// Items of a lane are called one after another, in the order in which they came.
class CallGate {
 public:
  // `runtime` and `options` must outlive it.
  CallGate(Runtime& runtime, std::string step, const CallOptions& options);
  // Drops the items; no attempt may be unanswered.
  ~CallGate();

  CallGate(const CallGate&) = delete;
  CallGate& operator=(const CallGate&) = delete;

  void Add(std::unique_ptr<CallItem> item, uint64_t lane);

  bool Retryable(const absl::Status& error) const;
  const std::string& step() const { return step_; }

 private:
  friend class Attempt;
  using Lane = std::deque<std::unique_ptr<CallItem>>;
  enum class Circuit { kClosed, kOpen, kTrial };  // kTrial: half-open.

  bool MayCall() const;
  // Calls what may be called now.
  void Pump();
  void Call(std::unique_ptr<CallItem> item);
  // An attempt begins to take up a slot, and ceases to.
  void Link(Attempt& attempt);
  std::unique_ptr<CallItem> Unlink(Attempt& attempt);

  void OnAnswer(std::unique_ptr<Attempt> attempt);
  void ArmDeadline();
  void OnDeadline();
  // An attempt of the item is over.
  void Settle(std::unique_ptr<CallItem> item, const CallItem::Verdict& verdict);
  void RetryLater(std::unique_ptr<CallItem> item);
  void Done(std::unique_ptr<CallItem> item);

  // Returns whether the circuit is open.
  bool OnFailure(const absl::Status& error);
  void OnSuccess();

  Runtime& runtime_;
  const std::string step_;
  const CallOptions& options_;

  // Ready to be called, and behind an item of their lane. A lane is there while it is in use.
  std::deque<std::unique_ptr<CallItem>> ready_;
  std::unordered_map<uint64_t, Lane> lanes_;
  bool pumping_ = false;
  // Attempts in progress, without those that timed out.
  size_t in_progress_ = 0;
  Attempt* oldest_ = nullptr;
  Attempt* newest_ = nullptr;
  bool deadline_armed_ = false;

  Circuit circuit_ = Circuit::kClosed;
  int failures_ = 0;                // In a row, while it is closed.
  const Attempt* trial_ = nullptr;  // While it is half-open: the one attempt in progress.
  absl::Duration open_for_;
};

}  // namespace eventhub::processor::internal

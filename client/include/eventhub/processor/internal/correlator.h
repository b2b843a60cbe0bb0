// The step Correlate: collects events by key until a condition holds, or until a deadline.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/processor/call.h"
#include "eventhub/processor/correlate.h"
#include "eventhub/processor/internal/state_gate.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor::internal {

class Correlator;
struct CorrelationState;

// A unit at a Correlate step.
class CorrelateItem : public StateItem {
 public:
  explicit CorrelateItem(Correlator& correlator) : correlator_(correlator) {}

  void Take(std::string_view state) final;

  // Returns whether the condition holds; unset if the unit has failed; or an error to be retried.
  virtual absl::StatusOr<std::optional<bool>> Evaluate(const Facts& facts) = 0;
  virtual void Pass(Correlation correlation) = 0;

 private:
  Correlator& correlator_;
};

// Handles the events of one Correlate step, given the state of their keys. On the strand only.
//
// All decisions follow from the events of the key in the log: it compares their append times, and
// reads no clock.
class Correlator {
 public:
  // `runtime` and `options` must outlive it.
  Correlator(Runtime& runtime, std::string step, const CorrelateOptions& options,
             const CallOptions& condition);

  void Add(std::unique_ptr<CorrelateItem> item) { gate_.Add(std::move(item)); }
  bool Retryable(const absl::Status& error) const { return gate_.Retryable(error); }

 private:
  friend class CorrelateItem;
  using State = CorrelationState;

  void Take(CorrelateItem& item, std::string_view bytes);
  void TakeFact(CorrelateItem& item, const std::optional<State>& state);
  void TakeLate(CorrelateItem& item, const State& state);
  void TakeTimer(CorrelateItem& item, const std::optional<State>& state);
  void Collect(CorrelateItem& item, State next, bool is_new);
  void Expire(CorrelateItem& item, const State& state);

  // Ends the correlation with the item's event.
  void End(const CorrelateItem& item, State& state) const;
  // Puts the new state, and a timer if the state has a new one. Returns false if the item has
  // failed.
  bool Put(const CorrelateItem& item, const State& state, bool new_timer);
  bool SetTimer(const CorrelateItem& item, absl::Time due);
  void Drop(const CorrelateItem& item);

  Runtime& runtime_;
  const std::string step_;
  const CorrelateOptions& options_;
  StateGate gate_;
};

}  // namespace eventhub::processor::internal

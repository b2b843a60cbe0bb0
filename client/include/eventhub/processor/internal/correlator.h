// Collects events by key until a condition holds, or time is up.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
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

  // Whether the condition holds; unset: the unit has failed.
  virtual std::optional<bool> Evaluate(const Facts& facts) = 0;
  virtual void Pass(Correlation correlation) = 0;

 private:
  Correlator& correlator_;
};

// What one Correlate step does with each event, given what is known of its key. On the strand only.
//
// All that it decides follows from the events of the key in the log: it compares times at which the
// hub appended them, and never looks at a clock.
class Correlator {
 public:
  // `runtime` and `options` must outlive it.
  Correlator(Runtime& runtime, std::string step, const CorrelateOptions& options);

  void Add(std::unique_ptr<CorrelateItem> item) { gate_.Add(std::move(item)); }

 private:
  friend class CorrelateItem;
  using State = CorrelationState;

  void Take(CorrelateItem& item, std::string_view bytes);
  void TakeFact(CorrelateItem& item, const std::optional<State>& state);
  void TakeLate(CorrelateItem& item, const State& state);
  void TakeTimer(CorrelateItem& item, const std::optional<State>& state);
  void Collect(CorrelateItem& item, State next, bool is_new);
  void Expire(CorrelateItem& item, const State& state);

  // The correlation ends with the item's event.
  void End(const CorrelateItem& item, State& state) const;
  // Puts the new state, and a timer if it has a new one; false: the item has failed.
  bool Put(const CorrelateItem& item, const State& state, bool new_timer);
  bool SetTimer(const CorrelateItem& item, absl::Time due);
  void Drop(const CorrelateItem& item);

  Runtime& runtime_;
  const std::string step_;
  const CorrelateOptions& options_;
  StateGate gate_;
};

}  // namespace eventhub::processor::internal

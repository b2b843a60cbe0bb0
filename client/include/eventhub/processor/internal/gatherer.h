// Collects units into windows.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "eventhub/processor/call.h"
#include "eventhub/processor/internal/runtime.h"

namespace eventhub::processor::internal {

// On the strand only. `runtime` must outlive it, and it must outlive the timers of `runtime`.
template <typename U>
class Gatherer {
 public:
  using Full = absl::AnyInvocable<void(std::vector<Ref<U>> units)>;

  // `full` is called with each complete window.
  Gatherer(Runtime& runtime, const Window& window, Full full)
      : runtime_(runtime), window_(window), full_(std::move(full)) {}

  void Add(Ref<U> unit) {
    unit->waits_since = runtime_.Now();
    // An event that is read back is not settled, so it must not share a group with events that are.
    if (!units_.empty() && IsRestored(*units_.back()) != IsRestored(*unit)) Flush();
    if (units_.empty()) Begin();
    bytes_ += unit->bytes();
    const bool has_siblings = unit->task().open > 1;
    units_.push_back(std::move(unit));
    runtime_.counters().waiting.Add(1);
    const bool full = units_.size() >= window_.units || bytes_ >= window_.bytes ||
                      window_.wait <= absl::ZeroDuration() || runtime_.draining();
    if (!full) return;
    if (has_siblings) {
      // The units of one event arrive together. Dividing them would tie this window to the next.
      ends_at_ = runtime_.Now();
      runtime_.At(ends_at_, [this] { Flush(); });
    } else {
      Flush();
    }
  }

  void Flush() {
    if (units_.empty()) return;
    runtime_.counters().waiting.Add(-static_cast<int64_t>(units_.size()));
    bytes_ = 0;
    std::vector<Ref<U>> units = std::exchange(units_, {});
    // A lost event must not make the others fail.
    std::erase_if(units, [this](const Ref<U>& unit) {
      if (!runtime_.IsLost(*unit)) return false;
      runtime_.Finish(*unit);
      return true;
    });
    if (!units.empty()) full_(std::move(units));
  }

 private:
  static bool IsRestored(const AnyUnit& unit) { return unit.task().trigger->arrival.restored; }

  void Begin() {
    ends_at_ = runtime_.Now() + window_.wait;
    if (!armed_) Arm();
  }
  void Arm() {
    armed_ = true;
    runtime_.At(ends_at_, [this] {
      armed_ = false;
      if (units_.empty()) return;
      if (runtime_.Now() < ends_at_) {
        Arm();  // For a later window.
      } else {
        Flush();
      }
    });
  }

  Runtime& runtime_;
  const Window window_;
  Full full_;
  std::vector<Ref<U>> units_;
  size_t bytes_ = 0;
  absl::Duration ends_at_;
  bool armed_ = false;
};

}  // namespace eventhub::processor::internal

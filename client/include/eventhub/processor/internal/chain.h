// A running pipeline: its steps, chained by type, so that a unit passes from step to step without
// an indirect call until it has to wait.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eventhub/processor/internal/call_gate.h"
#include "eventhub/processor/internal/gatherer.h"
#include "eventhub/processor/internal/runtime.h"
#include "eventhub/processor/internal/steps.h"
#include "eventhub/processor/internal/unit.h"

namespace eventhub::processor::internal {

// Takes the value out of what a step's function returned.
template <typename T, typename Use>
absl::Status WithValue(T value, Use&& use) {
  use(std::move(value));
  return absl::OkStatus();
}
template <typename T, typename Use>
absl::Status WithValue(absl::StatusOr<T> value, Use&& use) {
  if (!value.ok()) return value.status();
  use(*std::move(value));
  return absl::OkStatus();
}

// The steps from one on; takes units of type U. Constructed in place and never moved. Run takes
// over the unit: at the end it is finished, failed, or waits in a step.
template <typename U, typename... Steps>
class Chain;

template <typename U>
class Chain<U> {
 public:
  explicit Chain(Runtime& runtime) : runtime_(runtime) {}
  void Run(Ref<U> unit) { runtime_.Finish(*unit); }
  // The processor stops: passes on what waits for more.
  void Drain() {}

 private:
  Runtime& runtime_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, FilterStep<F>, Rest...> {
 public:
  Chain(Runtime& runtime, const FilterStep<F>& step, const Rest&... rest)
      : runtime_(runtime), step_(step), next_(runtime, rest...) {}

  void Run(Ref<U> unit) {
    bool passes = false;
    const auto call = [&] {
      passes = Apply(step_.f, *unit);
      return absl::OkStatus();
    };
    if (!runtime_.Try(*unit, step_.name, call)) return;
    if (passes) {
      next_.Run(std::move(unit));
    } else {
      runtime_.Finish(*unit);
    }
  }
  void Drain() { next_.Drain(); }

 private:
  Runtime& runtime_;
  const FilterStep<F>& step_;
  Chain<U, Rest...> next_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, MapStep<F>, Rest...> {
 public:
  Chain(Runtime& runtime, const MapStep<F>& step, const Rest&... rest)
      : runtime_(runtime), step_(step), next_(runtime, rest...) {}

  void Run(Ref<U> unit) {
    const auto call = [&] {
      return WithValue(Apply(step_.f, *unit),
                       [&]<typename T>(T value) { unit->template Set<T>(std::move(value)); });
    };
    if (runtime_.Try(*unit, step_.name, call)) next_.Run(std::move(unit));
  }
  void Drain() { next_.Drain(); }

 private:
  Runtime& runtime_;
  const MapStep<F>& step_;
  Chain<U, Rest...> next_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, ForEachStep<F>, Rest...> {
 public:
  Chain(Runtime& runtime, const ForEachStep<F>& step, const Rest&... rest)
      : runtime_(runtime), step_(step), next_(runtime, rest...) {}

  void Run(Ref<U> unit) {
    const auto call = [&]() -> absl::Status {
      if constexpr (std::is_void_v<ResultOf<F>>) {
        Apply(step_.f, *unit);
        return absl::OkStatus();
      } else {
        return Apply(step_.f, *unit);
      }
    };
    if (runtime_.Try(*unit, step_.name, call)) next_.Run(std::move(unit));
  }
  void Drain() { next_.Drain(); }

 private:
  Runtime& runtime_;
  const ForEachStep<F>& step_;
  Chain<U, Rest...> next_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, PublishStep<F>, Rest...> {
 public:
  Chain(Runtime& runtime, const PublishStep<F>& step, const Rest&... rest)
      : runtime_(runtime), step_(step), next_(runtime, rest...) {}

  void Run(Ref<U> unit) {
    std::optional<Added<F>> made;
    const auto call = [&] {
      return WithValue(Apply(step_.f, *unit), [&](Added<F> value) { made = std::move(value); });
    };
    if (!runtime_.Try(*unit, step_.name, call)) return;
    if (!Emit(*unit, *std::move(made))) return;
    next_.Run(std::move(unit));
  }
  void Drain() { next_.Drain(); }

 private:
  bool Emit(const U& unit, v1::Event event) { return EmitOne(unit, 0, std::move(event)); }
  bool Emit(const U& unit, std::optional<v1::Event> event) {
    return !event || EmitOne(unit, 0, *std::move(event));
  }
  bool Emit(const U& unit, std::vector<v1::Event> events) {
    for (size_t i = 0; i < events.size(); ++i) {
      if (!EmitOne(unit, i, std::move(events[i]))) return false;
    }
    return true;
  }
  bool EmitOne(const U& unit, size_t i, v1::Event event) {
    return runtime_.Emit(unit, step_.name, step_.topic, absl::StrCat(step_.number, "-", i),
                         std::move(event));
  }

  Runtime& runtime_;
  const PublishStep<F>& step_;
  Chain<U, Rest...> next_;
};

// The unit that a split begins: a part of type T, and the values that the steps after it add.
template <typename U, typename T, typename Values>
struct PartOf;
template <typename U, typename T, typename... Ts>
struct PartOf<U, T, Types<Ts...>> {
  using Type = Unit<U, T, Ts...>;
};

template <typename U, typename F, typename T, typename... Rest>
class Chain<U, SplitStep<F, T>, Rest...> {
 public:
  Chain(Runtime& runtime, const SplitStep<F, T>& step, const Rest&... rest)
      : runtime_(runtime), step_(step), next_(runtime, rest...) {}

  void Run(Ref<U> unit) {
    std::vector<T> parts;
    const auto call = [&] {
      return WithValue(Apply(step_.f, *unit),
                       [&](std::vector<T> value) { parts = std::move(value); });
    };
    if (!runtime_.Try(*unit, step_.name, call)) return;
    runtime_.Open(*unit, parts.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      const Ref<Part> part(new Part(unit, i));
      part->template Set<T>(std::move(parts[i]));
      next_.Run(part);
    }
    runtime_.Finish(*unit);
  }
  void Drain() { next_.Drain(); }

 private:
  using Part = typename PartOf<U, T, typename Segment<Types<>, Rest...>::Type>::Type;

  Runtime& runtime_;
  const SplitStep<F, T>& step_;
  Chain<Part, Rest...> next_;
};

// The unit that a group begins.
template <typename U, typename Values>
struct GroupOf;
template <typename U, typename... Ts>
struct GroupOf<U, Types<Ts...>> {
  using Type = GroupUnit<U, Ts...>;
};

template <typename U, typename F, typename... Rest>
class Chain<U, GroupStep<F>, Rest...> {
 public:
  Chain(Runtime& runtime, const GroupStep<F>& step, const Rest&... rest)
      : runtime_(runtime),
        step_(step),
        gatherer_(runtime, step.window,
                  [this](std::vector<Ref<U>> units) { Group(std::move(units)); }),
        next_(runtime, rest...) {}

  void Run(Ref<U> unit) { gatherer_.Add(std::move(unit)); }
  void Drain() {
    gatherer_.Flush();
    next_.Drain();
  }

 private:
  using GroupType = typename GroupOf<U, typename Segment<Types<>, Rest...>::Type>::Type;
  using Key = std::remove_cvref_t<ResultOf<F>>;

  void Group(std::vector<Ref<U>> units) {
    std::vector<std::pair<uint64_t, std::vector<Ref<U>>>> groups;
    std::unordered_map<Key, size_t> by_key;
    for (Ref<U>& unit : units) {
      std::optional<Key> key;
      const auto call = [&] {
        key.emplace(Apply(step_.f, *unit));
        return absl::OkStatus();
      };
      if (!runtime_.Try(*unit, step_.name, call)) continue;
      const auto [it, added] = by_key.try_emplace(*key, groups.size());
      if (added)
        groups.emplace_back(runtime_.LaneOf(std::hash<Key>()(*key)), std::vector<Ref<U>>());
      groups[it->second].second.push_back(std::move(unit));
    }
    for (auto& [lane, members] : groups) {
      for (size_t i = 1; i < members.size(); ++i) runtime_.Bind(*members[i - 1], *members[i]);
      const Ref<GroupType> group(new GroupType(std::move(members)));
      group->lane = lane;
      next_.Run(group);
    }
  }

  Runtime& runtime_;
  const GroupStep<F>& step_;
  Gatherer<U> gatherer_;
  Chain<GroupType, Rest...> next_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, CompactStep<F>, Rest...> {
 public:
  Chain(Runtime& runtime, const CompactStep<F>& step, const Rest&... rest)
      : runtime_(runtime),
        step_(step),
        gatherer_(runtime, step.window,
                  [this](std::vector<Ref<U>> units) { Compact(std::move(units)); }),
        next_(runtime, rest...) {}

  void Run(Ref<U> unit) { gatherer_.Add(std::move(unit)); }
  void Drain() {
    gatherer_.Flush();
    next_.Drain();
  }

 private:
  using Key = std::remove_cvref_t<ResultOf<F>>;

  void Compact(std::vector<Ref<U>> units) {
    std::unordered_map<Key, size_t> last;
    for (size_t i = 0; i < units.size(); ++i) {
      std::optional<Key> key;
      const auto call = [&] {
        key.emplace(Apply(step_.f, *units[i]));
        return absl::OkStatus();
      };
      if (!runtime_.Try(*units[i], step_.name, call)) {
        units[i] = Ref<U>();
        continue;
      }
      const auto [it, added] = last.try_emplace(*key, i);
      if (!added) Replace(units, std::exchange(it->second, i), i);
    }
    for (Ref<U>& unit : units) {
      if (unit) next_.Run(std::move(unit));
    }
  }

  // The older unit is done when the newer one is, and fails with it.
  void Replace(std::vector<Ref<U>>& units, size_t older, size_t newer) {
    runtime_.Bind(*units[older], *units[newer]);
    runtime_.counters().compacted.Add(1);
    runtime_.Finish(*units[older]);
    units[older] = Ref<U>();
  }

  Runtime& runtime_;
  const CompactStep<F>& step_;
  Gatherer<U> gatherer_;
  Chain<U, Rest...> next_;
};

template <typename U, typename F, typename T, typename... Rest>
class Chain<U, CallStep<F, T>, Rest...> {
 public:
  Chain(Runtime& runtime, const CallStep<F, T>& step, const Rest&... rest)
      : runtime_(runtime),
        step_(step),
        gate_(runtime, step.name, step.options),
        next_(runtime, rest...) {}

  void Run(Ref<U> unit) {
    const uint64_t lane = unit->lane;
    gate_.Add(std::make_unique<Item>(*this, std::move(unit)), lane);
  }
  void Drain() { next_.Drain(); }

 private:
  using TheReply = Reply<T>;
  using TheAttempt = TypedAttempt<typename TheReply::Result>;

  class Item final : public CallItem {
   public:
    Item(Chain& chain, Ref<U> unit) : chain_(chain), unit_(std::move(unit)) {}

    bool DropLost() override {
      if (!chain_.runtime_.IsLost(*unit_)) return false;
      chain_.runtime_.Finish(*unit_);
      return true;
    }
    std::unique_ptr<Attempt> NewAttempt() override { return std::make_unique<TheAttempt>(); }
    Ref<Counted> arguments() const override { return unit_; }
    void Invoke(Attempt& attempt) override {
      TheReply reply(static_cast<TheAttempt*>(&attempt));
      Apply(chain_.step_.f, *unit_, typename SplitLast<ArgumentsOf<F>>::Others(), std::move(reply));
    }
    Verdict Take(Attempt& attempt, int attempts) override {
      auto& result = static_cast<TheAttempt&>(attempt).result();
      const absl::Status& status = StatusIn(result);
      if (!status.ok() && chain_.gate_.Retryable(status)) {
        return {.retry = status, .answered = false};
      }
      if (!status.ok()) {
        GiveUp(status, attempts);
        return {};
      }
      if constexpr (!std::is_void_v<T>) unit_->template Set<T>(*std::move(result));
      chain_.next_.Run(std::move(unit_));
      return {};
    }
    void GiveUp(const absl::Status& error, int attempts) override {
      chain_.runtime_.Fail(*unit_, chain_.step_.name, error, attempts);
    }
    void GiveUpThrown(int attempts) override {
      chain_.runtime_.FailThrown(*unit_, chain_.step_.name, attempts);
    }

   private:
    static absl::Status StatusIn(const absl::Status& status) { return status; }
    template <typename R>
    static absl::Status StatusIn(const absl::StatusOr<R>& result) {
      return result.status();
    }

    Chain& chain_;
    Ref<U> unit_;
  };

  Runtime& runtime_;
  const CallStep<F, T>& step_;
  CallGate gate_;
  Chain<U, Rest...> next_;
};

// One batch at a time is called of those with units that have a lane. A batch has at most one unit
// of each lane: when a second one comes, it goes without waiting for more.
template <typename U, typename F, typename T, typename... Rest>
class Chain<U, CallBatchStep<F, T>, Rest...> {
 public:
  Chain(Runtime& runtime, const CallBatchStep<F, T>& step, const Rest&... rest)
      : runtime_(runtime),
        step_(step),
        gatherer_(runtime, step.window,
                  [this](std::vector<Ref<U>> units) { Call(std::move(units)); }),
        gate_(runtime, step.name, step.options),
        next_(runtime, rest...) {}

  void Run(Ref<U> unit) {
    if (unit->lane != 0 && !lanes_.insert(unit->lane).second) {
      const uint64_t lane = unit->lane;
      gatherer_.Flush();
      lanes_.insert(lane);
    }
    gatherer_.Add(std::move(unit));
  }
  void Drain() {
    gatherer_.Flush();
    next_.Drain();
  }

 private:
  using TheReply = BatchReply<T>;
  using TheAttempt = TypedAttempt<typename TheReply::Result>;
  using One = typename Reply<T>::Result;

  struct Batch : Counted {
    std::vector<Ref<U>> units;

    template <typename... Ts>
    std::vector<std::tuple<const Ts*...>> Rows() const {
      std::vector<std::tuple<const Ts*...>> rows;
      rows.reserve(units.size());
      for (const Ref<U>& unit : units) rows.emplace_back(&unit->template Get<Ts>()...);
      return rows;
    }
  };

  class Item final : public CallItem {
   public:
    Item(Chain& chain, std::vector<Ref<U>> units) : chain_(chain), batch_(new Batch) {
      batch_->units = std::move(units);
    }

    bool DropLost() override {
      std::erase_if(batch_->units, [&](const Ref<U>& unit) {
        if (!chain_.runtime_.IsLost(*unit)) return false;
        chain_.runtime_.Finish(*unit);
        return true;
      });
      return batch_->units.empty();
    }
    std::unique_ptr<Attempt> NewAttempt() override {
      Counters& counters = chain_.runtime_.counters();
      counters.batches.Add(1);
      counters.batched_units.Add(static_cast<int64_t>(batch_->units.size()));
      counters.batch_room.Add(static_cast<int64_t>(chain_.step_.window.units));
      return std::make_unique<TheAttempt>();
    }
    Ref<Counted> arguments() const override { return batch_; }
    void Invoke(Attempt& attempt) override {
      TheReply reply(static_cast<TheAttempt*>(&attempt));
      Apply(chain_.step_.f, *batch_, typename SplitLast<ArgumentsOf<F>>::Others(),
            std::move(reply));
    }
    Verdict Take(Attempt& attempt, int attempts) override {
      auto& result = static_cast<TheAttempt&>(attempt).result();
      if (!result.ok() && chain_.gate_.Retryable(result.status())) {
        return {.retry = result.status(), .answered = false};
      }
      if (!result.ok()) {
        GiveUp(result.status(), attempts);
        return {};
      }
      if (result->size() != batch_->units.size()) {
        GiveUp(absl::InternalError(absl::StrCat("the batch of ", batch_->units.size(),
                                                " units got ", result->size(), " answers")),
               attempts);
        return {};
      }
      return TakeEach(*result, attempts);
    }
    void GiveUp(const absl::Status& error, int attempts) override {
      for (const Ref<U>& unit : batch_->units) {
        chain_.runtime_.Fail(*unit, chain_.step_.name, error, attempts);
      }
    }
    void GiveUpThrown(int attempts) override {
      for (const Ref<U>& unit : batch_->units) {
        chain_.runtime_.FailThrown(*unit, chain_.step_.name, attempts);
      }
    }

   private:
    static absl::Status StatusIn(const absl::Status& status) { return status; }
    template <typename R>
    static absl::Status StatusIn(const absl::StatusOr<R>& result) {
      return result.status();
    }

    // Only what failed remains.
    Verdict TakeEach(std::vector<One>& results, int attempts) {
      const Ref<Batch> answered = std::exchange(batch_, Ref<Batch>(new Batch));
      Verdict verdict;
      for (size_t i = 0; i < results.size(); ++i) {
        Ref<U>& unit = answered->units[i];
        const absl::Status status = StatusIn(results[i]);
        if (!status.ok() && chain_.gate_.Retryable(status)) {
          verdict.retry.Update(status);
          batch_->units.push_back(unit);
        } else if (!status.ok()) {
          chain_.runtime_.Fail(*unit, chain_.step_.name, status, attempts);
        } else {
          if constexpr (!std::is_void_v<T>) unit->template Set<T>(*std::move(results[i]));
          chain_.next_.Run(unit);
        }
      }
      verdict.answered = batch_->units.size() < results.size();
      return verdict;
    }

    Chain& chain_;
    Ref<Batch> batch_;
  };

  void Call(std::vector<Ref<U>> units) {
    // One lane for all, so that a batch that waits for a retry holds up the next.
    const uint64_t lane = lanes_.empty() ? 0 : 1;
    lanes_.clear();
    gate_.Add(std::make_unique<Item>(*this, std::move(units)), lane);
  }

  Runtime& runtime_;
  const CallBatchStep<F, T>& step_;
  std::set<uint64_t> lanes_;
  Gatherer<U> gatherer_;
  CallGate gate_;
  Chain<U, Rest...> next_;
};

}  // namespace eventhub::processor::internal

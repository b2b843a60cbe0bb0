// A running pipeline: its steps, chained by type, so that a unit passes from step to step without
// an indirect call until it has to wait.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eventhub/processor/internal/call_gate.h"
#include "eventhub/processor/internal/correlator.h"
#include "eventhub/processor/internal/gatherer.h"
#include "eventhub/processor/internal/job_runner.h"
#include "eventhub/processor/internal/recent_map.h"
#include "eventhub/processor/internal/runtime.h"
#include "eventhub/processor/internal/seen_ids.h"
#include "eventhub/processor/internal/steps.h"
#include "eventhub/processor/internal/unit.h"
#include "eventhub/processor/internal/view_writer.h"

namespace eventhub::processor::internal {

// Takes the value out of the result of a step's function.
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

// One step, and the chain of the later ones.
template <typename S, typename Next>
class Link {
 public:
  template <typename... Rest>
  Link(Runtime& runtime, const S& step, const Rest&... rest)
      : runtime_(runtime), step_(step), next_(runtime, rest...) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // The processor stops: passes on units that wait for more.
  void Drain() { next_.Drain(); }

 protected:
  Runtime& runtime_;
  const S& step_;
  Next next_;
};

// A link whose function may return an error. One that may pass makes the unit wait at a gate, as at
// that of a call, until the function succeeds; the first attempt is made at once, without the gate.
//
// The step is `Derived`, which has
//
//     // Calls the function, which may throw, and keeps what it returned in `made`.
//     absl::Status Make(U& unit, std::optional<Made>& made);
//     // Goes on with that.
//     void Pass(Ref<U> unit, Made made);
template <typename Derived, typename U, typename S, typename Next, typename Made>
class MakingLink : public Link<S, Next> {
 public:
  template <typename... Rest>
  MakingLink(Runtime& runtime, const S& step, const Rest&... rest)
      : Link<S, Next>(runtime, step, rest...), gate_(runtime, step.name, step.mapping) {}

  void Run(Ref<U> unit) {
    Runtime& runtime = this->runtime_;
    if (!gate_.idle()) {
      const uint64_t lane = runtime.LaneFor(*unit);
      if (gate_.Holds(lane)) {
        runtime.BeginWait(*unit);
        gate_.Add(std::make_unique<Item>(derived(), std::move(unit)), lane);
        return;
      }
    }
    std::optional<Made> made;
    absl::Status status;
    try {
      status = derived().Make(*unit, made);
    } catch (...) {
      runtime.FailThrown(*unit, this->step_.name);
      return;
    }
    if (ABSL_PREDICT_TRUE(status.ok())) {
      gate_.CountSuccess();
      derived().Pass(std::move(unit), *std::move(made));
    } else if (gate_.Retryable(status)) {
      const uint64_t lane = runtime.LaneFor(*unit);
      runtime.BeginWait(*unit);
      gate_.AddFailed(std::make_unique<Item>(derived(), std::move(unit)), lane, status);
    } else {
      runtime.Fail(*unit, this->step_.name, status);
    }
  }

 private:
  using TheAttempt = TypedAttempt<absl::Status>;

  class Item final : public CallItem {
   public:
    Item(Derived& link, Ref<U> unit) : link_(link), unit_(std::move(unit)) {}

    bool DropLost() override {
      if (!link_.runtime_.IsLost(*unit_)) return false;
      link_.runtime_.Finish(*unit_);
      return true;
    }
    std::unique_ptr<Attempt> NewAttempt() override { return std::make_unique<TheAttempt>(); }
    Ref<Counted> arguments() const override { return unit_; }
    void Invoke(Attempt& attempt) override {
      Answer<absl::Status> answer(static_cast<TheAttempt*>(&attempt));
      made_.reset();
      answer(link_.Make(*unit_, made_));
    }
    Verdict Take(Attempt& attempt, int attempts) override {
      const absl::Status& status = static_cast<TheAttempt&>(attempt).result();
      if (status.ok()) {
        link_.Pass(std::move(unit_), *std::move(made_));
        return {};
      }
      if (link_.gate_.Retryable(status)) return {.retry = status, .answered = false};
      GiveUp(status, attempts);
      return {};
    }
    void GiveUp(const absl::Status& error, int attempts) override {
      link_.runtime_.Fail(*unit_, link_.step_.name, error, attempts);
    }
    void GiveUpThrown(int attempts) override {
      link_.runtime_.FailThrown(*unit_, link_.step_.name, attempts);
    }

   private:
    Derived& link_;
    Ref<U> unit_;
    std::optional<Made> made_;
  };

  Derived& derived() { return static_cast<Derived&>(*this); }

  CallGate gate_;
};

// What a step makes that makes nothing.
struct Nothing {};

// The steps from a certain one on; takes units of type U. Constructed in place and never moved. Run
// takes over the unit: at the end the unit is finished, failed, or waits in a step.
template <typename U, typename... Steps>
class Chain;

template <typename U>
class Chain<U> {
 public:
  explicit Chain(Runtime& runtime) : runtime_(runtime) {}
  void Run(Ref<U> unit) { runtime_.Finish(*unit); }
  void Drain() {}

 private:
  Runtime& runtime_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, FilterStep<F>, Rest...> : public Link<FilterStep<F>, Chain<U, Rest...>> {
 public:
  using Chain::Link::Link;

  void Run(Ref<U> unit) {
    bool passes = false;
    const auto call = [&] {
      passes = Apply(this->step_.f, *unit);
      return absl::OkStatus();
    };
    if (!this->runtime_.Try(*unit, this->step_.name, call)) return;
    if (passes) {
      this->next_.Run(std::move(unit));
    } else {
      this->runtime_.Finish(*unit);
    }
  }
};

template <typename U, typename F, typename... Rest>
class Chain<U, MapStep<F>, Rest...>
    : public MakingLink<Chain<U, MapStep<F>, Rest...>, U, MapStep<F>, Chain<U, Rest...>, Nothing> {
 public:
  using Chain::MakingLink::MakingLink;

 private:
  friend typename Chain::MakingLink;

  absl::Status Make(U& unit, std::optional<Nothing>& made) {
    made.emplace();
    return WithValue(Apply(this->step_.f, unit),
                     [&]<typename T>(T value) { unit.template Set<T>(std::move(value)); });
  }
  void Pass(Ref<U> unit, Nothing) { this->next_.Run(std::move(unit)); }
};

template <typename U, typename F, typename... Rest>
class Chain<U, ForEachStep<F>, Rest...>
    : public MakingLink<Chain<U, ForEachStep<F>, Rest...>, U, ForEachStep<F>, Chain<U, Rest...>,
                        Nothing> {
 public:
  using Chain::MakingLink::MakingLink;

 private:
  friend typename Chain::MakingLink;

  absl::Status Make(U& unit, std::optional<Nothing>& made) {
    made.emplace();
    if constexpr (std::is_void_v<ResultOf<F>>) {
      Apply(this->step_.f, unit);
      return absl::OkStatus();
    } else {
      return Apply(this->step_.f, unit);
    }
  }
  void Pass(Ref<U> unit, Nothing) { this->next_.Run(std::move(unit)); }
};

template <typename U, typename F, typename... Rest>
class Chain<U, PublishStep<F>, Rest...>
    : public MakingLink<Chain<U, PublishStep<F>, Rest...>, U, PublishStep<F>, Chain<U, Rest...>,
                        Added<F>> {
 public:
  using Chain::MakingLink::MakingLink;

 private:
  friend typename Chain::MakingLink;

  absl::Status Make(U& unit, std::optional<Added<F>>& made) {
    return WithValue(Apply(this->step_.f, unit),
                     [&](Added<F> value) { made.emplace(std::move(value)); });
  }
  void Pass(Ref<U> unit, Added<F> made) {
    if (Emit(*unit, std::move(made))) this->next_.Run(std::move(unit));
  }

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
    return this->runtime_.Emit(unit, this->step_.name, this->step_.topic,
                               absl::StrCat(this->step_.number, "-", i), std::move(event));
  }
};

// A unit that a split makes: a part of type T, and the values that later steps add.
template <typename U, typename T, typename Values>
struct PartOf;
template <typename U, typename T, typename... Ts>
struct PartOf<U, T, Types<Ts...>> {
  using Type = Unit<U, T, Ts...>;
};
template <typename U, typename T, typename... Rest>
using Part = typename PartOf<U, T, typename Segment<Types<>, Rest...>::Type>::Type;

template <typename U, typename F, typename T, typename... Rest>
class Chain<U, SplitStep<F, T>, Rest...>
    : public MakingLink<Chain<U, SplitStep<F, T>, Rest...>, U, SplitStep<F, T>,
                        Chain<Part<U, T, Rest...>, Rest...>, std::vector<T>> {
 public:
  using Chain::MakingLink::MakingLink;

 private:
  friend typename Chain::MakingLink;

  absl::Status Make(U& unit, std::optional<std::vector<T>>& made) {
    return WithValue(Apply(this->step_.f, unit),
                     [&](std::vector<T> value) { made.emplace(std::move(value)); });
  }
  void Pass(Ref<U> unit, std::vector<T> parts) {
    this->runtime_.Open(*unit, parts.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      const Ref<Part<U, T, Rest...>> part(new Part<U, T, Rest...>(unit, i));
      part->template Set<T>(std::move(parts[i]));
      this->next_.Run(part);
    }
    this->runtime_.Finish(*unit);
  }
};

// The unit that a group makes.
template <typename U, typename Values>
struct GroupOf;
template <typename U, typename... Ts>
struct GroupOf<U, Types<Ts...>> {
  using Type = GroupUnit<U, Ts...>;
};
template <typename U, typename... Rest>
using Group = typename GroupOf<U, typename Segment<Types<>, Rest...>::Type>::Type;

template <typename U, typename F, typename... Rest>
class Chain<U, GroupStep<F>, Rest...>
    : public Link<GroupStep<F>, Chain<Group<U, Rest...>, Rest...>> {
 public:
  Chain(Runtime& runtime, const GroupStep<F>& step, const Rest&... rest)
      : Chain::Link(runtime, step, rest...),
        gatherer_(runtime, step.window,
                  [this](std::vector<Ref<U>> units) { MakeGroups(std::move(units)); }) {}

  void Run(Ref<U> unit) { gatherer_.Add(std::move(unit)); }
  void Drain() {
    gatherer_.Flush();
    this->next_.Drain();
  }

 private:
  using Key = std::remove_cvref_t<ResultOf<F>>;

  void MakeGroups(std::vector<Ref<U>> units) {
    std::vector<std::pair<uint64_t, std::vector<Ref<U>>>> groups;
    std::unordered_map<Key, size_t> by_key;
    for (Ref<U>& unit : units) {
      std::optional<Key> key;
      const auto call = [&] {
        key.emplace(Apply(this->step_.f, *unit));
        return absl::OkStatus();
      };
      if (!this->runtime_.Try(*unit, this->step_.name, call)) continue;
      const auto [it, added] = by_key.try_emplace(*key, groups.size());
      if (added)
        groups.emplace_back(this->runtime_.LaneOf(std::hash<Key>()(*key)), std::vector<Ref<U>>());
      groups[it->second].second.push_back(std::move(unit));
    }
    for (auto& [lane, members] : groups) {
      for (size_t i = 1; i < members.size(); ++i) this->runtime_.Bind(*members[i - 1], *members[i]);
      const Ref<Group<U, Rest...>> group(new Group<U, Rest...>(std::move(members)));
      group->lane = lane;
      this->next_.Run(group);
    }
  }

  Gatherer<U> gatherer_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, CompactStep<F>, Rest...> : public Link<CompactStep<F>, Chain<U, Rest...>> {
 public:
  Chain(Runtime& runtime, const CompactStep<F>& step, const Rest&... rest)
      : Chain::Link(runtime, step, rest...),
        gatherer_(runtime, step.window,
                  [this](std::vector<Ref<U>> units) { Compact(std::move(units)); }) {}

  void Run(Ref<U> unit) { gatherer_.Add(std::move(unit)); }
  void Drain() {
    gatherer_.Flush();
    this->next_.Drain();
  }

 private:
  using Key = std::remove_cvref_t<ResultOf<F>>;

  void Compact(std::vector<Ref<U>> units) {
    std::unordered_map<Key, size_t> last;
    for (size_t i = 0; i < units.size(); ++i) {
      std::optional<Key> key;
      const auto call = [&] {
        key.emplace(Apply(this->step_.f, *units[i]));
        return absl::OkStatus();
      };
      if (!this->runtime_.Try(*units[i], this->step_.name, call)) {
        units[i] = Ref<U>();
        continue;
      }
      const auto [it, added] = last.try_emplace(*key, i);
      if (!added) Replace(units, std::exchange(it->second, i), i);
    }
    for (Ref<U>& unit : units) {
      if (unit) this->next_.Run(std::move(unit));
    }
  }

  // The older unit is done when the newer one is, and fails with it.
  void Replace(std::vector<Ref<U>>& units, size_t older, size_t newer) {
    this->runtime_.Bind(*units[older], *units[newer]);
    this->runtime_.counters().compacted.Add(1);
    this->runtime_.Finish(*units[older]);
    units[older] = Ref<U>();
  }

  Gatherer<U> gatherer_;
};

template <typename U, typename F, typename T, typename... Rest>
class Chain<U, CallStep<F, T>, Rest...> : public Link<CallStep<F, T>, Chain<U, Rest...>> {
 public:
  Chain(Runtime& runtime, const CallStep<F, T>& step, const Rest&... rest)
      : Chain::Link(runtime, step, rest...), gate_(runtime, step.name, step.options) {}

  void Run(Ref<U> unit) {
    const uint64_t lane = unit->lane;
    gate_.Add(std::make_unique<Item>(*this, std::move(unit)), lane);
  }

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

  CallGate gate_;
};

// Batches of units that have a lane are called one at a time. A batch has at most one unit of each
// lane: when a second one arrives, the batch is sent without waiting for more.
template <typename U, typename F, typename T, typename... Rest>
class Chain<U, CallBatchStep<F, T>, Rest...> : public Link<CallBatchStep<F, T>, Chain<U, Rest...>> {
 public:
  Chain(Runtime& runtime, const CallBatchStep<F, T>& step, const Rest&... rest)
      : Chain::Link(runtime, step, rest...),
        gatherer_(runtime, step.window,
                  [this](std::vector<Ref<U>> units) { Call(std::move(units)); }),
        gate_(runtime, step.name, step.options) {}

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
    this->next_.Drain();
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

    // Only failed units remain.
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
    // One lane for all batches, so that a batch that waits for a retry blocks the next.
    const uint64_t lane = lanes_.empty() ? 0 : 1;
    lanes_.clear();
    gate_.Add(std::make_unique<Item>(*this, std::move(units)), lane);
  }

  std::set<uint64_t> lanes_;
  Gatherer<U> gatherer_;
  CallGate gate_;
};

// Drops repetitions of other events. A redelivered event is not a repetition.
template <typename U, typename F, typename... Rest>
class Chain<U, SkipRepeatsStep<F>, Rest...> : public Link<SkipRepeatsStep<F>, Chain<U, Rest...>> {
 public:
  Chain(Runtime& runtime, const SkipRepeatsStep<F>& step, const Rest&... rest)
      : Chain::Link(runtime, step, rest...), seen_(step.memory.max_entries, step.memory.ttl) {}

  void Run(Ref<U> unit) {
    std::optional<std::string> id;
    const auto call = [&] {
      id.emplace(Apply(this->step_.f, *unit));
      return absl::OkStatus();
    };
    if (!this->runtime_.Try(*unit, this->step_.name, call)) return;
    const Origin origin = OriginOf(*unit);
    const absl::Duration now = this->runtime_.Now();
    const Origin* const first = seen_.Find(*id, now);
    if (first == nullptr) {
      seen_.Put(*id, origin, now);
    } else if (*first != origin) {
      this->runtime_.counters().repeats.Add(1);
      this->runtime_.Finish(*unit);
      return;
    }
    this->next_.Run(std::move(unit));
  }

 private:
  RecentMap<std::string, Origin> seen_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, SkipOlderStep<F>, Rest...>
    : public MakingLink<Chain<U, SkipOlderStep<F>, Rest...>, U, SkipOlderStep<F>, Chain<U, Rest...>,
                        Sequence> {
 public:
  Chain(Runtime& runtime, const SkipOlderStep<F>& step, const Rest&... rest)
      : Chain::MakingLink(runtime, step, rest...),
        latest_(step.memory.max_entries, step.memory.ttl) {}

 private:
  friend typename Chain::MakingLink;

  struct Latest {
    int64_t number = 0;
    Origin origin{};

    bool operator==(const Latest&) const = default;
  };

  absl::Status Make(U& unit, std::optional<Sequence>& made) {
    return WithValue(Apply(this->step_.f, unit),
                     [&](Sequence value) { made.emplace(std::move(value)); });
  }
  void Pass(Ref<U> unit, Sequence at) {
    const Latest mine{at.number, OriginOf(*unit)};
    const absl::Duration now = this->runtime_.Now();
    const Latest* const latest = latest_.Find(at.key, now);
    const bool newer = latest == nullptr || mine.number > latest->number;
    if (!newer && mine != *latest) {
      this->runtime_.counters().repeats.Add(1);
      this->runtime_.Finish(*unit);
      return;
    }
    latest_.Put(at.key, mine, now);
    this->next_.Run(std::move(unit));
  }

  RecentMap<std::string, Latest> latest_;
};

template <typename U, typename... Rest>
class Chain<U, RateLimitStep, Rest...> : public Link<RateLimitStep, Chain<U, Rest...>> {
 public:
  Chain(Runtime& runtime, const RateLimitStep& step, const Rest&... rest)
      : Chain::Link(runtime, step, rest...),
        interval_(absl::Seconds(1 / step.rate.per_second)),
        credit_(interval_ * (step.rate.burst - 1)) {}

  void Run(Ref<U> unit) {
    waiting_.push_back(std::move(unit));
    this->runtime_.counters().waiting.Add(1);
    if (!armed_) Pass();
  }

 private:
  // Units pass at `next_at_`, which is not further back than the burst allows.
  void Pass() {
    armed_ = false;
    while (!waiting_.empty()) {
      if (this->runtime_.closing()) return;
      const absl::Duration now = this->runtime_.Now();
      const bool lost = this->runtime_.IsLost(*waiting_.front());
      if (!lost) {
        next_at_ = std::max(next_at_, now - credit_);
        if (next_at_ > now) {
          armed_ = true;
          this->runtime_.At(next_at_, [this] { Pass(); });
          return;
        }
        next_at_ += interval_;
      }
      const Ref<U> unit = std::move(waiting_.front());
      waiting_.pop_front();
      this->runtime_.counters().waiting.Add(-1);
      if (lost) {
        this->runtime_.Finish(*unit);
      } else {
        this->next_.Run(unit);
      }
    }
  }

  const absl::Duration interval_;
  const absl::Duration credit_;
  std::deque<Ref<U>> waiting_;
  absl::Duration next_at_ = -absl::InfiniteDuration();
  bool armed_ = false;  // A timer will call Pass.
};

// Units of a lane pass in order. So a unit behind one that waits for an answer waits as well, even
// if its own answer is cached.
template <typename U, typename K, typename F, typename T, typename... Rest>
class Chain<U, LookupStep<K, F, T>, Rest...> : public Link<LookupStep<K, F, T>, Chain<U, Rest...>> {
 public:
  Chain(Runtime& runtime, const LookupStep<K, F, T>& step, const Rest&... rest)
      : Chain::Link(runtime, step, rest...),
        answers_(step.lookup.max_entries, step.lookup.ttl),
        errors_(step.lookup.max_entries, step.lookup.error_ttl),
        gate_(runtime, step.name, step.lookup.call) {}

  void Run(Ref<U> unit) {
    if (unit->lane != 0) {
      const auto [lane, free] = lanes_.try_emplace(unit->lane);
      if (!free) {
        lane->second.push_back(std::move(unit));
        return;
      }
    }
    Look(std::move(unit));
  }

 private:
  using Key = std::remove_cvref_t<ResultOf<K>>;
  using TheReply = Reply<T>;
  using TheAttempt = TypedAttempt<typename TheReply::Result>;
  using Asking = std::vector<Ref<U>>;

  struct Arguments : Counted {
    explicit Arguments(Key asked) : key(std::move(asked)) {}
    const Key key;
  };

  // The one call for a key.
  class Item final : public CallItem {
   public:
    Item(Chain& chain, Key key) : chain_(chain), arguments_(new Arguments(std::move(key))) {}

    bool DropLost() override {
      std::vector<Ref<U>> lost;
      const auto asking = chain_.asking_.find(arguments_->key);
      std::erase_if(asking->second, [&](const Ref<U>& unit) {
        if (!chain_.runtime_.IsLost(*unit)) return false;
        lost.push_back(unit);
        return true;
      });
      const bool none = asking->second.empty();
      if (none) chain_.asking_.erase(asking);
      for (const Ref<U>& unit : lost) {
        chain_.Leave(*unit, [&] { chain_.runtime_.Finish(*unit); });
      }
      return none;
    }
    std::unique_ptr<Attempt> NewAttempt() override { return std::make_unique<TheAttempt>(); }
    Ref<Counted> arguments() const override { return arguments_; }
    void Invoke(Attempt& attempt) override {
      chain_.step_.f(arguments_->key, TheReply(static_cast<TheAttempt*>(&attempt)));
    }
    Verdict Take(Attempt& attempt, int attempts) override {
      auto& result = static_cast<TheAttempt&>(attempt).result();
      if (result.ok()) {
        chain_.Answer(arguments_->key, *std::move(result));
        return {};
      }
      if (chain_.gate_.Retryable(result.status())) {
        return {.retry = result.status(), .answered = false};
      }
      chain_.errors_.Put(arguments_->key, result.status(), chain_.runtime_.Now());
      GiveUp(result.status(), attempts);
      return {};
    }
    void GiveUp(const absl::Status& error, int attempts) override {
      for (const Ref<U>& unit : chain_.TakeAsking(arguments_->key)) {
        chain_.Leave(*unit,
                     [&] { chain_.runtime_.Fail(*unit, chain_.step_.name, error, attempts); });
      }
    }
    void GiveUpThrown(int attempts) override {
      for (const Ref<U>& unit : chain_.TakeAsking(arguments_->key)) {
        chain_.Leave(*unit,
                     [&] { chain_.runtime_.FailThrown(*unit, chain_.step_.name, attempts); });
      }
    }

   private:
    Chain& chain_;
    const Ref<Arguments> arguments_;
  };

  void Look(Ref<U> unit) {
    std::optional<Key> key;
    const auto call = [&] {
      key.emplace(Apply(this->step_.key, *unit));
      return absl::OkStatus();
    };
    if (!this->runtime_.Try(*unit, this->step_.name, call)) {
      NextInLane(unit->lane);
      return;
    }
    const absl::Duration now = this->runtime_.Now();
    Counters& counters = this->runtime_.counters();
    counters.lookups.Add(1);
    if (const T* const answer = answers_.Find(*key, now)) {
      counters.cache_hits.Add(1);
      Pass(std::move(unit), *answer);
    } else if (const absl::Status* const known = errors_.Find(*key, now)) {
      counters.cache_hits.Add(1);
      Leave(*unit, [&, error = *known] { this->runtime_.Fail(*unit, this->step_.name, error); });
    } else {
      Ask(*std::move(key), std::move(unit));
    }
  }

  void Ask(Key key, Ref<U> unit) {
    const auto [asking, first] = asking_.try_emplace(key);
    asking->second.push_back(std::move(unit));
    if (!first) {
      this->runtime_.counters().cache_hits.Add(1);
      return;
    }
    gate_.Add(std::make_unique<Item>(*this, std::move(key)), /*lane=*/0);
  }

  void Answer(const Key& key, T value) {
    const Asking units = TakeAsking(key);
    const T& answer = this->step_.lookup.ttl > absl::ZeroDuration()
                          ? answers_.Put(key, value, this->runtime_.Now())
                          : value;
    const T copy = answer;  // Later steps may look up more, and drop it from the cache.
    for (const Ref<U>& unit : units) Pass(unit, copy);
  }

  Asking TakeAsking(const Key& key) {
    const auto it = asking_.find(key);
    Asking units = std::move(it->second);
    asking_.erase(it);
    return units;
  }

  void Pass(Ref<U> unit, T value) {
    unit->template Set<T>(std::move(value));
    Leave(*unit, [&] { this->next_.Run(unit); });
  }

  // The unit leaves the step; then the next of its lane may enter.
  template <typename Go>
  void Leave(const AnyUnit& unit, const Go& go) {
    const uint64_t lane = unit.lane;
    go();
    NextInLane(lane);
  }

  void NextInLane(uint64_t lane) {
    const auto it = lane == 0 ? lanes_.end() : lanes_.find(lane);
    if (it == lanes_.end()) return;
    if (it->second.empty()) {
      lanes_.erase(it);
      return;
    }
    Ref<U> next = std::move(it->second.front());
    it->second.pop_front();
    // Posted: a long lane of units with cached answers would make the call stack as deep.
    this->runtime_.Post([this, next = std::move(next)]() mutable {
      if (!this->runtime_.closing()) Look(std::move(next));
    });
  }

  RecentMap<Key, T> answers_;
  RecentMap<Key, absl::Status> errors_;
  std::unordered_map<Key, Asking> asking_;
  std::unordered_map<uint64_t, std::deque<Ref<U>>> lanes_;  // Waiting units.
  CallGate gate_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, MaterializeStep<F>, Rest...>
    : public MakingLink<Chain<U, MaterializeStep<F>, Rest...>, U, MaterializeStep<F>,
                        Chain<U, Rest...>, std::vector<Row>> {
 public:
  Chain(Runtime& runtime, const MaterializeStep<F>& step, const Rest&... rest)
      : Chain::MakingLink(runtime, step, rest...),
        writer_(runtime, step.name, step.view, step.options) {}

 private:
  friend typename Chain::MakingLink;

  absl::Status Make(U& unit, std::optional<std::vector<Row>>& made) {
    absl::Status status = WithValue(Apply(this->step_.f, unit),
                                    [&](Added<F> value) { Put(std::move(value), made.emplace()); });
    return status.ok() ? writer_.Check(*made) : status;
  }
  void Pass(Ref<U> unit, std::vector<Row> rows) {
    if (rows.empty() && writer_.idle()) {
      this->next_.Run(std::move(unit));
    } else {
      writer_.Add(std::make_unique<Item>(*this, std::move(unit), std::move(rows)));
    }
  }

  class Item final : public ViewItem {
   public:
    Item(Chain& chain, Ref<U> unit, std::vector<Row> rows)
        : ViewItem(std::move(rows)), chain_(chain), unit_(std::move(unit)) {}

    const AnyUnit& unit() const override { return *unit_; }
    void Done() override { chain_.next_.Run(std::move(unit_)); }

   private:
    Chain& chain_;
    Ref<U> unit_;
  };

  static void Put(Row row, std::vector<Row>& rows) { rows.push_back(std::move(row)); }
  static void Put(std::optional<Row> row, std::vector<Row>& rows) {
    if (row) rows.push_back(*std::move(row));
  }
  static void Put(std::vector<Row> made, std::vector<Row>& rows) { rows = std::move(made); }

  ViewWriter writer_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, CorrelateStep<F>, Rest...> : public Link<CorrelateStep<F>, Chain<U, Rest...>> {
 public:
  Chain(Runtime& runtime, const CorrelateStep<F>& step, const Rest&... rest)
      : Chain::Link(runtime, step, rest...),
        correlator_(runtime, step.name, step.options, step.mapping) {}

  void Run(Ref<U> unit) { correlator_.Add(std::make_unique<Item>(*this, std::move(unit))); }

 private:
  class Item final : public CorrelateItem {
   public:
    Item(Chain& chain, Ref<U> unit)
        : CorrelateItem(chain.correlator_), chain_(chain), unit_(std::move(unit)) {}

    const AnyUnit& unit() const override { return *unit_; }
    absl::StatusOr<std::optional<bool>> Evaluate(const Facts& facts) override {
      bool holds = false;
      absl::Status retry;
      const auto call = [&] {
        absl::Status status = WithValue(chain_.step_.f(facts), [&](bool value) { holds = value; });
        if (status.ok() || !chain_.correlator_.Retryable(status)) return status;
        retry = std::move(status);
        return absl::OkStatus();
      };
      if (!chain_.runtime_.Try(*unit_, chain_.step_.name, call)) return std::nullopt;
      if (!retry.ok()) return retry;
      return holds;
    }
    void Pass(Correlation correlation) override {
      unit_->template Set<Correlation>(std::move(correlation));
      chain_.next_.Run(unit_);
    }

   private:
    Chain& chain_;
    const Ref<U> unit_;
  };

  Correlator correlator_;
};

template <typename U, typename... Rest>
class Chain<U, JobStep, Rest...> : public Link<JobStep, Chain<U, Rest...>> {
 public:
  Chain(Runtime& runtime, const JobStep& step, const Rest&... rest)
      : Chain::Link(runtime, step, rest...), runner_(runtime, step.name, step.options) {}

  void Run(Ref<U> unit) { runner_.Add(std::make_unique<Item>(*this, std::move(unit))); }

 private:
  class Item final : public JobItem {
   public:
    Item(Chain& chain, Ref<U> unit)
        : JobItem(chain.runner_), chain_(chain), unit_(std::move(unit)) {}

    const AnyUnit& unit() const override { return *unit_; }
    void Pass(Job job) override {
      unit_->template Set<Job>(std::move(job));
      chain_.next_.Run(unit_);
    }

   private:
    Chain& chain_;
    const Ref<U> unit_;
  };

  JobRunner runner_;
};

template <typename U, typename F, typename... Rest>
class Chain<U, ContinueStep<F>, Rest...>
    : public MakingLink<Chain<U, ContinueStep<F>, Rest...>, U, ContinueStep<F>, Chain<U, Rest...>,
                        JobProgress> {
 public:
  using Chain::MakingLink::MakingLink;

 private:
  friend typename Chain::MakingLink;

  absl::Status Make(U& unit, std::optional<JobProgress>& made) {
    absl::Status status = WithValue(Apply(this->step_.f, unit),
                                    [&](JobProgress value) { made.emplace(std::move(value)); });
    return status.ok() ? unit.template Get<Job>().runner->Check(*made) : status;
  }
  void Pass(Ref<U> unit, JobProgress progress) {
    const Job& job = unit->template Get<Job>();
    if (job.runner->Continue(*unit, job, std::move(progress))) this->next_.Run(std::move(unit));
  }
};

template <typename U, typename... Rest>
class Chain<U, DurableSkipRepeatsStep, Rest...>
    : public Link<DurableSkipRepeatsStep, Chain<U, Rest...>> {
 public:
  Chain(Runtime& runtime, const DurableSkipRepeatsStep& step, const Rest&... rest)
      : Chain::Link(runtime, step, rest...), ids_(runtime, step.name, step.durable) {}

  void Run(Ref<U> unit) { ids_.Add(std::make_unique<Item>(*this, std::move(unit))); }

 private:
  class Item final : public SeenItem {
   public:
    Item(Chain& chain, Ref<U> unit) : SeenItem(chain.ids_), chain_(chain), unit_(std::move(unit)) {}

    const AnyUnit& unit() const override { return *unit_; }
    void Pass() override { chain_.next_.Run(unit_); }

   private:
    Chain& chain_;
    const Ref<U> unit_;
  };

  SeenIds ids_;
};

}  // namespace eventhub::processor::internal

#include "eventhub/processor/internal/correlator.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/processor/correlation_state.h"
#include "client/src/base/proto_time.h"
#include "eventhub/processor/internal/runtime.h"

namespace eventhub::processor {

size_t Facts::Count(std::string_view type) const {
  return static_cast<size_t>(std::count_if(
      events_.begin(), events_.end(), [type](const auto& event) { return event->type() == type; }));
}

const v1::Event* Facts::Find(std::string_view type) const {
  const auto it = std::find_if(events_.begin(), events_.end(),
                               [type](const auto& event) { return event->type() == type; });
  return it == events_.end() ? nullptr : it->get();
}

namespace internal {
namespace {

using Phase = CorrelationState::Phase;
using SharedEvent = std::shared_ptr<const v1::Event>;

const v1::Event& EventOf(const CorrelateItem& item) { return item.unit().task().trigger->event; }

absl::Time WholeMicros(absl::Time time) { return absl::FromUnixMicros(absl::ToUnixMicros(time)); }

absl::Time AppendTimeOf(const CorrelateItem& item) {
  return WholeMicros(item.unit().task().trigger->arrival.append_time);
}

bool IsSame(const v1::Event& a, const v1::Event& b) {
  return a.id() == b.id() && a.source() == b.source();
}

SharedEvent IdentityOf(const v1::Event& event) {
  auto identity = std::make_shared<v1::Event>();
  identity->set_id(event.id());
  identity->set_source(event.source());
  return identity;
}

v1::Event Typed(const char* type) {
  v1::Event event;
  event.set_type(type);
  return event;
}

Facts FactsOf(const CorrelateItem& item, const CorrelationState& state) {
  return Facts(EventOf(item).partition_key(), state.since, state.facts);
}

const char* StateTypeOf(const CorrelationState& state) {
  switch (state.phase) {
    case Phase::kComplete:
      return "eventhub.correlation.complete";
    case Phase::kExpired:
      return "eventhub.correlation.expired";
    case Phase::kOpen:
      break;
  }
  return "eventhub.correlation.open";
}

}  // namespace

void CorrelateItem::Take(std::string_view state) { correlator_.Take(*this, state); }

Correlator::Correlator(Runtime& runtime, std::string step, const CorrelateOptions& options,
                       const CallOptions& condition)
    : runtime_(runtime),
      step_(std::move(step)),
      options_(options),
      gate_(runtime, step_, options.state, options.cache_bytes, condition) {}

void Correlator::Take(CorrelateItem& item, std::string_view bytes) {
  std::optional<State> state;
  if (!bytes.empty()) {
    absl::StatusOr<State> decoded = DecodeCorrelationState(bytes);
    if (!decoded.ok()) {
      runtime_.Fail(item.unit(), step_, decoded.status());
      return;
    }
    state = *std::move(decoded);
  }
  if (EventOf(item).type() == kTimerType) {
    TakeTimer(item, state);
  } else {
    TakeFact(item, state);
  }
}

void Correlator::TakeFact(CorrelateItem& item, const std::optional<State>& state) {
  const v1::Event& event = EventOf(item);
  if (!state) {
    State next{.since = AppendTimeOf(item)};
    next.deadline = next.since + options_.within;
    next.timer_at = next.deadline;
    Collect(item, std::move(next), /*is_new=*/true);
    return;
  }
  const bool known = std::any_of(state->facts.begin(), state->facts.end(),
                                 [&](const SharedEvent& fact) { return IsSame(*fact, event); });
  if (known) {
    runtime_.counters().repeats.Add(1);
    Drop(item);
  } else if (state->phase != Phase::kOpen) {
    TakeLate(item, *state);
  } else if (AppendTimeOf(item) >= state->deadline) {
    // The timer comes after this event.
    runtime_.counters().late.Add(1);
    Expire(item, *state);
  } else {
    Collect(item, *state, /*is_new=*/false);
  }
}

void Correlator::Collect(CorrelateItem& item, State next, bool is_new) {
  const v1::Event& event = EventOf(item);
  if (next.facts.size() >= options_.max_facts) {
    runtime_.Fail(
        item.unit(), step_,
        absl::ResourceExhaustedError(absl::StrCat("max_facts: there are ", next.facts.size(),
                                                  " events with the key ", event.partition_key())));
    return;
  }
  auto fact = std::make_shared<v1::Event>();
  const auto keep = [&] {
    *fact = options_.keep ? options_.keep(event) : event;
    return absl::OkStatus();
  };
  if (!runtime_.Try(item.unit(), step_, keep)) return;
  fact->set_id(event.id());
  fact->set_source(event.source());
  next.facts.push_back(std::move(fact));
  Facts facts = FactsOf(item, next);
  const absl::StatusOr<std::optional<bool>> evaluated = item.Evaluate(facts);
  if (!evaluated.ok()) {
    gate_.Again(evaluated.status());
    return;
  }
  const std::optional<bool> holds = *evaluated;
  if (!holds) return;
  bool new_timer = is_new && next.timer_at != absl::InfiniteFuture();
  if (*holds) {
    next.phase = Phase::kComplete;
    End(item, next);
    // An outstanding timer arrives anyway. Only a first event needs a new one.
    if (is_new || next.timer_at == absl::InfiniteFuture()) {
      next.timer_at = next.forget_at;
      new_timer = next.timer_at != absl::InfiniteFuture();
    }
  }
  if (!Put(item, next, new_timer)) return;
  if (!*holds) {
    Drop(item);
    return;
  }
  runtime_.counters().completed.Add(1);
  item.Pass({Correlation::Kind::kComplete, std::move(facts)});
}

void Correlator::TakeLate(CorrelateItem& item, const State& state) {
  const v1::Event& event = EventOf(item);
  runtime_.counters().late.Add(1);
  if (!options_.pass_late) {
    Drop(item);
    return;
  }
  if (state.facts.size() >= options_.max_facts) {
    runtime_.Fail(
        item.unit(), step_,
        absl::ResourceExhaustedError(absl::StrCat("max_facts: there were ", state.facts.size(),
                                                  " events with the key ", event.partition_key())));
    return;
  }
  State next = state;
  next.facts.push_back(IdentityOf(event));
  if (!Put(item, next, /*new_timer=*/false)) return;
  Facts alone(event.partition_key(), AppendTimeOf(item), {std::make_shared<v1::Event>(event)});
  item.Pass({Correlation::Kind::kLate, std::move(alone)});
}

void Correlator::TakeTimer(CorrelateItem& item, const std::optional<State>& state) {
  const absl::Time due = client::FromProto(EventOf(item).time());
  if (!state || due != state->timer_at) {
    Drop(item);  // A repetition, or a timer of a forgotten correlation.
  } else if (state->phase == Phase::kOpen) {
    Expire(item, *state);
  } else if (due >= state->forget_at) {
    if (gate_.Put(item.unit(), Typed("eventhub.correlation.forgotten"), "")) Drop(item);
  } else {
    State next = *state;
    next.timer_at = next.forget_at;
    if (Put(item, next, next.timer_at != absl::InfiniteFuture())) Drop(item);
  }
}

void Correlator::Expire(CorrelateItem& item, const State& state) {
  const bool by_timer = EventOf(item).type() == kTimerType;
  State next = state;
  next.phase = Phase::kExpired;
  End(item, next);
  if (by_timer) {
    next.timer_at = next.forget_at;
  } else if (options_.pass_late) {
    next.facts.push_back(IdentityOf(EventOf(item)));
  }
  if (!Put(item, next, by_timer && next.timer_at != absl::InfiniteFuture())) return;
  runtime_.counters().expired.Add(1);
  item.Pass({Correlation::Kind::kExpired, FactsOf(item, state)});
}

void Correlator::End(const CorrelateItem& item, State& state) const {
  state.forget_at = AppendTimeOf(item) + options_.remember;
  for (SharedEvent& fact : state.facts) fact = IdentityOf(*fact);
}

bool Correlator::Put(const CorrelateItem& item, const State& state, bool new_timer) {
  return gate_.Put(item.unit(), Typed(StateTypeOf(state)), EncodeCorrelationState(state)) &&
         (!new_timer || SetTimer(item, state.timer_at));
}

bool Correlator::SetTimer(const CorrelateItem& item, absl::Time due) {
  v1::Event timer;
  client::ToProto(due, *timer.mutable_time());
  client::ToProto(due, *timer.mutable_deliver_at());
  return gate_.SetTimer(item.unit(), std::move(timer));
}

void Correlator::Drop(const CorrelateItem& item) { runtime_.Finish(item.unit()); }

}  // namespace internal
}  // namespace eventhub::processor

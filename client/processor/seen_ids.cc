#include "eventhub/processor/internal/seen_ids.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/processor/seen_state.h"
#include "client/src/base/proto_time.h"
#include "eventhub/processor/correlate.h"
#include "eventhub/processor/internal/runtime.h"

namespace eventhub::processor::internal {
namespace {

const Trigger& TriggerOfSeen(const SeenItem& item) { return *item.unit().task().trigger; }

absl::Time AppendTimeOfSeen(const SeenItem& item) {
  return absl::FromUnixMicros(absl::ToUnixMicros(TriggerOfSeen(item).arrival.append_time));
}

std::string DefaultIdOf(const v1::Event& event) {
  return absl::StrCat(event.source().size(), ":", event.source(), event.id());
}

}  // namespace

void SeenItem::Take(std::string_view state) { ids_.Take(*this, state); }

SeenIds::SeenIds(Runtime& runtime, std::string step, const DurableMemory& memory)
    : runtime_(runtime),
      step_(std::move(step)),
      memory_(memory),
      gate_(runtime, step_, memory.state, memory.cache_bytes) {}

void SeenIds::Take(SeenItem& item, std::string_view bytes) {
  SeenState state;
  if (!bytes.empty()) {
    absl::StatusOr<SeenState> decoded = DecodeSeenState(bytes);
    if (!decoded.ok()) {
      runtime_.Fail(item.unit(), step_, decoded.status());
      return;
    }
    state = *std::move(decoded);
  }
  if (TriggerOfSeen(item).event.type() == kTimerType) {
    TakeTimer(item, std::move(state));
  } else {
    TakeEvent(item, std::move(state));
  }
}

void SeenIds::TakeEvent(SeenItem& item, SeenState state) {
  const Trigger& trigger = TriggerOfSeen(item);
  std::string id;
  const auto find_id = [&] {
    id = memory_.id ? memory_.id(trigger.event) : DefaultIdOf(trigger.event);
    return absl::OkStatus();
  };
  if (!runtime_.Try(item.unit(), step_, find_id)) return;
  Prune(item, state);
  const auto first = std::find_if(state.ids.begin(), state.ids.end(),
                                  [&](const SeenState::Id& seen) { return seen.id == id; });
  if (first != state.ids.end()) {
    if (first->offset == trigger.arrival.offset) {
      item.Pass();  // A redelivery of the same event.
      return;
    }
    runtime_.counters().repeats.Add(1);
    runtime_.Finish(item.unit());
    return;
  }
  if (state.ids.size() >= memory_.max_ids) state.ids.erase(state.ids.begin());
  state.ids.push_back(
      {.at = AppendTimeOfSeen(item), .offset = trigger.arrival.offset, .id = std::move(id)});
  const bool new_timer = state.timer_at == absl::InfiniteFuture();
  if (new_timer) state.timer_at = AppendTimeOfSeen(item) + memory_.remember;
  if (Put(item, state, new_timer)) item.Pass();
}

void SeenIds::TakeTimer(SeenItem& item, SeenState state) {
  const absl::Time due = client::FromProto(TriggerOfSeen(item).event.time());
  if (due == state.timer_at) {
    Prune(item, state);
    if (!state.ids.empty()) {
      const auto last = std::max_element(state.ids.begin(), state.ids.end(),
                                         [](const auto& a, const auto& b) { return a.at < b.at; });
      state.timer_at = last->at + memory_.remember;
    }
    if (!Put(item, state, !state.ids.empty())) return;
  }
  runtime_.Finish(item.unit());
}

void SeenIds::Prune(const SeenItem& item, SeenState& state) const {
  const absl::Time oldest = AppendTimeOfSeen(item) - memory_.remember;
  std::erase_if(state.ids, [&](const SeenState::Id& seen) { return seen.at <= oldest; });
}

bool SeenIds::Put(const SeenItem& item, const SeenState& state, bool new_timer) {
  v1::Event event;
  event.set_type(state.ids.empty() ? "eventhub.seen.forgotten" : "eventhub.seen.ids");
  if (!gate_.Put(item.unit(), std::move(event),
                 state.ids.empty() ? std::string() : EncodeSeenState(state))) {
    return false;
  }
  if (!new_timer) return true;
  v1::Event timer;
  client::ToProto(state.timer_at, *timer.mutable_time());
  client::ToProto(state.timer_at, *timer.mutable_deliver_at());
  return gate_.SetTimer(item.unit(), std::move(timer));
}

}  // namespace eventhub::processor::internal

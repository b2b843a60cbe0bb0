#include "tests/server/cursor_model.h"

#include <algorithm>

namespace eventhub {

std::ostream& operator<<(std::ostream& os, const ModelEvent& event) {
  return os << "{state " << static_cast<int>(event.state) << ", due " << event.due << ", "
            << event.attempts << " attempts, consumer " << event.consumer
            << (event.extra ? ", extra" : "") << (event.alone ? ", alone" : "")
            << (event.delivered ? ", delivered" : "") << (event.silent ? ", silent" : "")
            << ", epoch " << event.epoch << ", copy " << event.redriven_from.value_or(-1) << " "
            << event.reason << "}";
}

std::ostream& operator<<(std::ostream& os, const ModelParked& parked) {
  return os << "{" << parked.attempts << " attempts, copy " << parked.redriven_from.value_or(-1)
            << ", " << parked.reason << "}";
}

bool CursorModel::IsLast(uint32_t attempts) const {
  return rules.max_attempts > 0 && attempts >= rules.max_attempts;
}

bool CursorModel::Has(const ModelEvent& event, ConsumerId consumer) const {
  return event.state == RangeState::kLeased && event.consumer == consumer;
}

int64_t CursorModel::CountIf(const std::function<bool(const ModelEvent&)>& is) const {
  return std::count_if(events.begin(), events.end(),
                       [&](const auto& entry) { return is(entry.second); });
}

int64_t CursorModel::Acked() const {
  for (const auto& [offset, event] : events) {
    if (!event.extra) return offset;
  }
  return next;
}

int64_t CursorModel::First() const { return events.empty() ? next : events.begin()->first; }

int64_t CursorModel::NextDue() const {
  int64_t next_due = kNever;
  for (const auto& [offset, event] : events) {
    const bool waits = event.state == RangeState::kLeased || event.state == RangeState::kDelayed;
    if (waits) next_due = std::min(next_due, event.due);
  }
  return next_due;
}

// ---- Delivery

std::optional<CursorModel::Next> CursorModel::NextOf(Flow flow) const {
  const bool extra = flow == Flow::kExtra;
  std::optional<Next> found;
  bool continue_live = true;  // STREAM, alone: no earlier live event waits.
  for (const auto& [offset, event] : events) {
    const bool in_order = !rules.queue && !event.extra && !extra;
    // In a STREAM nothing overtakes a delayed event; extra events have no order.
    if (in_order && event.state == RangeState::kDelayed) {
      if (flow == Flow::kIsolated) continue_live = false;
      if (flow == Flow::kLive) return std::nullopt;
    }
    if (event.state != RangeState::kReady) continue;
    if (in_order && event.alone && flow == Flow::kLive) return std::nullopt;
    if (event.alone != (flow == Flow::kIsolated)) {
      if (in_order && flow == Flow::kIsolated) continue_live = false;
      continue;
    }
    if (in_order && !continue_live) continue;
    if (!event.alone && event.extra != extra) continue;
    found = Next{offset, event.attempts, false, event.alone, event.redriven_from};
    break;
  }
  const bool in_turn = rules.queue && fresh_turn && (!rules.ordered_by_key || all_known);
  if ((!found.has_value() || in_turn) && flow == Flow::kLive && next < log_end) {
    found = Next{next, 0, true, false, std::nullopt};
  }
  if (rules.queue || !found.has_value() || flow == Flow::kIsolated) return found;
  const auto out = [extra](const ModelEvent& event) {
    return event.state == RangeState::kLeased && event.extra == extra;
  };
  const auto last_out = [&](const ModelEvent& event) {
    return out(event) && IsLast(event.attempts);
  };
  found->alone = IsLast(found->attempts + 1);
  if (CountIf(last_out) > 0 || (found->alone && CountIf(out) > 0)) return std::nullopt;
  if (!extra && found->start < suspects_end && CountIf(out) >= window) return std::nullopt;
  return found;
}

bool CursorModel::Admit(int64_t event, uint64_t key) {
  if (key == 0) return true;
  Key& of_key = keys_[key];
  if (of_key.turn != event) of_key.waiting.insert(event);
  if (!of_key.turn.has_value() && *of_key.waiting.begin() == event) {
    of_key.turn = event;
    of_key.waiting.erase(event);
  }
  const auto it = events.find(event);
  return of_key.turn == event && (it == events.end() || it->second.due == 0);
}

void CursorModel::NoteTakenUp(int64_t event) {
  const auto it = events.find(event);
  if (it != events.end() && (it->second.extra || it->second.alone)) return;
  fresh_turn = event < next;
  all_known |= event >= next;
}

void CursorModel::Lease(int64_t event, ConsumerId consumer, int64_t due_at) {
  NoteTakenUp(event);
  next = std::max(next, event + 1);
  ModelEvent& leased = events[event];
  leased.state = RangeState::kLeased;
  leased.consumer = consumer;
  leased.due = due_at;
  leased.epoch = epoch;
  leased.delivered = true;
  ++leased.attempts;
}

void CursorModel::Block(int64_t event) {
  NoteTakenUp(event);
  next = std::max(next, event + 1);
  ModelEvent& blocked = events[event];
  blocked.state = blocked.due != 0 ? RangeState::kDelayed : RangeState::kBlocked;
}

// ---- Settling

void CursorModel::Release(const ModelEvent& event) {
  if (event.state == RangeState::kLeased) ++effects.released[event.consumer.value()];
}

void CursorModel::Settle(int64_t offset) {
  events.erase(offset);
  for (auto& [key, of_key] : keys_) {
    if (of_key.turn == offset) of_key.turn.reset();
    of_key.waiting.erase(offset);
    if (of_key.turn.has_value() || of_key.waiting.empty()) continue;
    ModelEvent& first = events.at(*of_key.waiting.begin());
    if (first.state == RangeState::kBlocked) first.state = RangeState::kReady;
  }
}

void CursorModel::StartParking(int64_t offset, ModelEvent& event, const std::string& reason) {
  effects.parked[offset] = {event.attempts, reason.empty() ? event.reason : reason,
                            event.redriven_from};
  event.state = RangeState::kParking;
  event.alone = false;
  event.consumer = ConsumerId();
  event.epoch = 0;
  event.due = 0;
}

void CursorModel::TakeBack(ModelEvent& event) {
  Release(event);
  event.state = RangeState::kReady;
  event.consumer = ConsumerId();
  event.epoch = 0;
  event.due = 0;
  --event.attempts;
}

void CursorModel::Requeue(int64_t offset, ModelEvent& event, bool heard, int64_t ready_at,
                          const std::string& reason) {
  Release(event);
  if (IsLast(event.attempts)) {
    // A failure without a nack, outside of isolation, may have been caused by another event.
    const bool again = !heard && !event.silent && rules.max_attempts > 1;
    if (!again) return StartParking(offset, event, reason);
    event.attempts = rules.max_attempts - 1;
  }
  if (!reason.empty()) event.reason = reason;
  event.consumer = ConsumerId();
  event.epoch = 0;
  event.state = ready_at > now ? RangeState::kDelayed : RangeState::kReady;
  event.due = ready_at > now ? ready_at : 0;
  event.silent = !heard;
  event.alone = !heard && IsLast(event.attempts + 1);
}

CursorModel::Offsets CursorModel::ForLeased(ConsumerId consumer, int64_t from, int64_t to,
                                            const std::function<void(int64_t, ModelEvent&)>& act) {
  Offsets refused;
  for (int64_t offset = from; offset < to; ++offset) {
    const auto it = events.find(offset);
    if (it == events.end() || !Has(it->second, consumer)) {
      refused.insert(offset);
    } else {
      act(offset, it->second);
    }
  }
  return refused;
}

CursorModel::Offsets CursorModel::Ack(ConsumerId consumer, int64_t from, int64_t to) {
  const auto ack = [&](int64_t offset, const ModelEvent& event) {
    Release(event);
    ++effects.acked;
    Settle(offset);
  };
  if (rules.queue) return ForLeased(consumer, from, to, ack);
  Offsets refused;
  for (int64_t offset = std::min(from, First()); offset < to; ++offset) {
    const bool named = offset >= from;
    if (offset >= next) {
      if (named) refused.insert(offset);
      continue;
    }
    const auto it = events.find(offset);
    if (it == events.end()) continue;
    const ModelEvent& event = it->second;
    if (Has(event, consumer)) {
      if (named || !event.extra) ack(offset, event);
    } else if (named && !event.extra && event.state != RangeState::kParking) {
      refused.insert(offset);
    }
  }
  return refused;
}

CursorModel::Offsets CursorModel::Retry(ConsumerId consumer, uint64_t of_epoch, int64_t from,
                                        int64_t to, const RetryAt& retry_at,
                                        const std::string& reason) {
  bool rewind = false;
  if (!rules.queue) to = std::min(to, from + 1);
  Offsets again;
  Offsets refused = ForLeased(consumer, from, to, [&](int64_t offset, ModelEvent& event) {
    if (event.epoch != of_epoch) {
      again.insert(offset);
      return;
    }
    ++effects.nacked;
    Requeue(offset, event, true, retry_at(event.attempts), reason);
    if (!event.extra) rewind = true;
  });
  refused.merge(again);
  if (rules.queue || !rewind) return refused;
  for (auto& [offset, event] : events) {
    if (offset < to || event.extra || event.state != RangeState::kLeased) continue;
    TakeBack(event);
  }
  return refused;
}

CursorModel::Offsets CursorModel::Park(ConsumerId consumer, int64_t from, int64_t to,
                                       const std::string& reason) {
  return ForLeased(consumer, from, to, [&](int64_t offset, ModelEvent& event) {
    ++effects.nacked;
    Release(event);
    StartParking(offset, event, reason);
  });
}

CursorModel::Offsets CursorModel::Skip(ConsumerId consumer, int64_t from, int64_t to) {
  return ForLeased(consumer, from, to, [&](int64_t offset, ModelEvent& event) {
    ++effects.nacked;
    ++effects.skipped;
    Release(event);
    Settle(offset);
  });
}

CursorModel::Offsets CursorModel::Extend(ConsumerId consumer, int64_t from, int64_t to,
                                         int64_t due) {
  return ForLeased(consumer, from, to, [due](int64_t, ModelEvent& event) { event.due = due; });
}

void CursorModel::Fail(ConsumerId consumer, const std::string& why) {
  int64_t out = 0;
  for (const auto& [offset, event] : events) {
    if (rules.queue || rules.max_attempts == 0 || event.extra || !Has(event, consumer)) continue;
    window = std::max<int64_t>(1, ++out / 2);
    suspects_end = offset + 1;
  }
  bool live_failed = false;
  bool extra_failed = false;
  for (auto& [offset, event] : events) {
    if (!Has(event, consumer)) continue;
    bool& failed = event.extra ? extra_failed : live_failed;
    if (!rules.queue && failed) continue;
    failed = true;
    Requeue(offset, event, false, 0, why);
  }
  Recall(consumer);
}

void CursorModel::Recall(ConsumerId consumer) {
  for (auto& [offset, event] : events) {
    if (Has(event, consumer)) TakeBack(event);
  }
}

void CursorModel::Expire() {
  for (auto& [offset, event] : events) {
    if (event.state == RangeState::kLeased && event.due <= now) {
      ++effects.expired;
      Requeue(offset, event, false, 0, "the lease ended without an ack");
    } else if (event.state == RangeState::kDelayed && event.due <= now) {
      event.state = RangeState::kReady;
      event.due = 0;
    }
  }
}

void CursorModel::ParkExhausted(bool lowered, const std::string& why) {
  for (auto& [offset, event] : events) {
    if (event.state == RangeState::kParking) continue;
    const bool last = IsLast(event.attempts);
    const bool spared = lowered && last && event.silent && rules.max_attempts > 1;
    if (event.state == RangeState::kLeased) {
      if (spared) event.silent = false;
      continue;
    }
    if (last && !spared) {
      StartParking(offset, event, event.reason.empty() ? why : event.reason);
      continue;
    }
    if (spared) event.attempts = rules.max_attempts - 1;
    event.alone = event.alone && IsLast(event.attempts + 1);
    if (event.silent && IsLast(event.attempts + 1) && !event.alone) {
      event.alone = event.silent = !rules.ordered_by_key;
    }
    if (event.state == RangeState::kReady && event.due != 0 && !rules.ordered_by_key) {
      event.state = RangeState::kDelayed;
    }
  }
}

void CursorModel::FinishParking(int64_t from, int64_t to) {
  for (int64_t offset = from; offset < to; ++offset) {
    const auto it = events.find(offset);
    if (it != events.end() && it->second.state == RangeState::kParking) Settle(offset);
  }
}

void CursorModel::AbandonParking(int64_t from, int64_t to, int64_t retry_at,
                                 const std::string& why) {
  for (auto& [offset, event] : events) {
    if (offset < from || offset >= to || event.state != RangeState::kParking) continue;
    event.state = RangeState::kDelayed;
    event.due = retry_at;
    event.reason = why;
  }
}

// ---- Moving

void CursorModel::DropTrimmed() {
  for (int64_t offset = First(); offset < log_start; ++offset) {
    const auto it = events.find(offset);
    if (it != events.end()) {
      const ModelEvent& event = it->second;
      const bool out = event.state == RangeState::kLeased || event.state == RangeState::kParking;
      if (out || event.redriven_from.has_value()) continue;
      if (!event.extra) ++effects.lost;
      effects.trimmed.insert(offset);
      Settle(offset);
    } else if (offset >= next) {
      ++effects.lost;
      effects.trimmed.insert(offset);
    }
  }
  next = std::max(next, log_start);
  lost += static_cast<uint64_t>(effects.lost);
}

void CursorModel::Seek(int64_t to, const std::vector<UnsettledRange>& unsettled) {
  keys_.clear();
  all_known = false;
  suspects_end = 0;
  for (auto it = events.begin(); it != events.end();) {
    ModelEvent& event = it->second;
    Release(event);
    const bool only_copy = event.redriven_from.has_value() && it->first < log_start;
    if (!event.extra || (it->first >= to && !only_copy)) {
      it = events.erase(it);
      continue;
    }
    ++it;
    if (event.state == RangeState::kLeased) {
      --event.attempts;
      event.epoch = 0;
    }
    if (event.state == RangeState::kLeased || event.state == RangeState::kBlocked) {
      event.state = RangeState::kReady;
      event.due = 0;
      event.consumer = ConsumerId();
    }
    if (event.state == RangeState::kDelayed && rules.ordered_by_key) {
      event.state = RangeState::kReady;
    }
  }
  next = to;
  for (const UnsettledRange& range : unsettled) {
    for (int64_t offset = range.start.value(); offset < range.end.value(); ++offset) {
      ModelEvent& event = events[offset];
      if (event.redriven_from.has_value() && offset < log_start) continue;
      event = ModelEvent();
      event.attempts = rules.BeforeLast(range.attempts);
      event.delivered = true;
      event.silent = range.silent && !rules.ordered_by_key;
      event.alone = event.silent && IsLast(event.attempts + 1);
    }
  }
}

int64_t CursorModel::AddReplay(int64_t from, int64_t to, bool add) {
  int64_t added = 0;
  for (int64_t offset = from; offset < std::min(to, next); ++offset) {
    if (events.contains(offset)) continue;
    ++added;
    if (add) events[offset].extra = true;
  }
  return added;
}

int64_t CursorModel::CancelReplays() {
  Offsets ended;
  for (const auto& [offset, event] : events) {
    const bool out = event.state == RangeState::kLeased || event.state == RangeState::kParking;
    if (event.extra && !event.redriven_from.has_value() && !out) ended.insert(offset);
  }
  for (const int64_t offset : ended) Settle(offset);
  return static_cast<int64_t>(ended.size());
}

void CursorModel::AddRedriven(int64_t offset, int64_t copy) {
  if (offset >= next) return;
  const auto [it, added] = events.try_emplace(offset);
  if (!added && !it->second.extra) return;
  it->second.extra = true;
  it->second.redriven_from = copy;
  // It comes anew.
  if (it->second.state == RangeState::kBlocked) it->second.state = RangeState::kReady;
}

void CursorModel::Restart(int64_t now_then) {
  keys_.clear();
  fresh_turn = false;
  all_known = false;
  suspects_end = 0;
  window = kNever;
  for (auto& [offset, event] : events) {
    if (event.state == RangeState::kLeased) --event.attempts;
    event.epoch = 0;
    const bool waits = event.state == RangeState::kDelayed ||
                       (event.state == RangeState::kReady && event.due != 0);
    event.due = waits && event.due > now ? event.due - now + now_then : 0;
    event.state = RangeState::kReady;
    event.alone = false;
    event.consumer = ConsumerId();
  }
  now = now_then;
}

}  // namespace eventhub

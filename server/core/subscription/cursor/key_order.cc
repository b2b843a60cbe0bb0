#include "server/core/subscription/cursor/key_order.h"

#include <algorithm>

namespace eventhub {

bool KeyOrder::Admit(Offset event, uint64_t key) {
  const auto [known, added] = events_.emplace(event.value(), Event{key});
  if (!added) return keys_.at(known->second.key).first == event.value();
  const auto [it, first] = keys_.try_emplace(key, Key{event.value(), event.value()});
  if (first) return true;
  events_.at(it->second.last).next = event.value();
  it->second.last = event.value();
  return false;
}

std::vector<Offset> KeyOrder::KnownOf(Offset from, Offset to) const {
  std::vector<Offset> known;
  if (static_cast<uint64_t>(to - from) <= events_.size()) {
    for (Offset event = from; event < to; event = event + 1) {
      if (Knows(event)) known.push_back(event);
    }
    return known;
  }
  for (const auto& [event, entry] : events_) {
    if (event >= from.value() && event < to.value()) known.push_back(Offset(event));
  }
  std::sort(known.begin(), known.end());
  return known;
}

std::optional<Offset> KeyOrder::Settle(Offset event) {
  const auto it = events_.find(event.value());
  if (it == events_.end()) return std::nullopt;
  const Event settled = it->second;
  events_.erase(it);
  const auto key = keys_.find(settled.key);
  if (key->second.first == event.value()) {
    if (settled.next == kNone) {
      keys_.erase(key);
      return std::nullopt;
    }
    key->second.first = settled.next;
    return Offset(settled.next);
  }
  // The event was waiting: retention removed it.
  int64_t before = key->second.first;
  while (events_.at(before).next != event.value()) before = events_.at(before).next;
  events_.at(before).next = settled.next;
  if (settled.next == kNone) key->second.last = before;
  return std::nullopt;
}

}  // namespace eventhub

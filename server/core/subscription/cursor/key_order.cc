#include "server/core/subscription/cursor/key_order.h"

#include <algorithm>

namespace eventhub {

KeyOrder::~KeyOrder() {
  if (meter_ != nullptr) meter_->Release(events_.size() * kEventBytes);
}

bool KeyOrder::full() const {
  const size_t waits = waiting();
  return waits >= kMaxWaiting || (meter_ != nullptr && waits >= meter_->Allowance() / kEventBytes);
}

bool KeyOrder::Admit(Offset event, uint64_t key) {
  const auto [known, added] = events_.emplace(event.value(), Event{key});
  if (!added) return keys_.at(known->second.key).first == event.value();
  if (meter_ != nullptr) meter_->Add(kEventBytes);
  const auto [it, first] = keys_.try_emplace(key, Key{event.value(), event.value()});
  if (first) return true;
  known->second.previous = it->second.last;
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
  if (meter_ != nullptr) meter_->Release(kEventBytes);
  const auto key = keys_.find(settled.key);
  if (settled.previous == kNone && settled.next == kNone) {
    keys_.erase(key);
    return std::nullopt;
  }
  if (settled.next == kNone) {
    key->second.last = settled.previous;
  } else {
    events_.at(settled.next).previous = settled.previous;
  }
  if (settled.previous == kNone) {
    key->second.first = settled.next;
    return Offset(settled.next);
  }
  // The event was waiting: retention removed it, or its replay was cancelled.
  events_.at(settled.previous).next = settled.next;
  return std::nullopt;
}

}  // namespace eventhub

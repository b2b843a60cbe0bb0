#include "server/core/subscription/cursor/key_order.h"

#include <algorithm>

namespace eventhub {
namespace {

// The part of the room that is reserved for extra events: one in this many.
constexpr size_t kPartForExtra = 16;

}  // namespace

KeyOrder::~KeyOrder() {
  if (meter_ != nullptr) meter_->Release(events_.size() * kEventBytes);
}

bool KeyOrder::full(bool extra) const {
  size_t limit = kMaxWaiting;
  if (meter_ != nullptr) limit = std::min<size_t>(limit, meter_->Allowance() / kEventBytes);
  if (!extra) limit -= limit / kPartForExtra;
  return waiting() >= limit;
}

bool KeyOrder::Admit(Offset event, uint64_t key) {
  const auto [known, added] = events_.emplace(event.value(), key);
  if (added && meter_ != nullptr) meter_->Add(kEventBytes);
  Key& entry = keys_[known->second];
  if (entry.turn == event.value()) return true;
  if (entry.turn != kNone || (entry.waiting > 0 && event.value() > FirstWaiting(known->second))) {
    if (added) {
      waiting_.emplace(known->second, event.value());
      ++entry.waiting;
    }
    return false;
  }
  if (!added) {
    waiting_.erase({known->second, event.value()});
    --entry.waiting;
  }
  entry.turn = event.value();
  return true;
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
  const uint64_t key = it->second;
  events_.erase(it);
  if (meter_ != nullptr) meter_->Release(kEventBytes);
  const auto entry = keys_.find(key);
  bool next = true;  // Whether another event may have the next turn than before.
  if (entry->second.turn == event.value()) {
    entry->second.turn = kNone;
  } else {
    // Retention removed it, its replay was cancelled, or it has not taken its turn.
    next = entry->second.turn == kNone && event.value() == FirstWaiting(key);
    waiting_.erase({key, event.value()});
    --entry->second.waiting;
  }
  if (entry->second.waiting > 0) {
    return next ? std::optional(Offset(FirstWaiting(key))) : std::nullopt;
  }
  if (entry->second.turn == kNone) keys_.erase(entry);
  return std::nullopt;
}

}  // namespace eventhub

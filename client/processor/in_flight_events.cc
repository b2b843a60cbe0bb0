#include "client/processor/in_flight_events.h"

#include <algorithm>
#include <utility>

namespace eventhub::processor::internal {
namespace {

// A reused trigger keeps its memory, so large events do not share in that.
constexpr size_t kMaxReusedBytes = 4096;

// The session of an event that was delivered again in its session, after its lease expired.
constexpr uint64_t kSuperseded = ~uint64_t{0};

}  // namespace

InFlightEvents::~InFlightEvents() {
  while (oldest_ != nullptr) {
    Trigger* const next = oldest_->next;
    delete oldest_;
    oldest_ = next;
  }
}

InFlight& InFlightEvents::Add(Delivered& delivered, size_t pipelines) {
  std::unique_ptr<InFlight> trigger;
  if (free_.empty()) {
    trigger = std::make_unique<InFlight>();
    trigger->tasks.resize(pipelines);
  } else {
    trigger = std::move(free_.back());
    free_.pop_back();
  }
  trigger->arrival = delivered.arrival;
  trigger->bytes = delivered.bytes.size();
  trigger->lease_epoch = delivered.lease_epoch;
  trigger->session = delivered.session;
  trigger->settler = std::move(delivered.settler);
  trigger->number = next_number_++;
  trigger->previous = newest_;
  (newest_ != nullptr ? newest_->next : oldest_) = trigger.get();
  newest_ = trigger.get();
  return *trigger.release();
}

void InFlightEvents::Remove(Trigger& trigger) {
  (trigger.previous != nullptr ? trigger.previous->next : oldest_) = trigger.next;
  (trigger.next != nullptr ? trigger.next->previous : newest_) = trigger.previous;
  trigger.previous = nullptr;
  trigger.next = nullptr;
  trigger.next_bound = &trigger;
  trigger.released = false;
  trigger.unknown.clear();
  trigger.lane = 0;
  std::unique_ptr<InFlight> owned(static_cast<InFlight*>(&trigger));
  if (owned->bytes <= kMaxReusedBytes) free_.push_back(std::move(owned));
}

void InFlightEvents::LowerToInFlight(std::map<uint32_t, int64_t>& offsets) const {
  if (offsets.empty()) return;
  for (const Trigger* trigger = oldest_; trigger != nullptr; trigger = trigger->next) {
    const Arrival& arrival = trigger->arrival;
    if (arrival.replayed) continue;
    const auto it = offsets.find(arrival.partition);
    if (it != offsets.end()) it->second = std::min(it->second, arrival.offset);
  }
}

void InFlightEvents::Supersede(const Delivered& delivered) {
  if (newest_session_ != delivered.session) {
    newest_session_ = delivered.session;
    ends_.clear();
  }
  const size_t partition = delivered.arrival.partition;
  if (partition >= ends_.size()) ends_.resize(partition + 1, 0);
  // In most cases, after a reconnect too, events come in order, and none is in flight twice.
  if (delivered.arrival.offset >= ends_[partition]) {
    ends_[partition] = delivered.arrival.offset + 1;
    return;
  }
  if (!delivered.arrival.redelivered) return;
  for (Trigger* trigger = oldest_; trigger != nullptr; trigger = trigger->next) {
    const bool same = trigger->arrival.partition == delivered.arrival.partition &&
                      trigger->arrival.offset == delivered.arrival.offset &&
                      trigger->session == delivered.session;
    if (same) trigger->session = kSuperseded;
  }
}

}  // namespace eventhub::processor::internal

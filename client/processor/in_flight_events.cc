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

template <Trigger::Place Trigger::*place>
void InFlightEvents::List<place>::Add(Trigger& trigger) {
  trigger.*place = {.previous = newest, .next = nullptr};
  (newest != nullptr ? (newest->*place).next : oldest) = &trigger;
  newest = &trigger;
}

template <Trigger::Place Trigger::*place>
void InFlightEvents::List<place>::Remove(Trigger& trigger) {
  const Trigger::Place at = trigger.*place;
  (at.previous != nullptr ? (at.previous->*place).next : oldest) = at.next;
  (at.next != nullptr ? (at.next->*place).previous : newest) = at.previous;
}

InFlightEvents::~InFlightEvents() {
  while (Trigger* const trigger = all_.oldest) {
    all_.Remove(*trigger);
    delete trigger;
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
  all_.Add(*trigger);
  if (!trigger->arrival.replayed) {
    const size_t number = trigger->arrival.partition;
    if (number >= partitions_.size()) partitions_.resize(number + 1);
    Partition& partition = partitions_[number];
    const Trigger* const last = partition.events.newest;
    partition.ascending =
        last == nullptr || (partition.ascending && last->arrival.offset < trigger->arrival.offset);
    partition.events.Add(*trigger);
  }
  return *trigger.release();
}

void InFlightEvents::Remove(Trigger& trigger) {
  all_.Remove(trigger);
  if (!trigger.arrival.replayed) partitions_[trigger.arrival.partition].events.Remove(trigger);
  trigger.next_bound = &trigger;
  trigger.released = false;
  trigger.unknown.clear();
  trigger.lane = 0;
  std::unique_ptr<InFlight> owned(static_cast<InFlight*>(&trigger));
  if (owned->bytes <= kMaxReusedBytes) free_.push_back(std::move(owned));
}

void InFlightEvents::LowerToInFlight(std::map<uint32_t, int64_t>& offsets) const {
  for (auto& [number, lowest] : offsets) {
    if (number >= partitions_.size()) continue;
    const Partition& partition = partitions_[number];
    for (const Trigger* at = partition.events.oldest; at != nullptr; at = at->in_partition.next) {
      lowest = std::min(lowest, at->arrival.offset);
      if (partition.ascending) break;
    }
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
  for (Trigger* trigger = all_.oldest; trigger != nullptr; trigger = trigger->among_all.next) {
    const bool same = trigger->arrival.partition == delivered.arrival.partition &&
                      trigger->arrival.offset == delivered.arrival.offset &&
                      trigger->session == delivered.session;
    if (same) trigger->session = kSuperseded;
  }
}

}  // namespace eventhub::processor::internal

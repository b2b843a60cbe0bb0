#include "tests/server/subscription_model.h"

#include <algorithm>
#include <optional>

#include "gtest/gtest.h"

namespace eventhub {
namespace {

using Where = SubscriptionModel::Where;

// How long a partition may take to move without an ack deadline. Microseconds.
constexpr int64_t kDrainTime = 30'000'000;

// The hub counts the mean event size of a run.
constexpr int64_t kByteSlack = 200;

}  // namespace

SubscriptionModel::Offsets SubscriptionModel::All(int64_t from, int64_t to) {
  Offsets all;
  for (int64_t offset = from; offset < to; ++offset) all.push_back(offset);
  return all;
}

SubscriptionModel::Event* SubscriptionModel::Find(uint32_t partition, int64_t offset) {
  if (partition >= partitions.size() || offset < 0) return nullptr;
  std::vector<Event>& events = partitions[partition].events;
  return offset < static_cast<int64_t>(events.size()) ? &events[static_cast<size_t>(offset)]
                                                      : nullptr;
}

void SubscriptionModel::Publish(uint32_t partition, const std::string& id, const std::string& key,
                                size_t bytes) {
  Event event;
  event.id = id;
  event.key = key;
  event.bytes = bytes;
  event.append_time = now;
  partitions[partition].events.push_back(event);
}

void SubscriptionModel::Open(int consumer, const Consumer& state) { consumers[consumer] = state; }

void SubscriptionModel::Close(int consumer) {
  for (uint32_t p = 0; p < partitions.size(); ++p) {
    Fail(p, consumer);
    if (partitions[p].owner == consumer) partitions[p].owner = 0;
  }
  consumers.erase(consumer);
}

// ---- Delivery

void SubscriptionModel::Deliver(int consumer, const Received& received) {
  Event* const event = Find(received.partition, received.offset);
  ASSERT_NE(event, nullptr) << received;
  Partition& partition = partitions[received.partition];
  Consumer& to = consumers.at(consumer);
  EXPECT_EQ(event->id, received.id);
  EXPECT_EQ(event->key, received.key);
  EXPECT_FALSE(paused) << received;
  EXPECT_FALSE(to.leaving) << received;
  ASSERT_NE(event->where, Where::kOut) << received << " is at consumer " << event->consumer;
  ASSERT_NE(event->where, Where::kDone) << received << " is settled";
  EXPECT_LE(event->ready_at, now) << received << " is not to be retried yet";
  EXPECT_EQ(received.attempt, event->attempts + 1) << received;
  EXPECT_EQ(received.epoch, partition.epoch) << received;
  EXPECT_TRUE(received.offset >= partition.start || event->redriven) << received << " is trimmed";
  if (rules.max_attempts > 0) {
    EXPECT_LE(received.attempt, rules.max_attempts) << received;
  }
  CheckOrder(received.partition, received.offset);
  CheckCredit(to, *event);
  if (!rules.queue) {
    EXPECT_EQ(partition.owner, consumer) << received;
    if (!AnyOut(partition)) partition.lease_due = now + rules.ack_deadline;
  }
  event->where = Where::kOut;
  event->consumer = consumer;
  event->delivered = true;
  event->attempts = received.attempt;
  event->epoch = received.epoch;
  event->due = now + rules.ack_deadline;
  ++to.out_events;
  to.out_bytes += static_cast<int64_t>(event->bytes);
}

void SubscriptionModel::CheckOrder(uint32_t p, int64_t offset) const {
  const std::vector<Event>& events = partitions[p].events;
  const Event& event = events[static_cast<size_t>(offset)];
  if (rules.queue && (!rules.ordered_by_key || event.key.empty())) return;
  const bool last = rules.max_attempts > 0 && event.attempts + 1 >= rules.max_attempts;
  for (int64_t other = 0; other < static_cast<int64_t>(events.size()); ++other) {
    const Event& e = events[static_cast<size_t>(other)];
    if (other == offset || e.where == Where::kDone) continue;
    const bool overtaken = other < offset && !e.extra && !event.extra;
    if (rules.queue) {
      if (e.key != event.key) continue;
      EXPECT_FALSE(overtaken) << p << "/" << offset << " overtakes " << other << " of its key";
      EXPECT_NE(e.where, Where::kOut) << p << "/" << offset << " and " << other << " of its key";
    } else if (e.where == Where::kOut) {
      // A last attempt is made alone.
      const bool other_last = rules.max_attempts > 0 && e.attempts >= rules.max_attempts;
      EXPECT_FALSE((last || other_last) && e.extra == event.extra)
          << p << "/" << offset << " beside " << other;
    } else {
      EXPECT_FALSE(overtaken) << p << "/" << offset << " overtakes " << other;
    }
  }
}

void SubscriptionModel::CheckCredit(const Consumer& consumer, const Event& event) const {
  EXPECT_LT(consumer.out_events, consumer.credit_events);
  const int64_t bytes = consumer.out_bytes + static_cast<int64_t>(event.bytes);
  const bool alone = consumer.out_events == 0 && consumer.credit_bytes > 0;
  EXPECT_TRUE(alone || bytes <= consumer.credit_bytes + kByteSlack)
      << bytes << " bytes out of " << consumer.credit_bytes;
}

bool SubscriptionModel::AnyOut(const Partition& partition) const {
  return std::any_of(partition.events.begin(), partition.events.end(),
                     [](const Event& event) { return event.where == Where::kOut; });
}

// ---- Settling

bool SubscriptionModel::HoldsLease(int consumer, uint32_t partition, uint64_t epoch) const {
  const Partition& p = partitions[partition];
  if (rules.queue) return p.first_epoch <= epoch && epoch <= p.epoch;
  return p.epoch == epoch && p.owner == consumer;
}

bool SubscriptionModel::IsOutAt(const Event& event, int consumer) const {
  return event.where == Where::kOut && event.consumer == consumer;
}

bool SubscriptionModel::Has(int consumer, uint32_t partition, int64_t offset) const {
  return IsOutAt(partitions[partition].events[static_cast<size_t>(offset)], consumer);
}

std::vector<std::pair<uint32_t, int64_t>> SubscriptionModel::OutAt(int consumer) const {
  std::vector<std::pair<uint32_t, int64_t>> out;
  for (uint32_t p = 0; p < partitions.size(); ++p) {
    for (size_t i = 0; i < partitions[p].events.size(); ++i) {
      if (IsOutAt(partitions[p].events[i], consumer)) out.emplace_back(p, i);
    }
  }
  return out;
}

void SubscriptionModel::Release(Event& event) {
  if (event.where != Where::kOut) return;
  Consumer& consumer = consumers.at(event.consumer);
  --consumer.out_events;
  consumer.out_bytes -= static_cast<int64_t>(event.bytes);
}

void SubscriptionModel::Settle(Event& event) {
  Release(event);
  event.where = Where::kDone;
  event.extra = event.redriven = false;
  event.ready_at = 0;
}

void SubscriptionModel::ParkOne(uint32_t partition, int64_t offset) {
  Event& event = *Find(partition, offset);
  if (offset >= partitions[partition].start || event.redriven) {
    // One that failed again replaces its letter.
    std::erase_if(letters, [&](const Letter& letter) {
      return std::get<0>(letter) == partition && std::get<1>(letter) == offset;
    });
    letters.emplace(partition, offset, event.attempts);
  } else if (!event.extra) {
    ++lost;
  }
  Settle(event);
  parked = true;
}

void SubscriptionModel::Requeue(uint32_t partition, int64_t offset, bool heard, int64_t ready_at) {
  Event& event = *Find(partition, offset);
  if (rules.max_attempts > 0 && event.attempts >= rules.max_attempts) {
    if (heard || event.silent || rules.max_attempts == 1) return ParkOne(partition, offset);
    event.attempts = rules.max_attempts - 1;
  }
  event.silent = !heard;
  Release(event);
  event.where = Where::kWaiting;
  event.ready_at = ready_at;
}

SubscriptionModel::Offsets SubscriptionModel::Ack(int consumer, uint32_t p, uint64_t epoch,
                                                  int64_t from, int64_t to) {
  if (!HoldsLease(consumer, p, epoch)) return All(from, to);
  Offsets refused;
  bool any = false;
  int64_t next = 0;
  for (int64_t o = 0; Event* const event = Find(p, o); ++o) {
    if (event->where != Where::kFresh) next = o + 1;
  }
  for (int64_t o = rules.queue ? from : 0; o < to; ++o) {
    Event* const event = Find(p, o);
    const bool named = o >= from;
    if (event != nullptr && IsOutAt(*event, consumer) && (named || !event->extra)) {
      Settle(*event);
      any = true;
    } else if (rules.queue) {
      refused.push_back(o);
    } else if (named && (o >= next || (event->where != Where::kDone && !event->extra))) {
      refused.push_back(o);
    }
  }
  if (any) partitions[p].lease_due = now + rules.ack_deadline;
  DropTrimmed(p);
  return refused;
}

SubscriptionModel::Offsets SubscriptionModel::Retry(int consumer, uint32_t p, uint64_t epoch,
                                                    int64_t from, int64_t to, int64_t delay) {
  if (!HoldsLease(consumer, p, epoch)) return All(from, to);
  Offsets refused;
  if (!rules.queue) to = from + 1;
  bool rewind = false;
  for (int64_t o = from; o < to; ++o) {
    Event* const event = Find(p, o);
    if (event == nullptr || !IsOutAt(*event, consumer) || event->epoch != epoch) {
      refused.push_back(o);
      continue;
    }
    const bool extra = event->extra;
    Requeue(p, o, true, now + delay);
    rewind |= !extra;
  }
  if (!rules.queue && rewind) {
    for (int64_t o = to; Event* const event = Find(p, o); ++o) {
      if (event->where == Where::kOut && !event->extra) TakeBack(*event);
    }
  }
  DropTrimmed(p);
  return refused;
}

SubscriptionModel::Offsets SubscriptionModel::Park(int consumer, uint32_t p, uint64_t epoch,
                                                   int64_t from, int64_t to) {
  if (!HoldsLease(consumer, p, epoch)) return All(from, to);
  Offsets refused;
  for (int64_t o = from; o < to; ++o) {
    Event* const event = Find(p, o);
    if (event != nullptr && IsOutAt(*event, consumer)) {
      ParkOne(p, o);
    } else {
      refused.push_back(o);
    }
  }
  return refused;
}

SubscriptionModel::Offsets SubscriptionModel::Skip(int consumer, uint32_t p, uint64_t epoch,
                                                   int64_t from, int64_t to) {
  if (!HoldsLease(consumer, p, epoch)) return All(from, to);
  Offsets refused;
  for (int64_t o = from; o < to; ++o) {
    Event* const event = Find(p, o);
    if (event != nullptr && IsOutAt(*event, consumer)) {
      Settle(*event);
    } else {
      refused.push_back(o);
    }
  }
  return refused;
}

SubscriptionModel::Offsets SubscriptionModel::Extend(int consumer, uint32_t p, uint64_t epoch,
                                                     int64_t from, int64_t to, int64_t time) {
  if (!HoldsLease(consumer, p, epoch)) return All(from, to);
  Offsets refused;
  if (!rules.queue) {
    partitions[p].lease_due = now + time;
    return refused;
  }
  for (int64_t o = from; o < to; ++o) {
    Event* const event = Find(p, o);
    if (event != nullptr && IsOutAt(*event, consumer)) {
      event->due = now + time;
    } else {
      refused.push_back(o);
    }
  }
  return refused;
}

void SubscriptionModel::TakeBack(Event& event) {
  Release(event);
  event.where = Where::kWaiting;
  event.ready_at = now;
  --event.attempts;
}

void SubscriptionModel::Fail(uint32_t p, int consumer) {
  bool live_failed = false;
  bool extra_failed = false;
  for (int64_t o = 0; Event* const event = Find(p, o); ++o) {
    if (!IsOutAt(*event, consumer)) continue;
    bool& failed = event->extra ? extra_failed : live_failed;
    if (rules.queue || !failed) {
      failed = true;
      Requeue(p, o, false, now);
    }
  }
  Recall(p, consumer);
}

void SubscriptionModel::Recall(uint32_t p, int consumer) {
  for (int64_t o = 0; Event* const event = Find(p, o); ++o) {
    if (IsOutAt(*event, consumer)) TakeBack(*event);
  }
  DropTrimmed(p);
}

void SubscriptionModel::Expire() {
  if (!rules.queue) return;  // See Observe.
  for (uint32_t p = 0; p < partitions.size(); ++p) {
    for (int64_t o = 0; Event* const event = Find(p, o); ++o) {
      if (event->where == Where::kOut && event->due <= now) Requeue(p, o, false, now);
    }
    DropTrimmed(p);
  }
}

void SubscriptionModel::Observe(const v1::SubscriptionPartition& state, int owner) {
  Partition& partition = partitions[state.partition()];
  EXPECT_GE(state.lease_epoch(), partition.epoch);
  const int before = partition.owner;
  const bool overdue = rules.ack_deadline > 0 && now >= partition.lease_due;
  if (state.lease_epoch() == partition.epoch && owner == before) {
    EXPECT_FALSE(!rules.queue && before != 0 && AnyOut(partition) && overdue)
        << "partition " << state.partition() << " stays at a consumer that does not ack";
    return;
  }
  const int64_t drain_time = rules.ack_deadline > 0 ? rules.ack_deadline : kDrainTime;
  if (before != 0 && AnyOut(partition)) {
    EXPECT_TRUE(overdue || now >= partition.drained_from + drain_time)
        << "partition " << state.partition() << " is taken from consumer " << before;
    if (overdue) {
      Fail(state.partition(), before);
    } else {
      Recall(state.partition(), before);
    }
  }
  partition.owner = owner;
  partition.epoch = state.lease_epoch();
  if (!rules.queue || partition.moved || partition.first_epoch == 0) {
    partition.first_epoch = partition.epoch;
  }
  partition.moved = false;
  partition.drained_from = now;
}

// ---- Moving

void SubscriptionModel::DropTrimmed(uint32_t p) {
  for (int64_t o = 0; o < partitions[p].start; ++o) {
    Event& event = *Find(p, o);
    if (event.where != Where::kFresh && event.where != Where::kWaiting) continue;
    if (event.redriven) continue;
    if (!event.extra) ++lost;
    Settle(event);
  }
}

void SubscriptionModel::Trim(uint32_t p, int64_t start) {
  partitions[p].start = start;
  DropTrimmed(p);
}

void SubscriptionModel::Seek(uint32_t p, int64_t to) {
  partitions[p].moved = true;
  for (int64_t o = 0; Event* const event = Find(p, o); ++o) {
    const bool comes_anyway = o >= to && !(event->redriven && o < partitions[p].start);
    if (!comes_anyway && event->extra && event->where != Where::kDone) {
      if (event->where == Where::kOut) --event->attempts;
      Release(*event);
      event->where = Where::kWaiting;
      continue;
    }
    Settle(*event);
    event->surely_done = o < to;
    if (o < to) continue;
    event->where = Where::kFresh;
    event->attempts = 0;
    event->silent = false;
  }
  DropTrimmed(p);
}

void SubscriptionModel::Restore(const SubscriptionModel& then) {
  for (uint32_t p = 0; p < partitions.size(); ++p) {
    const std::vector<Event>& before = then.partitions[p].events;
    Seek(p, static_cast<int64_t>(before.size()));
    for (size_t i = 0; i < before.size(); ++i) {
      Event& event = partitions[p].events[i];
      if (before[i].where == Where::kDone || before[i].extra) continue;
      // Only its copy exists.
      if (event.redriven && static_cast<int64_t>(i) < partitions[p].start) continue;
      Settle(event);
      event.surely_done = false;
      event.where = before[i].where == Where::kFresh ? Where::kFresh : Where::kWaiting;
      event.attempts = before[i].where == Where::kFresh ? 0 : before[i].attempts;
      // With ordered_by_key its key is unknown now, so it cannot be isolated.
      event.silent = before[i].where != Where::kFresh && before[i].silent && !rules.ordered_by_key;
      if (before[i].where == Where::kOut) --event.attempts;
      // It gets its last attempt again.
      if (rules.max_attempts > 0) event.attempts = std::min(event.attempts, rules.max_attempts - 1);
    }
    DropTrimmed(p);
  }
}

int64_t SubscriptionModel::Replay(uint32_t p, int64_t from, int64_t to) {
  int64_t events = 0;
  for (int64_t o = from; o < to; ++o) {
    Event* const event = Find(p, o);
    if (event == nullptr || event->where != Where::kDone) continue;
    event->where = Where::kWaiting;
    event->extra = true;
    event->attempts = 0;
    event->silent = false;
    event->surely_done = false;
    event->ready_at = now;
    ++events;
  }
  return events;
}

int64_t SubscriptionModel::CancelReplays() {
  int64_t events = 0;
  for (Partition& partition : partitions) {
    for (Event& event : partition.events) {
      if (event.where != Where::kWaiting || !event.extra || event.redriven) continue;
      Settle(event);
      ++events;
    }
  }
  return events;
}

bool SubscriptionModel::Redrive(const Letter& letter) {
  const auto& [p, offset, attempts] = letter;
  Event& event = *Find(p, offset);
  if (event.where != Where::kDone && !event.extra) return false;
  if (event.where == Where::kDone) {
    event.where = Where::kWaiting;
    event.attempts = 0;
    event.silent = false;
    event.ready_at = now;
    event.surely_done = false;
    event.extra = true;
  }
  event.redriven = true;
  return true;
}

// ---- Restarts

void SubscriptionModel::Reopen() {
  for (uint32_t p = 0; p < partitions.size(); ++p) {
    for (const auto& [id, consumer] : consumers) Recall(p, id);
    partitions[p].owner = 0;
    partitions[p].moved = true;
    for (Event& event : partitions[p].events) {
      // As in Restore.
      if (rules.ordered_by_key && event.attempts + 1 >= rules.max_attempts) event.silent = false;
    }
  }
  consumers.clear();
}

void SubscriptionModel::MarkSure() {
  for (Partition& partition : partitions) {
    for (Event& event : partition.events) {
      event.sure_attempts = event.attempts - (event.where == Where::kOut ? 1 : 0);
      event.surely_done = event.where == Where::kDone;
    }
  }
}

namespace {

// The unsettled events of a partition, as attempts by offset, and the first undelivered offset.
struct Unsettled {
  std::map<int64_t, uint32_t> attempts;
  std::map<int64_t, bool> silent;
  int64_t next = 0;

  std::optional<uint32_t> Of(int64_t offset) const {
    if (offset >= next) return 0;
    const auto it = attempts.find(offset);
    if (it == attempts.end()) return std::nullopt;
    return it->second;
  }
};

Unsettled UnsettledOf(const stored::Snapshot& hub, uint32_t p) {
  Unsettled unsettled;
  const stored::SnapshotPartition& partition = hub.partitions(static_cast<int>(p));
  unsettled.next = partition.next_offset();
  for (int i = 0; i < partition.starts_size(); ++i) {
    for (int64_t k = 0; k < partition.counts(i); ++k) {
      unsettled.attempts[partition.starts(i) + k] = partition.attempts(i);
      unsettled.silent[partition.starts(i) + k] = partition.silent(i);
    }
  }
  return unsettled;
}

}  // namespace

void SubscriptionModel::Compare(const stored::Snapshot& hub) const {
  ASSERT_EQ(static_cast<size_t>(hub.partitions_size()), partitions.size());
  for (uint32_t p = 0; p < partitions.size(); ++p) {
    const Unsettled unsettled = UnsettledOf(hub, p);
    for (size_t o = 0; o < partitions[p].events.size(); ++o) {
      const Event& event = partitions[p].events[o];
      const std::optional<uint32_t> attempts = unsettled.Of(static_cast<int64_t>(o));
      const bool live = event.where != Where::kDone && !event.extra;
      ASSERT_EQ(attempts.has_value(), live) << "unsettled: " << p << "/" << o;
      if (!live) continue;
      const uint32_t failed = event.attempts - (event.where == Where::kOut ? 1 : 0);
      EXPECT_EQ(*attempts, event.where == Where::kFresh ? 0 : failed) << p << "/" << o;
    }
  }
}

void SubscriptionModel::Adopt(const stored::Snapshot& hub, bool acks_are_sure) {
  for (uint32_t p = 0; p < partitions.size(); ++p) {
    const Unsettled unsettled = UnsettledOf(hub, p);
    for (size_t o = 0; o < partitions[p].events.size(); ++o) {
      Event& event = partitions[p].events[o];
      if (event.extra) continue;
      const std::optional<uint32_t> attempts = unsettled.Of(static_cast<int64_t>(o));
      if (const auto it = unsettled.silent.find(static_cast<int64_t>(o));
          it != unsettled.silent.end()) {
        event.silent = it->second;
      }
      if (event.where != Where::kDone) {
        EXPECT_TRUE(attempts.has_value()) << p << "/" << o << " is lost";
        if (!attempts.has_value()) continue;
        EXPECT_GE(*attempts, event.sure_attempts) << p << "/" << o;
        EXPECT_LE(*attempts, event.attempts) << p << "/" << o;
      } else if (attempts.has_value()) {
        EXPECT_FALSE(event.surely_done || acks_are_sure) << p << "/" << o << " was settled";
      } else {
        continue;
      }
      const bool fresh = static_cast<int64_t>(o) >= unsettled.next;
      event.where = fresh ? Where::kFresh : Where::kWaiting;
      event.attempts = *attempts;
      event.ready_at = std::min(event.ready_at, now);
    }
  }
}

int64_t SubscriptionModel::Lag() const {
  int64_t lag = 0;
  for (const Partition& partition : partitions) {
    for (const Event& event : partition.events) {
      lag += event.where != Where::kDone && !event.extra ? 1 : 0;
    }
  }
  return lag;
}

int64_t SubscriptionModel::Extras() const {
  int64_t extras = 0;
  for (const Partition& partition : partitions) {
    for (const Event& event : partition.events) {
      extras += event.where != Where::kDone && event.extra ? 1 : 0;
    }
  }
  return extras;
}

}  // namespace eventhub

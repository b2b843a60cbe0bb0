// Random operations on a PartitionCursor and on its model.
//
// After each operation, everything observable about both is equal. In addition: no key is in flight
// twice or overtaken, every operation that makes a delivery possible reports it, and in the end
// everything is settled.
#include "tests/server/cursor_model.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/cursor_rig.h"
#include "tests/server/seeded.h"

namespace eventhub {
namespace {

using Offsets = CursorModel::Offsets;

enum class Kind { kStream, kQueue, kOrderedQueue };

class CursorModelTest : public SeededTest, public testing::WithParamInterface<Kind> {
 protected:
  void SetUp() override {
    model_ = std::make_unique<CursorModel>(DeliveryRules());
    model_->rules.queue = GetParam() != Kind::kStream;
    model_->rules.ordered_by_key = GetParam() == Kind::kOrderedQueue;
  }

  PartitionCursor& cursor() { return *rig_.cursor; }
  const DeliveryRules& rules() const { return model_->rules; }

  // Key 0: none.
  uint64_t KeyOf(int64_t event) const {
    return rules().ordered_by_key ? static_cast<uint64_t>(event) % 4 : 0;
  }

  // Mostly a consumer with leases.
  ConsumerId AnyConsumer() {
    if (rules().queue) return ConsumerId(static_cast<uint32_t>(Int(1, 3)));
    return OneIn(10) ? ConsumerId(999) : owner_;
  }

  // Mostly among the delivered events.
  std::pair<int64_t, int64_t> AnyRange() {
    const int64_t from = Int(std::max<int64_t>(0, model_->Acked() - 3), model_->next);
    if (!rules().queue && OneIn(5)) return {0, from};
    return {from, from + Int(0, OneIn(3) ? 20 : 4)};
  }

  std::string AnyReason() { return OneIn(2) ? "" : absl::StrCat("reason ", Int(1, 3)); }

  PartitionCursor::Refused Collect(Offsets* refused) {
    collect_ = [refused](Offset from, Offset to) {
      for (Offset event = from; event < to; event = event + 1) {
        EXPECT_TRUE(refused->insert(event.value()).second) << "refused twice: " << event;
      }
    };
    return collect_;
  }

  // ---- Operations

  void Grow() {
    if (model_->log_end > model_->next + 20 || model_->events.size() > 60) return;
    const auto count = static_cast<uint32_t>(Int(1, 10));
    rig_.Grow(count);
    model_->log_end += count;
  }

  void Trim() {
    model_->log_start = Int(model_->log_start, std::min(model_->log_start + 6, model_->log_end));
    rig_.Trim(model_->log_start);
    cursor().DropTrimmed(&effects_);
    model_->DropTrimmed();
  }

  void Deliver() {
    const auto flow = static_cast<Flow>(Int(0, kFlows - 1));
    const std::optional<Candidate> found = cursor().Next(rules(), flow);
    const std::optional<CursorModel::Next> wanted = model_->NextOf(flow);
    ASSERT_EQ(found.has_value(), wanted.has_value());
    if (!found.has_value()) return;
    ASSERT_EQ(found->start.value(), wanted->start);
    ASSERT_EQ(found->attempts, wanted->attempts);
    ASSERT_EQ(found->fresh, wanted->fresh);
    ASSERT_EQ(found->flow(), flow);
    ASSERT_EQ(found->redriven_from.has_value(), wanted->redriven_from.has_value());
    if (found->redriven_from.has_value()) {
      ASSERT_EQ(found->redriven_from->offset.value(), *wanted->redriven_from);
    }
    CheckEnd(*found, *wanted);
    const int64_t count = std::min(Int(1, 8), found->end - found->start);
    const ConsumerId consumer =
        rules().queue ? ConsumerId(static_cast<uint32_t>(Int(1, 3))) : owner_;
    const int64_t due = rules().queue ? model_->now + Int(1, 30) : CursorModel::kNever;
    if (rules().ordered_by_key) {
      for (int64_t i = 0; i < count; ++i) DeliverByKey(*found, found->start + i, consumer, due);
      return;
    }
    cursor().Lease(*found, found->start, static_cast<uint32_t>(count), CursorRig::kEventBytes,
                   consumer, due);
    for (int64_t i = 0; i < count; ++i) model_->Lease(wanted->start + i, consumer, due);
  }

  // All events in flight have the same state.
  void CheckEnd(const Candidate& found, const CursorModel::Next& wanted) {
    ASSERT_GT(found.end, found.start);
    if (wanted.alone || wanted.redriven_from.has_value()) {
      ASSERT_EQ(found.end - found.start, 1);
    } else if (wanted.fresh) {
      ASSERT_EQ(found.end.value(), model_->log_end);
    } else {
      for (Offset event = found.start; event < found.end; event = event + 1) {
        const auto it = model_->events.find(event.value());
        ASSERT_NE(it, model_->events.end());
        ASSERT_EQ(it->second.state, RangeState::kReady);
        ASSERT_EQ(it->second.attempts, found.attempts);
        ASSERT_EQ(it->second.extra, found.extra);
        ASSERT_FALSE(it->second.alone);
      }
    }
  }

  void DeliverByKey(const Candidate& candidate, Offset event, ConsumerId consumer, int64_t due) {
    const uint64_t key = KeyOf(event.value());
    const bool admitted = key == 0 || cursor().AdmitKey(event, key);
    ASSERT_EQ(admitted, model_->Admit(event.value(), key)) << event;
    if (!admitted) {
      cursor().Block(candidate, event);
      model_->Block(event.value());
      return;
    }
    if (key != 0) CheckOrder(event.value(), candidate.extra);
    cursor().Lease(candidate, event, 1, CursorRig::kEventBytes, consumer, due);
    model_->Lease(event.value(), consumer, due);
  }

  void CheckOrder(int64_t event, bool extra) {
    const auto candidate = model_->events.find(event);
    const bool again = candidate != model_->events.end() && candidate->second.delivered;
    for (const auto& [offset, other] : model_->events) {
      if (offset == event || KeyOf(offset) != KeyOf(event)) continue;
      ASSERT_NE(other.state, RangeState::kLeased) << "two of a key at once: " << offset;
      // The key of an event that ran out of attempts by a restart or new rules may be unknown.
      const bool in_order = !extra && !other.extra && !unordered_.contains(offset);
      // Whatever brings an event back, nothing later overtakes it that was not delivered before it.
      const bool waits = other.state == RangeState::kBlocked && !again;
      ASSERT_FALSE((in_order || waits) && offset < event)
          << offset << " " << other << " was overtaken by " << event;
    }
  }

  void Settle() {
    const ConsumerId consumer = AnyConsumer();
    const auto [from, to] = AnyRange();
    const std::string reason = AnyReason();
    Offsets refused;
    const auto collect = Collect(&refused);
    const Offset first(from);
    const Offset last(to);
    switch (Int(0, 6)) {
      case 0: {
        const int64_t delay = OneIn(3) ? 0 : Int(1, 20);
        const auto retry_at = [&](uint32_t attempts) { return model_->now + delay * attempts; };
        const uint64_t epoch = OneIn(4) ? model_->epoch - 1 : model_->epoch;
        Sweep([&](size_t* left) {
          cursor().Retry(rules(), consumer, epoch, first, last, retry_at, model_->now, reason,
                         collect, &effects_, left);
        });
        ASSERT_EQ(refused, model_->Retry(consumer, epoch, from, to, retry_at, reason));
        break;
      }
      case 1:
        cursor().Park(consumer, first, last, reason, collect, &effects_);
        ASSERT_EQ(refused, model_->Park(consumer, from, to, reason));
        break;
      case 2:
        cursor().Skip(consumer, first, last, collect, &effects_);
        ASSERT_EQ(refused, model_->Skip(consumer, from, to));
        break;
      case 3: {
        if (!rules().queue) break;
        const int64_t due = model_->now + Int(1, 60);
        cursor().Extend(consumer, first, last, due, collect, &effects_);
        ASSERT_EQ(refused, model_->Extend(consumer, from, to, due));
        break;
      }
      default:
        cursor().Ack(rules().queue, consumer, first, last, collect, &effects_);
        ASSERT_EQ(refused, model_->Ack(consumer, from, to));
        break;
    }
  }

  // As a whole, or a few ranges at a time.
  template <typename Operation>
  void Sweep(Operation operation) {
    if (OneIn(2)) return operation(nullptr);
    auto left = static_cast<size_t>(Int(0, 3));
    operation(&left);
    while (cursor().sweeping()) {
      left = static_cast<size_t>(Int(1, 3));
      cursor().ContinueSweep(rules(), &left, &effects_);
    }
  }

  void Return() {
    const ConsumerId consumer = AnyConsumer();
    if (OneIn(4)) {
      Sweep([&](size_t* left) { cursor().Recall(rules(), consumer, &effects_, left); });
      model_->Recall(consumer);
    } else {
      Sweep([&](size_t* left) { cursor().Fail(rules(), consumer, "gone", &effects_, left); });
      model_->Fail(consumer, "gone");
    }
    if (consumer == owner_) owner_ = ConsumerId(owner_.value() + 1);
  }

  void Expire() {
    model_->now += Int(0, 15);
    cursor().Expire(rules(), model_->now, &effects_);
    model_->Expire();
    cursor().RenewEpoch(++model_->epoch);
  }

  void EndParking(bool all = false) {
    const int64_t from = all ? 0 : Int(0, model_->next);
    const int64_t to = all ? model_->next : from + Int(0, 20);
    if (!all && OneIn(3)) {
      const int64_t retry_at = model_->now + Int(1, 10);
      cursor().AbandonParking(Offset(from), static_cast<uint32_t>(to - from), retry_at, "no topic");
      model_->AbandonParking(from, to, retry_at, "no topic");
      return;
    }
    cursor().FinishParking(Offset(from), static_cast<uint32_t>(to - from), &effects_);
    model_->FinishParking(from, to);
  }

  void NoteUnordered(const Parked& parked) {
    for (uint32_t i = 0; i < parked.count; ++i) unordered_.insert(parked.start.value() + i);
  }

  void ChangeRules() {
    model_->rules.max_attempts = OneIn(3) ? 0 : static_cast<uint32_t>(Int(1, 5));
    const bool lowered = !OneIn(3);
    Sweep([&](size_t* left) {
      cursor().ParkExhausted(rules(), lowered, "changed", &effects_, left);
    });
    model_->ParkExhausted(lowered, "changed");
    for (const Parked& range : effects_.parked) NoteUnordered(range);
  }

  void Seek() {
    const int64_t to = Int(std::max<int64_t>(0, model_->log_start - 3), model_->log_end);
    std::vector<UnsettledRange> snapshot;
    for (int64_t at = Int(std::max<int64_t>(0, model_->log_start - 5), to); !OneIn(5);) {
      at += Int(0, 3);
      const int64_t count = Int(1, 3);
      if (at + count > to) break;
      snapshot.push_back(
          {Offset(at), Offset(at + count), static_cast<uint32_t>(Int(0, 2)), OneIn(2)});
      at += count;
    }
    const CursorModel before = *model_;
    model_->Seek(to, snapshot);
    model_->DropTrimmed();
    cursor().BeginSeek(Offset(to), std::move(snapshot));
    while (!ContinueSeek()) CheckCrash(before);
    cursor().DropTrimmed(&effects_);
    unordered_.clear();
    copy_of_.reset();
    cursor().EndCopy();
  }

  bool ContinueSeek() {
    size_t left = OneIn(3) ? SIZE_MAX : static_cast<size_t>(Int(1, 4));
    return cursor().ContinueSeek(rules(), &left, &effects_);
  }

  // Each event is as before the seek, or as after it.
  void CheckCrash(const CursorModel& before) {
    rig_.Write(wall_offset_);
    const std::unique_ptr<PartitionCursor> loaded = rig_.Load(wall_offset_, model_->now);
    enum class State { kSettled, kLive, kExtra };
    const auto of_model = [](const CursorModel& model, int64_t event) {
      const auto it = model.events.find(event);
      if (it == model.events.end()) return event < model.next ? State::kSettled : State::kLive;
      return it->second.extra ? State::kExtra : State::kLive;
    };
    for (int64_t event = model_->log_start; event < model_->log_end; ++event) {
      const auto it = loaded->pending().At(Offset(event));
      const bool pending = it != loaded->pending().map().end() && it->first <= event;
      const State state = pending ? (it->second.extra ? State::kExtra : State::kLive)
                          : Offset(event) < loaded->next() ? State::kSettled
                                                           : State::kLive;
      ASSERT_TRUE(state == of_model(before, event) || state == of_model(*model_, event)) << event;
    }
  }

  // Begins, or continues, a copy of the unsettled events.
  void Copy() {
    if (!copy_of_.has_value()) {
      cursor().BeginCopy();
      copied_.clear();
      copy_of_.emplace();
      for (const auto& [event, state] : model_->events) {
        if (!state.extra) copy_of_->insert(event);
      }
    }
    auto left = static_cast<size_t>(Int(1, 5));
    const bool done = cursor().copy()->Continue(cursor().pending(), &left);
    const stored::SnapshotPartition part = cursor().copy()->Take(cursor().id());
    for (int i = 0; i < part.starts_size(); ++i) {
      for (int64_t k = 0; k < part.counts(i); ++k) {
        ASSERT_TRUE(copied_.insert(part.starts(i) + k).second) << part.starts(i) + k;
      }
    }
    if (!done) return;
    ASSERT_EQ(cursor().copy()->events(), static_cast<int64_t>(copied_.size()));
    for (const int64_t event : *copy_of_) {
      ASSERT_TRUE(copied_.contains(event) || event < model_->log_start) << event;
    }
    for (const int64_t event : copied_) ASSERT_TRUE(copy_of_->contains(event)) << event;
    cursor().EndCopy();
    copy_of_.reset();
  }

  void Replay() {
    const auto [from, to] = AnyRange();
    switch (Int(0, 3)) {
      case 0:
        ASSERT_EQ(cursor().CancelReplays(Offset(0), cursor().next(), &effects_),
                  model_->CancelReplays());
        break;
      case 1: {
        const int64_t event = Int(0, model_->next + 2);
        const int64_t copy = Int(0, 1000);
        cursor().AddRedriven(Offset(event), {TopicId(9), PartitionId(0), Offset(copy)}, &effects_);
        model_->AddRedriven(event, copy);
        break;
      }
      default: {
        const int64_t count = model_->AddReplay(from, to, false);
        ASSERT_EQ(cursor().CountReplay(Offset(from), Offset(to)), count);
        ASSERT_EQ(cursor().AddReplay(Offset(from), Offset(to), &effects_), count);
        model_->AddReplay(from, to, true);
        break;
      }
    }
  }

  void Restart() {
    const int64_t wall = model_->now + wall_offset_;
    const int64_t now = Int(1, 1000);
    rig_.Reopen(wall_offset_, wall - now, now);
    copy_of_.reset();
    wall_offset_ = wall - now;
    model_->Restart(now);
    cursor().set_epoch(model_->epoch);
    cursor().ParkExhausted(rules(), false, "restarted", &effects_);
    model_->ParkExhausted(false, "restarted");
    for (const Parked& range : effects_.parked) NoteUnordered(range);
    owner_ = ConsumerId(owner_.value() + 1);
  }

  // ---- Invariants

  void CompareEvents() {
    std::map<int64_t, ModelEvent> found;
    for (const auto& [start, range] : cursor().pending().map()) {
      for (uint32_t i = 0; i < range.count; ++i) {
        ModelEvent& event = found[start + i];
        event.state = range.state;
        event.due = range.due;
        event.attempts = range.attempts;
        event.consumer = range.consumer;
        event.extra = range.extra;
        event.alone = range.alone;
        event.delivered = range.delivered;
        event.silent = range.silent;
        event.epoch = range.stamp;
        event.reason = std::string(range.reason.view());
        // The place of the copy shows when it is delivered.
        if (!range.redriven) continue;
        const auto it = model_->events.find(start + i);
        ASSERT_NE(it, model_->events.end());
        event.redriven_from = it->second.redriven_from.value_or(-1);
      }
    }
    ASSERT_EQ(found, model_->events);
    ASSERT_EQ(cursor().next().value(), model_->next);
    ASSERT_EQ(cursor().acked().value(), model_->Acked());
    ASSERT_EQ(cursor().lost(), model_->lost);
    ASSERT_EQ(cursor().pending().next_due(), model_->NextDue());
    const int64_t live = model_->CountIf([](const ModelEvent& event) { return !event.extra; });
    ASSERT_EQ(cursor().LagUpTo(rig_.log.end()),
              live + std::max<int64_t>(0, model_->log_end - model_->next));
  }

  void CompareEffects() {
    const ModelEffects& wanted = model_->effects;
    ASSERT_EQ(effects_.acked, wanted.acked);
    ASSERT_EQ(effects_.nacked, wanted.nacked);
    ASSERT_EQ(effects_.skipped, wanted.skipped);
    ASSERT_EQ(effects_.expired, wanted.expired);
    ASSERT_EQ(effects_.lost, wanted.lost);
    std::map<uint32_t, int64_t> released;
    for (const auto& [consumer, usage] : effects_.released) {
      released[consumer.value()] += usage.events;
      ASSERT_EQ(usage.bytes, usage.events * CursorRig::kEventBytes);
    }
    ASSERT_EQ(released, wanted.released);
    std::map<int64_t, ModelParked> parked;
    for (const Parked& range : effects_.parked) {
      ASSERT_EQ(range.partition, rig_.log.id());
      for (uint32_t i = 0; i < range.count; ++i) {
        const int64_t event = range.start.value() + i;
        std::optional<int64_t> copy;
        if (range.redriven_from.has_value()) copy = range.redriven_from->offset.value();
        ASSERT_TRUE(parked.emplace(event, ModelParked{range.attempts, *range.reason, copy}).second);
      }
    }
    ASSERT_EQ(parked, wanted.parked);
    Offsets trimmed;
    for (const auto& [from, to] : effects_.trimmed) {
      for (int64_t i = from.value(); i < to.value(); ++i) ASSERT_TRUE(trimmed.insert(i).second);
    }
    ASSERT_EQ(trimmed, wanted.trimmed);
  }

  bool Deliverable() const {
    return model_->NextOf(Flow::kLive).has_value() || model_->NextOf(Flow::kExtra).has_value() ||
           model_->NextOf(Flow::kIsolated).has_value();
  }

  // Runs an operation, checks that consumers are woken if necessary, and compares.
  template <typename Operation>
  void Do(Operation operation, bool wakes) {
    effects_ = Effects();
    model_->effects = ModelEffects();
    const bool before = Deliverable();
    (this->*operation)();
    if (HasFailure()) return;
    Commit();
    CompareEvents();
    CompareEffects();
    const bool said = effects_.more_to_deliver || !effects_.released.empty();
    ASSERT_TRUE(!wakes || before || said || !Deliverable()) << "nobody would be woken";
  }

  // Changes take effect for others when their commit is visible, whether it is written alone or
  // with others; in both cases the store is the same afterwards.
  void Commit() {
    if (OneIn(2)) rig_.Write(wall_offset_);
    rig_.Complete(&effects_);
  }

  void Step() {
    const int64_t what = Int(0, 99);
    if (what < 25) return Do(&CursorModelTest::Deliver, false);
    if (what < 60) return Do(&CursorModelTest::Settle, true);
    if (what < 65) return Do(&CursorModelTest::Expire, true);
    if (what < 72) return Do(&CursorModelTest::EndSomeParking, true);
    if (what < 76) return Do(&CursorModelTest::Replay, false);
    if (what < 86) return Do(&CursorModelTest::Grow, false);
    if (what < 90) return Do(&CursorModelTest::Return, true);
    if (what < 93) return Do(&CursorModelTest::Trim, true);
    if (what < 96) return Do(&CursorModelTest::Restart, false);
    if (what < 98) return Do(&CursorModelTest::ChangeRules, false);
    if (what == 98) return Do(&CursorModelTest::Copy, false);
    if (OneIn(2)) Do(&CursorModelTest::Seek, false);
  }

  void EndSomeParking() { EndParking(); }
  void EndAllParking() { EndParking(true); }

  void AckAll() {
    for (const ConsumerId consumer : {ConsumerId(1), ConsumerId(2), ConsumerId(3), owner_}) {
      cursor().Ack(
          rules().queue, consumer, Offset(0), cursor().next(), [](Offset, Offset) {}, &effects_);
      model_->Ack(consumer, 0, model_->next);
    }
  }

  // With consumers that ack everything, everything is settled in the end.
  void Drain() {
    const auto left = [this] { return model_->log_end - model_->next + Pending(); };
    for (int i = 0; left() > 0; ++i) {
      ASSERT_LT(i, 50'000) << left() << " events are stuck";
      Do(&CursorModelTest::Deliver, false);
      Do(&CursorModelTest::AckAll, true);
      Do(&CursorModelTest::EndAllParking, true);
      Do(&CursorModelTest::Expire, true);
      if (HasFailure()) return;
    }
    ASSERT_TRUE(cursor().pending().map().empty());
    ASSERT_EQ(cursor().acked(), rig_.log.end());
  }
  int64_t Pending() const { return static_cast<int64_t>(model_->events.size()); }

  CursorRig rig_;
  std::unique_ptr<CursorModel> model_;
  Effects effects_;
  ConsumerId owner_{1000};
  int64_t wall_offset_ = 1'700'000'000'000'000;
  Offsets unordered_;
  std::optional<Offsets> copy_of_;  // The events that the copy in progress must contain.
  Offsets copied_;
  std::function<void(Offset, Offset)> collect_;
};

INSTANTIATE_TEST_SUITE_P(All, CursorModelTest,
                         testing::Values(Kind::kStream, Kind::kQueue, Kind::kOrderedQueue),
                         [](const auto& info) {
                           return info.param == Kind::kStream  ? "Stream"
                                  : info.param == Kind::kQueue ? "Queue"
                                                               : "OrderedQueue";
                         });

TEST_P(CursorModelTest, MatchesModel) {
  const int steps = Steps(20'000);
  for (int i = 0; i < steps; ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", seed_, ", step ", i));
    Step();
    if (i % 2'000 == 1'999 && !HasFailure()) Drain();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace eventhub

// Ranges of pending events, compared with a model of single events.
#include "server/core/subscription/cursor/pending_ranges.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/seeded.h"
#include "tests/support/sanitizers.h"

namespace eventhub {
namespace {

using Verdict = PendingRanges::Verdict;

constexpr int64_t kNotDue = std::numeric_limits<int64_t>::max();

// One pending event.
struct Pending {
  RangeState state = RangeState::kReady;
  int64_t due = 0;
  std::string reason;
  uint32_t attempts = 0;
  uint32_t consumer = 0;
  bool extra = false;
  bool redriven = false;
  bool alone = false;
  bool delivered = false;
  bool silent = false;
  uint64_t lease_epoch = 0;

  bool operator==(const Pending&) const = default;
};

std::ostream& operator<<(std::ostream& os, const Pending& event) {
  return os << "{state " << static_cast<int>(event.state) << ", due " << event.due << ", "
            << event.attempts << " attempts, consumer " << event.consumer
            << (event.extra ? ", extra" : "") << (event.alone ? ", alone" : "")
            << (event.redriven ? ", redriven " : " ") << event.reason << "}";
}

using Events = std::map<int64_t, Pending>;

Pending EventOf(const PendingRange& range) {
  return {range.state,
          range.due,
          std::string(range.reason.view()),
          range.attempts,
          range.consumer.value(),
          range.extra,
          range.redriven,
          range.alone,
          range.delivered,
          range.silent,
          range.stamp};
}

PendingRange RangeOf(const Pending& event) {
  PendingRange range;
  range.state = event.state;
  range.due = event.due;
  range.reason = SharedText(event.reason);
  range.attempts = static_cast<uint16_t>(event.attempts);
  range.consumer = ConsumerId(event.consumer);
  range.extra = event.extra;
  range.redriven = event.redriven;
  range.alone = event.alone;
  range.delivered = event.delivered;
  range.silent = event.silent;
  range.stamp = event.lease_epoch;
  return range;
}

template <typename Ranges>
Events EventsOf(const Ranges& ranges) {
  Events events;
  for (const auto& [start, range] : ranges) {
    for (uint32_t i = 0; i < range.count; ++i) {
      EXPECT_TRUE(events.emplace(start + i, EventOf(range)).second) << start + i;
    }
  }
  return events;
}

bool Waits(const Pending& event) {
  const bool waits = event.state == RangeState::kLeased || event.state == RangeState::kDelayed;
  return waits && event.due != kNotDue;
}

class PendingRangesTest : public SeededTest {
 protected:
  Pending AnyEvent() {
    Pending event;
    event.state = static_cast<RangeState>(Int(0, 4));
    if (event.state == RangeState::kLeased) event.consumer = static_cast<uint32_t>(Int(1, 2));
    const bool waits = event.state == RangeState::kLeased || event.state == RangeState::kDelayed;
    if (waits) event.due = OneIn(3) ? kNotDue : now_ + Int(1, 20);
    event.attempts = static_cast<uint32_t>(Int(0, 2));
    event.extra = OneIn(4);
    event.alone = OneIn(4);
    event.delivered = OneIn(4);
    event.silent = OneIn(4);
    event.lease_epoch = OneIn(4) ? 1 : 0;
    if (OneIn(4)) event.reason = OneIn(2) ? "one" : "two";
    return event;
  }

  void Add() {
    const int64_t start = Int(0, kOffsets);
    int64_t end = start;
    while (end < start + 12 && !model_.contains(end)) ++end;
    if (end == start) return;
    Pending event = AnyEvent();
    event.redriven = OneIn(5);
    if (event.redriven) end = start + 1;
    ranges_->Add(Offset(start), end - start, RangeOf(event));
    for (int64_t offset = start; offset < end; ++offset) model_.emplace(offset, event);
  }

  // Changes or removes one kind of event.
  void Edit() {
    const int64_t from = Int(0, kOffsets);
    const int64_t to = Int(0, kOffsets + 12);
    const auto state = static_cast<RangeState>(Int(0, 4));
    const bool remove = OneIn(2);
    const Pending change = AnyEvent();
    const auto edit = [&](Pending& event) {
      const bool redriven = event.redriven;
      event = change;
      event.redriven = redriven;
    };
    int64_t at = from;
    ranges_->EditRange(Offset(from), Offset(to), [&](Offset start, PendingRange& range) {
      EXPECT_GE(start.value(), at);
      at = start.value() + range.count;
      EXPECT_LE(at, to);
      if (range.state != state) return Verdict::kKeep;
      if (remove) return Verdict::kRemove;
      const uint32_t count = range.count;
      const bool stored = range.stored;
      const bool dirty = range.dirty;
      Pending event = EventOf(range);
      edit(event);
      range = RangeOf(event);
      range.count = count;
      range.stored = stored;
      range.dirty = dirty;
      return Verdict::kChanged;
    });
    for (int64_t offset = from; offset < to; ++offset) {
      const auto it = model_.find(offset);
      if (it == model_.end() || it->second.state != state) continue;
      if (remove) {
        model_.erase(it);
      } else {
        edit(it->second);
      }
    }
  }

  void RemoveAll() {
    ranges_->EditRange(Offset(0), Offset::Max(),
                       [](Offset, PendingRange&) { return Verdict::kRemove; });
    model_.clear();
  }

  void EditDue() {
    now_ += Int(0, 10);
    ranges_->EditDue(now_, SIZE_MAX, [&](Offset, PendingRange& range) {
      EXPECT_LE(range.due, now_);
      range.state = RangeState::kReady;
      range.due = 0;
      return Verdict::kChanged;
    });
    for (auto& [offset, event] : model_) {
      if (!Waits(event) || event.due > now_) continue;
      event.state = RangeState::kReady;
      event.due = 0;
    }
  }

  // After this the store holds the current state, and loading restores it.
  void FlushAndLoad() {
    ranges_->Flush(
        [this](Offset start, const PendingRange& range) {
          PendingRange copy = range.Copy();
          store_.insert_or_assign(start.value(), std::move(copy));
        },
        [this](Offset start) { EXPECT_EQ(store_.erase(start.value()), 1u) << start; });
    ASSERT_FALSE(ranges_->dirty());
    ASSERT_EQ(EventsOf(store_), model_);
    ASSERT_EQ(store_.size(), ranges_->map().size());
    if (!OneIn(4)) return;
    ranges_.emplace();
    for (const auto& [start, range] : store_) ranges_->Load(Offset(start), range.Copy());
    ASSERT_FALSE(ranges_->dirty());
  }

  void Compare() {
    ASSERT_EQ(EventsOf(ranges_->map()), model_);
    for (auto it = ranges_->map().begin(); it != ranges_->map().end(); ++it) {
      const auto next = std::next(it);
      if (next == ranges_->map().end()) break;
      ASSERT_LE(it->first + it->second.count, next->first);
      const bool neighbours = it->first + it->second.count == next->first;
      ASSERT_FALSE(neighbours && it->second.Like(next->second)) << "not joined at " << next->first;
    }
    CompareCounts();
    CompareFirst();
    CompareEnds();
  }

  void CompareCounts() {
    PendingRanges::Counts counts;
    int64_t next_due = kNotDue;
    for (const auto& [offset, event] : model_) {
      ++(event.extra ? counts.extra : counts.live);
      if (event.state == RangeState::kLeased) ++counts.leased;
      if (event.state == RangeState::kLeased && !event.extra) ++counts.leased_live;
      if (event.state == RangeState::kDelayed) ++counts.delayed;
      if (event.state == RangeState::kBlocked) ++counts.blocked;
      if (event.state == RangeState::kParking) ++counts.parking;
      if (event.state == RangeState::kReady && event.alone) ++counts.alone;
      if (Waits(event)) next_due = std::min(next_due, event.due);
    }
    const PendingRanges::Counts& found = ranges_->counts();
    ASSERT_EQ(found.live, counts.live);
    ASSERT_EQ(found.extra, counts.extra);
    ASSERT_EQ(found.leased, counts.leased);
    ASSERT_EQ(found.leased_live, counts.leased_live);
    ASSERT_EQ(found.delayed, counts.delayed);
    ASSERT_EQ(found.blocked, counts.blocked);
    ASSERT_EQ(found.parking, counts.parking);
    ASSERT_EQ(found.alone, counts.alone);
    ASSERT_EQ(ranges_->next_due(), next_due);
  }

  void CompareFirst() {
    for (const Flow flow : {Flow::kLive, Flow::kExtra, Flow::kIsolated}) {
      const auto first = std::find_if(model_.begin(), model_.end(), [flow](const auto& entry) {
        const auto& [offset, event] = entry;
        const Flow own = event.alone ? Flow::kIsolated : (event.extra ? Flow::kExtra : Flow::kLive);
        return event.state == RangeState::kReady && own == flow;
      });
      const auto found = ranges_->FirstReady(flow);
      ASSERT_EQ(found == ranges_->map().end(), first == model_.end());
      if (first == model_.end()) continue;
      ASSERT_EQ(found->first, first->first);
    }
    const int64_t offset = Int(0, kOffsets + 12);
    const auto at = ranges_->At(Offset(offset));
    const auto first = model_.lower_bound(offset);
    ASSERT_EQ(at == ranges_->map().end(), first == model_.end());
    if (first == model_.end()) return;
    ASSERT_LE(at->first, first->first);
    ASSERT_GT(at->first + at->second.count, first->first);
  }

  // As if the ranges of [from, to) were counted from either end.
  void CompareEnds() {
    const Offset from(Int(0, kOffsets));
    const Offset to(Int(from.value() + 1, kOffsets + 12));
    const auto limit = static_cast<size_t>(Int(1, 4));
    const size_t all = ranges_->CountIn(from, to, SIZE_MAX);
    const Offset end = ranges_->EndOf(limit, from, to);
    const Offset start = ranges_->StartOf(limit, from, to);
    ASSERT_EQ(ranges_->CountIn(from, end, SIZE_MAX), std::min(limit, all));
    ASSERT_EQ(ranges_->CountIn(start, to, SIZE_MAX), std::min(limit, all));
    ASSERT_EQ(start == from,
              all <= limit || ranges_->CountIn(from, from + 1, 1) == all - limit + 1);
  }

  static constexpr int64_t kOffsets = 60;

  int64_t now_ = 0;
  std::optional<PendingRanges> ranges_{std::in_place};
  Events model_;
  std::map<int64_t, PendingRange> store_;
};

TEST_F(PendingRangesTest, MatchesModel) {
  for (int i = 0; i < Steps(20'000); ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", seed_, ", step ", i));
    switch (Int(0, 9)) {
      case 0:
      case 1:
      case 2:
        Add();
        break;
      case 3:
        EditDue();
        break;
      case 4:
        FlushAndLoad();
        break;
      case 5:
        if (OneIn(50)) RemoveAll();
        break;
      default:
        Edit();
        break;
    }
    Compare();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

TEST_F(PendingRangesTest, SplitsRangesBeyondMaximumSize) {
  constexpr int64_t kCount = 10'000'000'000;
  ranges_->Add(Offset(5), kCount, PendingRange());
  EXPECT_EQ(ranges_->counts().live, kCount);
  EXPECT_LE(ranges_->map().size(), 5u);
  EXPECT_EQ(ranges_->map().begin()->first, 5);
  int64_t removed = 0;
  ranges_->EditRange(Offset(5), Offset(5 + kCount), [&](Offset start, PendingRange& range) {
    EXPECT_EQ(start.value(), 5 + removed);
    removed += range.count;
    return Verdict::kRemove;
  });
  EXPECT_EQ(removed, kCount);
  EXPECT_EQ(ranges_->counts().live, 0);
}

// The cost of 100,000 holes, in ranges, calls, and records written.
class HolesTest : public testing::Test {
 protected:
  static constexpr int64_t kEvents = 200'000;

  void Remove(int64_t event) {
    ranges_.EditRange(Offset(event), Offset(event + 1), [this](Offset, PendingRange&) {
      ++calls_;
      return Verdict::kRemove;
    });
  }

  void Flush() {
    ranges_.Flush([this](Offset, const PendingRange&) { ++written_; },
                  [this](Offset) { ++written_; });
  }

  PendingRanges ranges_;
  int64_t calls_ = 0;
  int64_t written_ = 0;
};

TEST_F(HolesTest, CostIsProportionalToNumberOfHoles) {
  // It takes a minute, in code that others run as well.
  if (kAddressSanitizer) GTEST_SKIP() << "it is about cost";
  PendingRange leased;
  leased.state = RangeState::kLeased;
  leased.due = 1'000'000;
  ranges_.Add(Offset(0), kEvents, leased);
  for (int64_t event = 0; event < kEvents; event += 2) {
    Remove(event);
    Flush();
  }
  EXPECT_EQ(calls_, kEvents / 2);
  EXPECT_EQ(ranges_.map().size(), static_cast<size_t>(kEvents / 2));
  EXPECT_EQ(ranges_.counts().leased, kEvents / 2);
  EXPECT_LE(written_, 2 * kEvents);
  // A few MB, including the keys and the index of due times.
  EXPECT_LE(sizeof(PendingRanges::Map::value_type), 48u);

  // Leases that end one after another do not examine all others.
  calls_ = 0;
  ranges_.EditRange(Offset(0), Offset(kEvents), [](Offset start, PendingRange& range) {
    range.due = 1 + start.value();
    return Verdict::kKeep;
  });
  for (int64_t now = 1; now <= kEvents; ++now) {
    ranges_.EditDue(now, SIZE_MAX, [this](Offset, PendingRange& range) {
      ++calls_;
      range.state = RangeState::kReady;
      return Verdict::kChanged;
    });
  }
  EXPECT_EQ(calls_, kEvents / 2);
  EXPECT_EQ(ranges_.next_due(), kNotDue);

  for (int64_t event = 1; event < kEvents; event += 2) Remove(event);
  EXPECT_TRUE(ranges_.map().empty());
  Flush();
  EXPECT_FALSE(ranges_.dirty());
}

// Ranges that become adjacent are merged.
TEST_F(HolesTest, MergesAdjacentRanges) {
  ranges_.Add(Offset(0), 1000, PendingRange());
  for (int64_t event = 0; event < 1000; event += 2) Remove(event);
  for (int64_t event = 0; event < 1000; event += 2) ranges_.Add(Offset(event), 1, PendingRange());
  EXPECT_EQ(ranges_.map().size(), 1u);
  Flush();
  EXPECT_EQ(written_, 1);
}

}  // namespace
}  // namespace eventhub

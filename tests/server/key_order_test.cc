// Order of the events of a key, compared with a set per key.
#include "server/core/subscription/cursor/key_order.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/seeded.h"

namespace eventhub {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr uint64_t kA = 1;
constexpr uint64_t kB = 2;

TEST(KeyOrderTest, AdmitsFirstEventOfEachKey) {
  KeyOrder order;
  EXPECT_TRUE(order.Admit(Offset(0), kA));
  EXPECT_FALSE(order.Admit(Offset(1), kA));
  EXPECT_TRUE(order.Admit(Offset(2), kB));
  EXPECT_FALSE(order.Admit(Offset(3), kA));
  EXPECT_EQ(order.waiting(), 2u);
  EXPECT_THAT(order.Settle(Offset(0)), Optional(Offset(1)));
  EXPECT_TRUE(order.Admit(Offset(1), kA));
  EXPECT_EQ(order.waiting(), 1u);
  EXPECT_THAT(order.Settle(Offset(1)), Optional(Offset(3)));
  EXPECT_TRUE(order.Admit(Offset(3), kA));
  EXPECT_EQ(order.Settle(Offset(3)), std::nullopt);
  EXPECT_EQ(order.Settle(Offset(2)), std::nullopt);
  EXPECT_EQ(order.waiting(), 0u);
  EXPECT_TRUE(order.Admit(Offset(4), kA));
}

// It is redelivered after a nack, or waits again.
TEST(KeyOrderTest, ReadmittedEventKeepsItsPosition) {
  KeyOrder order;
  ASSERT_TRUE(order.Admit(Offset(0), kA));
  ASSERT_FALSE(order.Admit(Offset(1), kA));
  EXPECT_TRUE(order.Admit(Offset(0), kA));
  EXPECT_FALSE(order.Admit(Offset(1), kA));
  EXPECT_EQ(order.waiting(), 1u);
  EXPECT_THAT(order.Settle(Offset(0)), Optional(Offset(1)));
  EXPECT_TRUE(order.Admit(Offset(1), kA));
}

TEST(KeyOrderTest, HandlesSettlingOutOfOrder) {
  KeyOrder order;
  for (int64_t event = 0; event < 5; ++event) order.Admit(Offset(event), kA);
  EXPECT_EQ(order.Settle(Offset(2)), std::nullopt);
  EXPECT_EQ(order.Settle(Offset(4)), std::nullopt);
  EXPECT_EQ(order.Settle(Offset(4)), std::nullopt);
  EXPECT_FALSE(order.Admit(Offset(5), kA));
  EXPECT_THAT(order.Settle(Offset(0)), Optional(Offset(1)));
  EXPECT_EQ(order.Settle(Offset(3)), std::nullopt);
  EXPECT_THAT(order.Settle(Offset(1)), Optional(Offset(5)));  // Before it took its turn.
  EXPECT_TRUE(order.Admit(Offset(5), kA));
  EXPECT_EQ(order.Settle(Offset(5)), std::nullopt);
}

// They were redriven, or are replayed.
TEST(KeyOrderTest, EarlierEventsGoFirst) {
  KeyOrder order;
  for (int64_t event = 10; event < 10'010; ++event) order.Admit(Offset(event), kA);
  EXPECT_FALSE(order.Admit(Offset(7), kA));
  EXPECT_FALSE(order.Admit(Offset(3), kA));
  EXPECT_TRUE(order.Admit(Offset(10), kA));  // It keeps its turn until it is settled.
  EXPECT_THAT(order.Settle(Offset(10)), Optional(Offset(3)));
  EXPECT_TRUE(order.Admit(Offset(3), kA));
  EXPECT_THAT(order.Settle(Offset(3)), Optional(Offset(7)));
  EXPECT_TRUE(order.Admit(Offset(2), kA));  // The other one was not delivered yet.
  EXPECT_FALSE(order.Admit(Offset(7), kA));
  EXPECT_THAT(order.Settle(Offset(2)), Optional(Offset(7)));
  EXPECT_THAT(order.Settle(Offset(7)), Optional(Offset(11)));
}

// It takes no longer, however many events wait: otherwise this would not end.
TEST(KeyOrderTest, RemovesWaitingEventsFromTheEnd) {
  constexpr int64_t kEvents = 300'000;
  MemoryMeter meter(kEvents * KeyOrder::kEventBytes);
  {
    KeyOrder order(&meter);
    for (int64_t event = 0; event < kEvents; ++event) order.Admit(Offset(event), kA);
    EXPECT_EQ(meter.left(), 0u);
    for (int64_t event = kEvents - 1; event > 1; --event) order.Settle(Offset(event));
    EXPECT_EQ(meter.used(), 2 * KeyOrder::kEventBytes);
    EXPECT_THAT(order.Settle(Offset(0)), Optional(Offset(1)));
  }
  EXPECT_EQ(meter.used(), 0u);
}

TEST(KeyOrderTest, IsFullWhenMemoryIsShort) {
  MemoryMeter meter(size_t{1} << 20);
  KeyOrder order(&meter);
  int64_t event = 0;
  for (; !order.full(); ++event) order.Admit(Offset(event), kA);
  EXPECT_GT(meter.used(), size_t{1} << 17);
  EXPECT_LT(meter.used(), size_t{1} << 19);
  order.Settle(Offset(--event));
  EXPECT_FALSE(order.full());
}

TEST(KeyOrderTest, HasRoomForExtraEventsWhenLiveOnesFillIt) {
  KeyOrder order;
  int64_t event = 0;
  for (; !order.full(); ++event) order.Admit(Offset(event), kA);
  EXPECT_LT(order.waiting(), KeyOrder::kMaxWaiting);
  EXPECT_FALSE(order.full(/*extra=*/true));
  for (; !order.full(/*extra=*/true); ++event) order.Admit(Offset(event), kA);
  EXPECT_EQ(order.waiting(), KeyOrder::kMaxWaiting);
}

TEST(KeyOrderTest, ListsKnownEventsOfLargeRange) {
  KeyOrder order;
  for (const int64_t event : {7, 3, 5}) order.Admit(Offset(event), kA);
  EXPECT_THAT(order.KnownOf(Offset(4), Offset::Max()), ElementsAre(Offset(5), Offset(7)));
  EXPECT_THAT(order.KnownOf(Offset(3), Offset(6)), ElementsAre(Offset(3), Offset(5)));
  EXPECT_THAT(order.KnownOf(Offset(8), Offset::Max()), IsEmpty());
}

class KeyOrderModelTest : public SeededTest {
 protected:
  struct Key {
    std::optional<int64_t> turn;
    std::set<int64_t> waiting;

    bool Has(int64_t event) const { return turn == event || waiting.contains(event); }
    // The event that may be delivered.
    std::optional<int64_t> Head() const {
      if (turn.has_value() || waiting.empty()) return turn;
      return *waiting.begin();
    }
  };

  // The key of a registered event.
  std::map<uint64_t, Key>::iterator KeyOf(int64_t event) {
    return std::find_if(keys_.begin(), keys_.end(),
                        [event](const auto& entry) { return entry.second.Has(event); });
  }

  bool Admit(int64_t event, uint64_t key) {
    const auto known = KeyOf(event);
    Key& of_key = known != keys_.end() ? known->second : keys_[key];
    if (of_key.turn != event) of_key.waiting.insert(event);
    if (of_key.Head() != event) return false;
    of_key.waiting.erase(event);
    of_key.turn = event;
    return true;
  }

  std::optional<Offset> Settle(int64_t event) {
    const auto it = KeyOf(event);
    if (it == keys_.end()) return std::nullopt;
    Key& key = it->second;
    const std::optional<int64_t> before = key.Head();
    if (key.turn == event) key.turn.reset();
    key.waiting.erase(event);
    const std::optional<int64_t> head = key.Head();
    if (!head.has_value() || head == before) return std::nullopt;
    return Offset(*head);
  }

  size_t Waiting() const {
    size_t waiting = 0;
    for (const auto& [key, of_key] : keys_) waiting += of_key.waiting.size();
    return waiting;
  }

  std::vector<Offset> KnownOf(int64_t from, int64_t to) {
    std::vector<Offset> known;
    for (int64_t event = from; event < to; ++event) {
      if (KeyOf(event) != keys_.end()) known.push_back(Offset(event));
    }
    return known;
  }

  std::map<uint64_t, Key> keys_;
};

TEST_F(KeyOrderModelTest, MatchesModel) {
  constexpr int64_t kEvents = 60;
  KeyOrder order;
  for (int i = 0; i < Steps(20'000); ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", seed_, ", step ", i));
    const int64_t event = Int(0, kEvents);
    if (OneIn(2)) {
      const uint64_t key = static_cast<uint64_t>(event) % 7;
      ASSERT_EQ(order.Admit(Offset(event), key), Admit(event, key));
    } else {
      ASSERT_EQ(order.Settle(Offset(event)), Settle(event));
    }
    ASSERT_EQ(order.waiting(), Waiting());
    ASSERT_EQ(order.Knows(Offset(event)), KeyOf(event) != keys_.end());
    const int64_t from = Int(0, kEvents);
    const int64_t to = Int(from, 2 * kEvents);
    ASSERT_EQ(order.KnownOf(Offset(from), Offset(to)), KnownOf(from, to));
  }
}

}  // namespace
}  // namespace eventhub

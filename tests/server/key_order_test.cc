// Order of the events of a key, compared with a list per key.
#include "server/core/subscription/cursor/key_order.h"

#include <algorithm>
#include <map>
#include <optional>
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
  EXPECT_THAT(order.Settle(Offset(1)), Optional(Offset(3)));
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
  EXPECT_THAT(order.Settle(Offset(1)), Optional(Offset(3)));
  EXPECT_THAT(order.Settle(Offset(3)), Optional(Offset(5)));
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

TEST(KeyOrderTest, ListsKnownEventsOfLargeRange) {
  KeyOrder order;
  for (const int64_t event : {7, 3, 5}) order.Admit(Offset(event), kA);
  EXPECT_THAT(order.KnownOf(Offset(4), Offset::Max()), ElementsAre(Offset(5), Offset(7)));
  EXPECT_THAT(order.KnownOf(Offset(3), Offset(6)), ElementsAre(Offset(3), Offset(5)));
  EXPECT_THAT(order.KnownOf(Offset(8), Offset::Max()), IsEmpty());
}

class KeyOrderModelTest : public SeededTest {
 protected:
  using Queue = std::vector<int64_t>;

  // The queue that contains the event.
  std::map<uint64_t, Queue>::iterator QueueOf(int64_t event) {
    return std::find_if(queues_.begin(), queues_.end(), [event](const auto& entry) {
      return std::count(entry.second.begin(), entry.second.end(), event) > 0;
    });
  }

  bool Admit(int64_t event, uint64_t key) {
    auto it = QueueOf(event);
    if (it == queues_.end()) {
      queues_[key].push_back(event);
      it = queues_.find(key);
    }
    return it->second.front() == event;
  }

  std::optional<Offset> Settle(int64_t event) {
    const auto it = QueueOf(event);
    if (it == queues_.end()) return std::nullopt;
    Queue& queue = it->second;
    const bool first = queue.front() == event;
    queue.erase(std::find(queue.begin(), queue.end(), event));
    if (!queue.empty()) return first ? std::optional(Offset(queue.front())) : std::nullopt;
    queues_.erase(it);
    return std::nullopt;
  }

  size_t Waiting() const {
    size_t waiting = 0;
    for (const auto& [key, queue] : queues_) waiting += queue.size() - 1;
    return waiting;
  }

  std::vector<Offset> KnownOf(int64_t from, int64_t to) {
    std::vector<Offset> known;
    for (int64_t event = from; event < to; ++event) {
      if (QueueOf(event) != queues_.end()) known.push_back(Offset(event));
    }
    return known;
  }

  std::map<uint64_t, Queue> queues_;
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
    ASSERT_EQ(order.Knows(Offset(event)), QueueOf(event) != queues_.end());
    const int64_t from = Int(0, kEvents);
    const int64_t to = Int(from, 2 * kEvents);
    ASSERT_EQ(order.KnownOf(Offset(from), Offset(to)), KnownOf(from, to));
  }
}

}  // namespace
}  // namespace eventhub

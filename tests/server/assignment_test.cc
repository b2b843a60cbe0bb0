// The assignment of partitions: balanced, and with as few moves as possible.
#include "server/core/subscription/dispatch/assignment.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/seeded.h"

namespace eventhub {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;

using Owners = std::vector<ConsumerId>;

constexpr ConsumerId kNone;

Owners Ids(std::vector<uint32_t> numbers) {
  Owners ids;
  for (const uint32_t number : numbers) ids.push_back(ConsumerId(number));
  return ids;
}

std::map<ConsumerId, size_t> Count(const Owners& owners) {
  std::map<ConsumerId, size_t> counts;
  for (const ConsumerId owner : owners) ++counts[owner];
  return counts;
}

size_t Kept(const Owners& before, const Owners& after) {
  size_t kept = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] != kNone && before[i] == after[i]) ++kept;
  }
  return kept;
}

// The maximum number of partitions that can keep their owner: tries every choice of the consumers
// that get one more.
size_t MostKept(const Owners& owners, const Owners& consumers) {
  const size_t quota = owners.size() / consumers.size();
  const int odd = static_cast<int>(owners.size() % consumers.size());
  std::map<ConsumerId, size_t> held = Count(owners);
  size_t most = 0;
  for (uint32_t choice = 0; choice < (1u << consumers.size()); ++choice) {
    if (__builtin_popcount(choice) != odd) continue;
    size_t kept = 0;
    for (size_t i = 0; i < consumers.size(); ++i) {
      kept += std::min(held[consumers[i]], quota + ((choice >> i) & 1));
    }
    most = std::max(most, kept);
  }
  return most;
}

TEST(AssignmentTest, LeavesPartitionsUnassignedWithoutConsumers) {
  EXPECT_THAT(PlanAssignment(Ids({1, 2, 0}), {}), Each(kNone));
  EXPECT_THAT(PlanAssignment({}, Ids({1})), IsEmpty());
}

TEST(AssignmentTest, AssignsEverythingToSingleConsumer) {
  EXPECT_EQ(PlanAssignment(Ids({0, 7, 3}), Ids({3})), Ids({3, 3, 3}));
}

TEST(AssignmentTest, KeepsOwnersWithMoreConsumersThanPartitions) {
  const Owners plan = PlanAssignment(Ids({0, 2}), Ids({1, 2, 3}));
  EXPECT_EQ(plan[1], ConsumerId(2));
  EXPECT_TRUE(plan[0] == ConsumerId(1) || plan[0] == ConsumerId(3));
}

TEST(AssignmentTest, MovesOnlyPartitionsOfDepartedConsumer) {
  const Owners before = Ids({1, 2, 3, 1, 2, 3, 1, 2, 3, 1});
  const Owners after = PlanAssignment(before, Ids({2, 3}));
  EXPECT_EQ(Kept(before, after), 6u);
  EXPECT_EQ(Count(after)[ConsumerId(2)], 5u);
}

TEST(AssignmentTest, NewConsumerTakesOnlyItsShare) {
  const Owners before = Ids({1, 1, 1, 2, 2, 2, 3, 3, 3});
  const Owners after = PlanAssignment(before, Ids({1, 2, 3, 4}));
  EXPECT_EQ(Count(after)[ConsumerId(4)], 2u);
  EXPECT_EQ(Kept(before, after), 7u);
}

class AssignmentPropertyTest : public SeededTest {};

TEST_F(AssignmentPropertyTest, PlanIsBalancedMinimalAndStable) {
  for (int i = 0; i < Steps(3'000); ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", seed_, ", step ", i));
    Owners consumers;
    for (uint32_t id = 1; id <= 12; ++id) {
      if (consumers.size() < 8 && OneIn(2)) consumers.push_back(ConsumerId(id));
    }
    std::shuffle(consumers.begin(), consumers.end(), random_);
    if (consumers.empty()) consumers.push_back(ConsumerId(1));
    Owners owners(static_cast<size_t>(Int(0, 40)));
    const int64_t strangers = Int(0, 12);
    for (ConsumerId& owner : owners) owner = ConsumerId(static_cast<uint32_t>(Int(0, strangers)));

    const Owners plan = PlanAssignment(owners, consumers);
    ASSERT_EQ(plan.size(), owners.size());
    std::map<ConsumerId, size_t> counts = Count(plan);
    const size_t fair = owners.size() / consumers.size();
    size_t assigned = 0;
    for (const ConsumerId consumer : consumers) {
      ASSERT_GE(counts[consumer], fair);
      ASSERT_LE(counts[consumer], fair + (owners.size() % consumers.size() > 0 ? 1 : 0));
      assigned += counts[consumer];
    }
    ASSERT_EQ(assigned, owners.size());
    ASSERT_EQ(Kept(owners, plan), MostKept(owners, consumers));
    ASSERT_EQ(PlanAssignment(owners, consumers), plan);
    ASSERT_EQ(PlanAssignment(plan, consumers), plan);
    // Once it is balanced, the order of the consumers does not matter either.
    std::shuffle(consumers.begin(), consumers.end(), random_);
    ASSERT_EQ(PlanAssignment(plan, consumers), plan);
  }
}

}  // namespace
}  // namespace eventhub

#include "storage/type_summary.h"

#include <cstdint>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(TypeSummary, KeepsDistinctHashesSorted) {
  TypeSummary types;
  for (const uint32_t hash : {7u, 3u, 7u, 9u, 3u}) types.Add(hash);
  EXPECT_THAT(types.hashes(), ElementsAre(3, 7, 9));
  EXPECT_FALSE(types.any());
  EXPECT_TRUE(types.MayHave({1, 7}));
  EXPECT_TRUE(types.MayHave({9}));
  EXPECT_FALSE(types.MayHave({1, 4, 8, 10}));
  EXPECT_FALSE(types.MayHave({}));
}

TEST(TypeSummary, EmptySummaryMatchesNothing) { EXPECT_FALSE(TypeSummary().MayHave({0, 1})); }

TEST(TypeSummary, TooManyTypesMeanAny) {
  TypeSummary types;
  for (uint32_t i = 0; i < TypeSummary::kMaxTypes; ++i) types.Add(i);
  EXPECT_FALSE(types.any());
  EXPECT_FALSE(types.MayHave({100}));
  types.Add(5);  // Already in the set.
  EXPECT_FALSE(types.any());
  types.Add(50);
  EXPECT_TRUE(types.any());
  EXPECT_THAT(types.hashes(), IsEmpty());
  EXPECT_TRUE(types.MayHave({100}));
  EXPECT_TRUE(types.MayHave({}));
  types.Add(51);
  EXPECT_THAT(types.hashes(), IsEmpty());
}

TEST(TypeSummary, MergesBothWays) {
  TypeSummary types;
  types.Add(2);
  TypeSummary other;
  other.Add(1);
  other.Add(2);
  types.Merge(other);
  EXPECT_THAT(types.hashes(), ElementsAre(1, 2));
  types.Merge(TypeSummary());
  EXPECT_THAT(types.hashes(), ElementsAre(1, 2));
  types.Merge(TypeSummary::Any());
  EXPECT_TRUE(types.any());
  types.Merge(other);
  EXPECT_TRUE(types.any());
  EXPECT_THAT(types.hashes(), IsEmpty());
}

}  // namespace
}  // namespace eventhub

// How file descriptors are divided.
#include "server/main/descriptor_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using ::testing::HasSubstr;

TEST(DescriptorPlanTest, DividesDescriptorsBetweenStoreAndConnections) {
  for (const size_t limit : {256, 300, 1'024, 4'096, 20'000, 65'536, 1'048'576}) {
    const auto plan = DescriptorPlan::For(limit, 10'000);
    ASSERT_TRUE(plan.ok()) << limit;
    EXPECT_GE(plan->store_files, 64u);
    EXPECT_LE(plan->store_files, 1'024u);
    EXPECT_GE(plan->connections, 32u);
    EXPECT_LE(plan->store_files + 2 * plan->connections + 128, limit);
  }
}

TEST(DescriptorPlanTest, PlansNoMoreConnectionsThanRequested) {
  EXPECT_EQ(DescriptorPlan::For(65'536, 10'000)->connections, 10'000u);
  EXPECT_EQ(DescriptorPlan::For(65'536, 5)->connections, 5u);
  EXPECT_LT(DescriptorPlan::For(1'024, 10'000)->connections, 512u);
}

TEST(DescriptorPlanTest, RejectsTooFewDescriptors) {
  const auto plan = DescriptorPlan::For(64, 10'000);
  EXPECT_TRUE(absl::IsResourceExhausted(plan.status()));
  EXPECT_THAT(plan.status().message(), HasSubstr("64"));
  EXPECT_THAT(plan.status().message(), HasSubstr("ulimit -n"));
}

}  // namespace
}  // namespace eventhub

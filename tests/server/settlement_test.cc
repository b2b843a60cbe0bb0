// The refused ranges of a request.
#include "server/core/subscription/dispatch/settlement.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "server/core/base/errors.h"

namespace eventhub {
namespace {

v1::Settlement Encode(const RefusedRanges& refused) {
  v1::Settlement settlement;
  refused.AddTo(&settlement);
  return settlement;
}

TEST(RefusedRangesTest, MergesAdjacentRangesOfOneCode) {
  RefusedRanges refused;
  const absl::Status lost = LeaseLost("s", "c");
  refused.Add(0, 1, 2, lost);
  refused.Add(0, 2, 4, lost);
  refused.Add(0, 5, 6, lost);
  refused.Add(0, 6, 7, TooManyPendingRanges("s", 0));
  refused.Add(1, 7, 8, TooManyPendingRanges("s", 1));
  const v1::Settlement settlement = Encode(refused);
  ASSERT_EQ(settlement.refused_size(), 4);
  EXPECT_EQ(settlement.refused(0).range().start(), 1);
  EXPECT_EQ(settlement.refused(0).range().end(), 4);
  EXPECT_EQ(settlement.refused(1).range().start(), 5);
  EXPECT_EQ(settlement.refused(1).error().message(), lost.message());
  EXPECT_EQ(settlement.refused(3).partition(), 1u);
  EXPECT_EQ(settlement.refused(3).error().message(), TooManyPendingRanges("s", 1).message());
  v1::ErrorDetail detail;
  ASSERT_TRUE(settlement.refused(2).error().details(0).UnpackTo(&detail));
  EXPECT_EQ(detail.reason(), v1::ErrorDetail::REASON_TOO_MANY_PENDING_RANGES);
}

// Causes are held once, and a limited number of them.
TEST(RefusedRangesTest, TakesLittleMemory) {
  RefusedRanges same;
  for (int64_t i = 0; i < 10'000; ++i) same.Add(0, 2 * i, 2 * i + 1, LeaseLost("s", "c"));
  EXPECT_LT(same.bytes(), size_t{64} << 10);
  EXPECT_EQ(Encode(same).refused_size(), static_cast<int>(RefusedRanges::kMaxRanges));
  EXPECT_EQ(Encode(same).refused().rbegin()->range().end(), 19'999);
  RefusedRanges different;
  for (uint32_t p = 0; p < 10'000; ++p) different.Add(p, 0, 1, PartitionNotFound("t", p, 0));
  EXPECT_EQ(Encode(different).refused_size(), 10'000);
  EXPECT_LT(different.bytes(), size_t{1} << 20);
}

}  // namespace
}  // namespace eventhub

// The rate limit, with a manual clock.
#include "server/core/subscription/dispatch/token_bucket.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/server/seeded.h"

namespace eventhub {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

TEST(TokenBucketTest, IsUnlimitedWithoutRate) {
  TokenBucket bucket;
  bucket.Take(1'000'000'000);
  EXPECT_EQ(bucket.Available(5), kMost);
  EXPECT_EQ(bucket.AvailableAt(5), 5);
}

TEST(TokenBucketTest, AllowsBurstOfOneSecond) {
  TokenBucket bucket;
  bucket.SetRate(100, 50 * kSecond);
  EXPECT_EQ(bucket.Available(50 * kSecond), 100);
  EXPECT_EQ(bucket.Available(90 * kSecond), 100);
  bucket.Take(100);
  EXPECT_EQ(bucket.Available(90 * kSecond), 0);
  EXPECT_EQ(bucket.Available(90 * kSecond + kSecond / 2), 50);
  EXPECT_EQ(bucket.Available(99 * kSecond), 100);
}

TEST(TokenBucketTest, OverdraftDelaysLaterTokens) {
  TokenBucket bucket;
  bucket.SetRate(10, 0);
  bucket.Take(40);
  EXPECT_LT(bucket.Available(kSecond), 0);
  const int64_t at = bucket.AvailableAt(kSecond);
  EXPECT_NEAR(static_cast<double>(at), 3.1 * kSecond, 10);
  EXPECT_LT(bucket.Available(at - 10), 1);
  EXPECT_GE(bucket.Available(at), 1);
  EXPECT_EQ(bucket.AvailableAt(at), at);
}

TEST(TokenBucketTest, RateChangeGrantsNoSecondBurst) {
  TokenBucket bucket;
  bucket.SetRate(100, 0);
  bucket.SetRate(10, 0);
  EXPECT_EQ(bucket.Available(0), 10);
  bucket.Take(10);
  // Raising the rate does not grant another second's worth.
  bucket.SetRate(1000, 0);
  EXPECT_EQ(bucket.Available(0), 0);
  EXPECT_EQ(bucket.Available(kSecond / 10), 100);
  bucket.SetRate(0, kSecond);
  EXPECT_EQ(bucket.Available(kSecond), kMost);
}

TEST(TokenBucketTest, HandlesLargestRate) {
  TokenBucket bucket;
  bucket.SetRate(std::numeric_limits<uint64_t>::max(), 0);
  EXPECT_GT(bucket.Available(0), int64_t{1} << 60);
  bucket.Take(kMost);
  EXPECT_GE(bucket.AvailableAt(1), 1);
}

// Threads read the clock before they wait for the lock.
TEST(TokenBucketTest, OlderTimeGrantsNothingTwice) {
  TokenBucket bucket;
  bucket.SetRate(100, 0);
  bucket.Take(100);
  EXPECT_EQ(bucket.Available(kSecond / 2), 50);
  EXPECT_EQ(bucket.Available(0), 50);
  EXPECT_EQ(bucket.Available(kSecond / 2), 50);
}

class TokenBucketRateTest : public SeededTest {};

TEST_F(TokenBucketRateTest, MeetsRateInTheLongRun) {
  for (const uint64_t rate : {1u, 7u, 1'000u, 123'456'789u}) {
    SCOPED_TRACE(absl::StrCat("seed ", seed_, ", rate ", rate));
    TokenBucket bucket;
    int64_t now = Int(0, 100 * kSecond);
    const int64_t begin = now;
    bucket.SetRate(rate, now);
    double taken = 0;
    double last = 0;
    while (now < begin + 60 * kSecond) {
      now = std::max(bucket.AvailableAt(now), now + Int(0, kSecond / 10));
      const int64_t available = bucket.Available(now);
      ASSERT_GE(available, 1);
      const int64_t amount = available + (OneIn(3) ? Int(0, static_cast<int64_t>(rate)) : 0);
      bucket.Take(amount);
      last = static_cast<double>(amount);
      taken += last;
    }
    const double seconds = static_cast<double>(now - begin) / kSecond;
    const auto per_second = static_cast<double>(rate);
    EXPECT_LE(taken - last, per_second * (seconds + 1) + 1);
    EXPECT_GE(taken, per_second * (seconds - 1));
  }
}

}  // namespace
}  // namespace eventhub

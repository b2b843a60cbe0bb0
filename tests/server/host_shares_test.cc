// The parts that hosts have of a limit.
#include "server/core/base/host_shares.h"

#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace eventhub {
namespace {

// Takes as many amounts of 10 as the host may have.
std::vector<HostShares::Part> TakeTens(HostShares& shares, const std::string& host) {
  std::vector<HostShares::Part> parts;
  while (auto part = shares.Take(host, 10)) parts.push_back(*std::move(part));
  return parts;
}

TEST(HostSharesTest, HostLeavesAsMuchAsItHas) {
  HostShares shares(1000);
  const auto first = TakeTens(shares, "a");
  EXPECT_EQ(shares.used(), 500u);
  const auto second = TakeTens(shares, "b");
  EXPECT_EQ(shares.used(), 750u);
  EXPECT_FALSE(shares.Take("a", 1).has_value());
  EXPECT_TRUE(shares.Take("c", 10).has_value());
  ASSERT_TRUE(shares.Largest().has_value());
  EXPECT_EQ(shares.Largest()->host, "a");
  EXPECT_EQ(shares.Largest()->amount, 500u);
}

TEST(HostSharesTest, PartsReturnWhatTheyHold) {
  HostShares shares(100);
  {
    auto part = shares.Take("a", 30);
    ASSERT_TRUE(part.has_value());
    HostShares::Part moved = *std::move(part);
    EXPECT_EQ(shares.used(), 30u);
  }
  EXPECT_EQ(shares.used(), 0u);
  EXPECT_FALSE(shares.Largest().has_value());
}

// One amount may be more than half of the limit, or all of it.
TEST(HostSharesTest, FirstAmountMayBeLarge) {
  HostShares shares(100);
  EXPECT_FALSE(shares.Take("a", 101).has_value());
  const auto all = shares.Take("a", 100);
  EXPECT_TRUE(all.has_value());
  EXPECT_FALSE(shares.Take("b", 1).has_value());
}

TEST(HostSharesTest, AccountTellsWhatIsLeft) {
  HostShares shares(100);
  const auto account = shares.Of("a");
  EXPECT_EQ(account, shares.Of("a"));
  EXPECT_EQ(account->left(), 100u);
  account->Add(20);
  EXPECT_EQ(account->left(), 30u);
  EXPECT_TRUE(account->Take(30));
  EXPECT_FALSE(account->Take(1));
  account->Add(1000);  // What exists is counted.
  EXPECT_EQ(account->left(), 0u);
  EXPECT_EQ(shares.Of("b")->left(), 0u);
  account->Release(1050);
  EXPECT_EQ(shares.used(), 0u);
}

}  // namespace
}  // namespace eventhub

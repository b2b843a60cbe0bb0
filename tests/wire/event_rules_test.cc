#include "proto/wire/event_rules.h"

#include <gtest/gtest.h>

namespace eventhub {
namespace {

// The hash is part of the contract: clients compute it, too. Values of the reference XXH64.
TEST(EventRulesTest, PartitionOfKeyIsXxh64) {
  EXPECT_EQ(wire::HashOfKey(""), 0xef46db3751d8e999u);
  EXPECT_EQ(wire::PartitionOfKey("", 1u << 31), 0xef46db3751d8e999u % (1u << 31));
  EXPECT_EQ(wire::PartitionOfKey("a", 1'000'003), 0xd24ec4f1a98c6e5bu % 1'000'003);
  EXPECT_EQ(wire::PartitionOfKey("abc", 7), 0x44bc2cf5ad770999u % 7);
  EXPECT_EQ(wire::PartitionOfKey("abc", 1), 0u);
}

TEST(EventRulesTest, ValidatesAttributeNames) {
  EXPECT_TRUE(wire::IsAttributeName("traceparent"));
  EXPECT_TRUE(wire::IsAttributeName("a1"));
  EXPECT_FALSE(wire::IsAttributeName(""));
  EXPECT_FALSE(wire::IsAttributeName("MyExt"));
  EXPECT_FALSE(wire::IsAttributeName("example-extension"));
  EXPECT_FALSE(
      wire::IsAttributeName("gr\xc3\xb6\xc3\x9f"
                            "e"));
}

TEST(EventRulesTest, ReservesNamesOfFields) {
  EXPECT_TRUE(wire::IsReservedName("partitionkey"));
  EXPECT_TRUE(wire::IsReservedName("data_base64"));
  EXPECT_FALSE(wire::IsReservedName("traceparent"));
}

}  // namespace
}  // namespace eventhub

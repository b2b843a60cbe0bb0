#include "proto/wire/utf8.h"

#include <gtest/gtest.h>

namespace eventhub {
namespace {

TEST(Utf8Test, FindsEndOfWellFormedPrefix) {
  EXPECT_EQ(wire::Utf8Prefix(""), 0u);
  EXPECT_EQ(wire::Utf8Prefix("plain"), 5u);
  EXPECT_EQ(wire::Utf8Prefix("gr\xc3\xbc\xc3\x9f"), 6u);
  EXPECT_EQ(wire::Utf8Prefix("gr\xc3"), 2u);
  EXPECT_EQ(wire::Utf8Prefix("ab\xff"
                             "cd"),
            2u);
}

TEST(Utf8Test, RejectsMalformedText) {
  EXPECT_TRUE(wire::IsUtf8(""));
  EXPECT_TRUE(wire::IsUtf8("\xf4\x8f\xbf\xbf"));   // U+10FFFF.
  EXPECT_FALSE(wire::IsUtf8("\xf4\x90\x80\x80"));  // Above.
  EXPECT_FALSE(wire::IsUtf8("\xed\xa0\x80"));      // A surrogate.
  EXPECT_FALSE(wire::IsUtf8("\xc0\x80"));          // Overlong.
  EXPECT_FALSE(wire::IsUtf8("eight ascii\x80"));
}

TEST(Utf8Test, TruncatesBetweenCharacters) {
  EXPECT_EQ(wire::Shorten("abc", 3), "abc");
  EXPECT_EQ(wire::Shorten("abcd", 3), "abc");
  EXPECT_EQ(wire::Shorten("gr\xc3\xbc", 3), "gr");
  EXPECT_EQ(wire::Shorten("\xf0\x9f\x98\x80", 3), "");
}

}  // namespace
}  // namespace eventhub

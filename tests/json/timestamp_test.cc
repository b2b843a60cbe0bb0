#include "proto/json/timestamp.h"

#include <gtest/gtest.h>

#include <random>

namespace eventhub::json {
namespace {

std::string Text(absl::Time time) {
  std::string text;
  AppendTimestamp(time, &text);
  return text;
}

TEST(Timestamp, UsesFewestDigits) {
  for (const char* text : {"0001-01-01T00:00:00Z", "0999-12-31T23:59:59.999999999Z",
                           "1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00.000000001Z",
                           "2000-02-29T12:34:56.78Z", "9999-12-31T23:59:59.999999999Z"}) {
    const auto time = ParseTimestamp(text);
    ASSERT_TRUE(time.ok()) << text << time.status();
    EXPECT_EQ(Text(*time), text);
    EXPECT_EQ(FromTimestamp(ToTimestamp(*time)), *time);
  }
}

// The library is the reference; it only takes longer.
TEST(Timestamp, AgreesWithLibrary) {
  std::mt19937_64 random(3);
  std::uniform_int_distribution<int64_t> seconds(-62'135'596'800, 253'402'300'799);
  for (int i = 0; i < 20'000; ++i) {
    const absl::Duration fraction =
        absl::Nanoseconds(random() % 2 == 0 ? 0 : static_cast<int64_t>(random() % 1'000'000'000));
    const absl::Time time = absl::FromUnixSeconds(seconds(random)) + fraction;
    ASSERT_EQ(Text(time), absl::FormatTime("%E4Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone()));
    ASSERT_EQ(*ParseTimestamp(Text(time)), time);
    int64_t written_seconds = 0;
    int32_t nanos = 0;
    ASSERT_TRUE(ParseWrittenTimestamp(Text(time), &written_seconds, &nanos));
    ASSERT_EQ(absl::FromUnixSeconds(written_seconds) + absl::Nanoseconds(nanos), time);
  }
}

TEST(Timestamp, RejectsUnrepresentableTimes) {
  for (const char* text : {"", "2026-01-31", "2026-01-31T12:00:00", "10000-01-01T00:00:00Z",
                           "1-01-01T00:00:00Z", "-001-01-01T00:00:00Z", "infinite-future",
                           "infinite-past", "0000-12-31T23:59:59Z", "0001-01-01T00:00:00+01:00",
                           "9999-12-31T23:59:59-01:00", "2026-01-31T12:00:00.0000000001Z"}) {
    EXPECT_FALSE(ParseTimestamp(text).ok()) << text;
    int64_t seconds = 0;
    int32_t nanos = 0;
    EXPECT_FALSE(ParseWrittenTimestamp(text, &seconds, &nanos)) << text;
  }
  EXPECT_EQ(Text(absl::InfiniteFuture()), "infinite-future");
}

}  // namespace
}  // namespace eventhub::json

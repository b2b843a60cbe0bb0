#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "proto/json/timestamp.h"

namespace eventhub::cli {
namespace {

TEST(CliUnits, ParsesSizes) {
  EXPECT_EQ(*ParseBytes("0"), 0);
  EXPECT_EQ(*ParseBytes("4096"), 4096);
  EXPECT_EQ(*ParseBytes("7B"), 7);
  EXPECT_EQ(*ParseBytes("64k"), 64 << 10);
  EXPECT_EQ(*ParseBytes("64 KiB"), 64 << 10);
  EXPECT_EQ(*ParseBytes("1.5MiB"), 3 << 19);
  EXPECT_EQ(*ParseBytes("1MB"), 1'000'000);
  EXPECT_EQ(*ParseBytes("10GiB"), uint64_t{10} << 30);
  EXPECT_EQ(*ParseBytes("2T"), uint64_t{2} << 40);
}

TEST(CliUnits, RejectsInvalidSizes) {
  for (const char* text : {"", "x", "GiB", "-1", "1X", "1KiBs", "1e3", "1..2", "99999999999T"}) {
    EXPECT_EQ(ParseBytes(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(CliUnits, FormatsSizes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.00 KiB");
  EXPECT_EQ(FormatBytes(1500 << 10), "1.46 MiB");
  EXPECT_EQ(FormatBytes(uint64_t{10} << 30), "10.0 GiB");
  EXPECT_EQ(FormatBytes(uint64_t{512} << 40), "512 TiB");
}

TEST(CliUnits, ParsesDurations) {
  EXPECT_EQ(*ParseAge("90s"), absl::Seconds(90));
  EXPECT_EQ(*ParseAge("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseAge("7d"), absl::Hours(168));
  EXPECT_EQ(*ParseAge("2w"), absl::Hours(336));
  EXPECT_EQ(*ParseAge("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(*ParseAge("0.5h"), absl::Minutes(30));
}

TEST(CliUnits, RejectsInvalidDurations) {
  for (const char* text : {"", "7", "d", "7y", "-1s", "1h-2m", "1h 2m", "0s", "300000d"}) {
    EXPECT_EQ(ParseAge(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(CliUnits, FormatsDurations) {
  EXPECT_EQ(FormatAge(absl::Hours(168)), "7d");
  EXPECT_EQ(FormatAge(absl::Minutes(90)), "1h30m");
  EXPECT_EQ(FormatAge(absl::Hours(49) + absl::Seconds(5)), "2d1h");
  EXPECT_EQ(FormatAge(absl::Milliseconds(250)), "250ms");
  EXPECT_EQ(FormatAge(absl::ZeroDuration()), "0s");
}

TEST(CliUnits, ParsesCounts) {
  EXPECT_EQ(*ParseCount("7", 1, 7), 7);
  EXPECT_EQ(*ParseCount("1,000", 1, 1000), 1000);
  EXPECT_EQ(*ParseCount("18446744073709551615", 0, ~uint64_t{0}), ~uint64_t{0});
  for (const char* text : {"", "8", "0", "-1", "1.5", "x", "0x1", "18446744073709551616"}) {
    EXPECT_EQ(ParseCount(text, 1, 7).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(CliUnits, ParsesDelays) {
  EXPECT_EQ(*ParseDelay("0"), absl::ZeroDuration());
  EXPECT_EQ(*ParseDelay("0s"), absl::ZeroDuration());
  EXPECT_EQ(*ParseDelay("90s"), absl::Seconds(90));
  EXPECT_FALSE(ParseDelay("-1s").ok());
}

TEST(CliUnits, FormatsRoughAges) {
  EXPECT_EQ(FormatRoughAge(absl::Milliseconds(3250)), "3s");
  EXPECT_EQ(FormatRoughAge(absl::Microseconds(12'345)), "12ms");
  EXPECT_EQ(FormatRoughAge(absl::Minutes(90)), "1h30m");
  EXPECT_EQ(FormatRoughAge(absl::ZeroDuration()), "0s");
}

TEST(CliUnits, ParsesMoments) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(*ParseMoment("15m", now), now - absl::Minutes(15));
  EXPECT_EQ(*ParseMoment("2027-01-15T08:00:00Z", now), now);
  EXPECT_EQ(*ParseMoment("2027-01-15T10:00:00+02:00", now), now);
  EXPECT_EQ(*ParseMoment("2027-01-15", now), now - absl::Hours(8));
  EXPECT_FALSE(ParseMoment("yesterday", now).ok());
  EXPECT_FALSE(ParseMoment("", now).ok());
}

// The zero time of Go and .NET is in the year 1.
TEST(CliUnits, TimesRoundTripFromYear1To9999) {
  for (const char* text : {"0001-01-01T00:00:00Z", "0999-12-31T23:59:59.5Z",
                           "1969-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"}) {
    const auto time = json::ParseTimestamp(text);
    ASSERT_TRUE(time.ok()) << text << time.status();
    EXPECT_EQ(FormatMoment(*time), text);
    EXPECT_EQ(*ParseMoment(FormatMoment(*time), absl::UnixEpoch()), *time);
  }
  EXPECT_EQ(FormatSecond(*json::ParseTimestamp("0001-01-01T00:00:00Z")), "0001-01-01T00:00:00Z");
  EXPECT_EQ(FormatMomentWide(*json::ParseTimestamp("0001-01-01T00:00:00Z")),
            "0001-01-01T00:00:00.000000Z");
}

TEST(CliUnits, FormatsMomentsAndCounts) {
  EXPECT_EQ(FormatMoment(absl::FromUnixSeconds(1'800'000'000)), "2027-01-15T08:00:00Z");
  EXPECT_EQ(FormatMoment(absl::FromUnixMillis(1'800'000'000'250)), "2027-01-15T08:00:00.25Z");
  EXPECT_EQ(FormatMomentWide(absl::FromUnixMillis(1'800'000'000'250)),
            "2027-01-15T08:00:00.250000Z");
  EXPECT_EQ(FormatSecond(absl::FromUnixMillis(1'800'000'000'250)), "2027-01-15T08:00:00Z");
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1'234'567), "1,234,567");
  EXPECT_EQ(CountOf(0, "event"), "0 events");
  EXPECT_EQ(CountOf(1, "event"), "1 event");
  EXPECT_EQ(CountOf(1234, "event"), "1,234 events");
}

TEST(CliTable, CountsCharactersNotBytes) {
  Table table({"KEY", "WHY", ">SIZE"});
  table.AddRow({"größe", "…", "1"});
  table.AddRow({"size", "short", "10"});
  EXPECT_EQ(table.Render(),
            "KEY    WHY    SIZE\n"
            "größe  …         1\n"
            "size   short    10\n");
}

TEST(CliTable, AlignsColumns) {
  Table table({"NAME", ">SIZE"});
  table.AddRow({"a", "1"});
  table.AddRow({"longer", "1,000"});
  EXPECT_EQ(table.Render(), "NAME     SIZE\na           1\nlonger  1,000\n");
  EXPECT_EQ(RenderFields({{"a", "1"}, {"long", "2"}}), "a:    1\nlong: 2\n");
}

TEST(CliTerminal, KeepsTextAndEscapesControls) {
  EXPECT_EQ(Printable("plain \"text\" \\"), "plain \"text\" \\");
  EXPECT_EQ(Printable("Grüße €, 😀"), "Grüße €, 😀");
  EXPECT_EQ(Printable("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(Printable("\x1b[2J\x7f"), "\\x1b[2J\\x7f");
  EXPECT_EQ(Printable(absl::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\xc2\\x9b") << "a C1 control";
}

TEST(CliTerminal, ShowsTheStartOfLongText) {
  EXPECT_EQ(PrintableStart("four", 4), "four");
  EXPECT_EQ(PrintableStart("a\nbcd", 3), "a\\nb…");
  EXPECT_EQ(PrintableStart("ab€", 4), "ab…") << "no part of a character";
  EXPECT_EQ(PrintableStart("\x80\x80", 1), "…");
}

TEST(CliTerminal, EscapesInvalidUtf8) {
  EXPECT_EQ(Printable("\xff"), "\\xff");
  EXPECT_EQ(Printable("\xc3"), "\\xc3") << "cut off";
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond Unicode";
}

}  // namespace
}  // namespace eventhub::cli

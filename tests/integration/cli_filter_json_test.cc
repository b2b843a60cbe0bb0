// Filters in JSON and back.
#include <string>

#include "client/cli/input/filter_json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace eventhub::cli {
namespace {

// Reads a text and writes it again.
std::string Again(const std::string& json) {
  const absl::StatusOr<v1::Filter> filter = ParseFilterJson(json);
  return filter.ok() ? FilterJson(*filter) : std::string(filter.status().message());
}

TEST(CliFilterJson, EveryDialectRoundTrips) {
  for (const char* const json :
       {R"({"exact":{"source":"/a","type":"t"}})", R"({"prefix":{"type":"t"}})",
        R"({"suffix":{"type":"ä"}})", R"({"sql":"a = 'b'"})", R"({"not":{"sql":"true"}})",
        R"({"all":[{"any":[{"sql":"a"},{"exact":{"type":"t"}}]},{"not":{"all":[]}}]})"}) {
    EXPECT_EQ(Again(json), json);
  }
}

TEST(CliFilterJson, ArrayMeansAll) {
  EXPECT_EQ(Again(R"( [ {"sql": "a"}, [{"sql": "b"}] ] )"),
            R"({"all":[{"sql":"a"},{"all":[{"sql":"b"}]}]})");
}

TEST(CliFilterJson, PrintsPlainExpression) {
  for (const char* const text : {"type LIKE 'shop.%'", R"({"exact":{"type":"t"}})"}) {
    EXPECT_EQ(FilterText(*ParseFilter(text)), text);
  }
}

TEST(CliFilterJson, RejectsInvalidFilters) {
  const std::string one = "is not an object with one dialect as its only member";
  EXPECT_EQ(Again("{"), "filter: is not valid JSON");
  EXPECT_EQ(Again("{}"), "filter: " + one);
  EXPECT_EQ(Again("7"), "filter: " + one);
  EXPECT_EQ(Again(R"({"sql": "a", "exact": {}})"), "filter: " + one);
  EXPECT_EQ(Again(R"({"all": [{"sql": "a"}, 5]})"), "filter.all[1]: " + one);
  EXPECT_EQ(Again(R"({"all": {}})"), "filter.all: is not an array");
  EXPECT_EQ(Again(R"({"exact": []})"), "filter.exact: is not an object");
  EXPECT_EQ(Again(R"({"exact": {"hop": 5}})"), "filter.exact.hop: is not a string");
  EXPECT_EQ(Again(R"({"not": {"sql": 5}})"), "filter.not.sql: is not a string");
  EXPECT_EQ(Again(R"({"like": "a"})"),
            "filter.like: is no dialect; there are exact, prefix, suffix, all, any, not and sql");
  EXPECT_THAT(Again(std::string(100'000, '[') + std::string(100'000, ']')),
              testing::HasSubstr("is nested deeper than 16"));
}

}  // namespace
}  // namespace eventhub::cli

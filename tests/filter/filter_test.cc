// The filter dialects, and invalid filters.
#include "server/filter/filter.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "server/filter/cesql.h"
#include "server/filter/event_view.h"
#include "tests/filter/cesql_cases.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

v1::Filter Parse(const std::string& text) {
  v1::Filter filter;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &filter)) << text;
  return filter;
}

bool Passes(const std::string& text, const v1::Event& event = SampleEvent()) {
  const absl::StatusOr<CompiledFilter> filter = CompileFilter(Parse(text));
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.ok() && filter->Matches(event.SerializeAsString());
}

std::string Condition(const std::string& name, const std::string& value) {
  return "values { key: '" + name + "' value: '" + value + "' }";
}

std::string Exact(const std::string& name, const std::string& value) {
  return "exact { " + Condition(name, value) + " }";
}

// Filters that pass and filters that do not: one of another dialect, the others of SQL.
const char* const kTrue[] = {"exact { values { key: 'id' value: 'id-1' } }", "sql: 'hop = 5'"};
const char* const kFalse[] = {"exact { values { key: 'id' value: 'id' } }", "sql: 'hop = 6'",
                              "sql: 'missing = 1'", "sql: 'hop'"};

TEST(Filter, Exact) {
  EXPECT_TRUE(Passes(Exact("type", "shop.order.placed")));
  EXPECT_FALSE(Passes(Exact("type", "shop.order")));
  EXPECT_FALSE(Passes(Exact("type", "Shop.order.placed")));
  EXPECT_FALSE(Passes(Exact("missing", "x")));
  EXPECT_TRUE(Passes("exact { " + Condition("id", "id-1") + Condition("ttl", "10") + "}"));
  EXPECT_FALSE(Passes("exact { " + Condition("id", "id-1") + Condition("ttl", "11") + "}"));
  EXPECT_FALSE(Passes("exact { " + Condition("id", "id-2") + Condition("ttl", "10") + "}"));
}

// An event with a large attribute.
v1::Event LargeEvent(char c, size_t size) {
  v1::Event event = SampleEvent();
  (*event.mutable_attributes())["large"].set_string(std::string(size, c));
  return event;
}

FilterResult RunOn(const std::string& expression, const v1::Event& event, size_t* work = nullptr) {
  v1::Filter filter;
  filter.set_sql(expression);
  const absl::StatusOr<CompiledFilter> compiled = CompileFilter(filter);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  if (!compiled.ok()) return FilterResult::kDoesNotPass;
  return compiled->Run(event.SerializeAsString(), work);
}

std::string Repeated(const std::string& part, const std::string& between, int times) {
  std::string all = part;
  for (int i = 1; i < times; ++i) all += between + part;
  return all;
}

TEST(Filter, LikeExaminesTextOnce) {
  const v1::Event event = LargeEvent('a', 500'000);
  const std::string piece = std::string(200, 'a') + "b";
  size_t work = 0;
  EXPECT_EQ(RunOn("large LIKE '%" + piece + "%'", event, &work), FilterResult::kDoesNotPass);
  EXPECT_EQ(work, 500'000u);
  EXPECT_EQ(RunOn("large LIKE '" + Repeated("%a", "", 1000) + "%'", event, &work),
            FilterResult::kPasses);
  EXPECT_EQ(work, 500'000u);
}

TEST(Filter, CostlyFilterPassesNothing) {
  const v1::Event event = LargeEvent('a', 500'000);
  EXPECT_EQ(RunOn(Repeated("large LIKE '%b%'", " OR ", 8), event), FilterResult::kDoesNotPass);
  const std::string many = Repeated("large LIKE '%b%'", " OR ", 60);
  EXPECT_EQ(RunOn(many, event), FilterResult::kTooCostly);
  // The filters that contain it do not pass either.
  EXPECT_EQ(RunOn("NOT (" + many + ")", event), FilterResult::kTooCostly);
  EXPECT_FALSE(Passes("negation { sql: \"" + many + "\" }", event));
  EXPECT_FALSE(
      Passes("any { filters { sql: \"" + many + "\" } filters { sql: 'hop = 5' } }", event));
  EXPECT_EQ(RunOn("large LIKE '%" + std::string(200, '_') + "b%'", event),
            FilterResult::kTooCostly);
  EXPECT_EQ(RunOn(Repeated("LENGTH(large) = 1", " OR ", 60), event), FilterResult::kTooCostly);
  // A comparison with a constant reads at most the length of the constant.
  EXPECT_EQ(RunOn(Repeated("large = 'b'", " OR ", 60), event), FilterResult::kDoesNotPass);
  EXPECT_EQ(RunOn(Repeated("INT(large) = 1", " OR ", 60), event), FilterResult::kDoesNotPass);
  // The limit applies to each event separately.
  EXPECT_EQ(RunOn(many, LargeEvent('a', 50'000)), FilterResult::kDoesNotPass);
}

TEST(Filter, CostlyExpressionFails) {
  const std::string encoded = LargeEvent('a', 500'000).SerializeAsString();
  const CesqlResult result =
      EvaluateCesql(Repeated("large LIKE '%b%'", " OR ", 60), EventView(encoded));
  ASSERT_TRUE(result.error.has_value());
  EXPECT_EQ(result.error->kind, CesqlErrorKind::kGeneric);
  EXPECT_THAT(result.error->message, HasSubstr("more than 4 MiB of text"));
}

TEST(Filter, ComparesNonStringValues) {
  EXPECT_TRUE(Passes(Exact("specversion", "1.0")));
  EXPECT_TRUE(Passes(Exact("flag", "true")));
  EXPECT_TRUE(Passes(Exact("hop", "5")));
  EXPECT_FALSE(Passes(Exact("hop", "05")));
  EXPECT_TRUE(Passes(Exact("raw", "AP8Q")));
  EXPECT_TRUE(Passes(Exact("time", "2026-01-01T00:00:00Z")));
  EXPECT_TRUE(Passes(Exact("when", "2026-01-01T00:00:00.12Z")));
  EXPECT_TRUE(Passes("prefix { " + Condition("time", "2026-01") + "}"));
}

TEST(Filter, PrefixAndSuffix) {
  EXPECT_TRUE(Passes("prefix { " + Condition("type", "shop.") + "}"));
  EXPECT_TRUE(Passes("prefix { " + Condition("type", "shop.order.placed") + "}"));
  EXPECT_FALSE(Passes("prefix { " + Condition("type", "order") + "}"));
  EXPECT_FALSE(Passes("prefix { " + Condition("missing", "x") + "}"));
  EXPECT_TRUE(Passes("suffix { " + Condition("type", ".placed") + "}"));
  EXPECT_FALSE(Passes("suffix { " + Condition("type", "order") + "}"));
  EXPECT_FALSE(Passes("suffix { " + Condition("missing", "x") + "}"));
  EXPECT_TRUE(Passes("prefix { " + Condition("type", "shop") + Condition("source", "/shop") + "}"));
  EXPECT_FALSE(Passes("prefix { " + Condition("type", "shop") + Condition("source", "shop") + "}"));
}

TEST(Filter, AllAnyNot) {
  for (const char* const yes : kTrue) {
    for (const char* const no : kFalse) {
      const std::string t = std::string("filters { ") + yes + " } ";
      const std::string f = std::string("filters { ") + no + " } ";
      EXPECT_TRUE(Passes("all { " + t + "}"));
      EXPECT_TRUE(Passes("all { " + t + t + "}"));
      EXPECT_FALSE(Passes("all { " + t + f + "}"));
      EXPECT_FALSE(Passes("all { " + f + t + "}"));
      EXPECT_TRUE(Passes("any { " + t + f + "}"));
      EXPECT_TRUE(Passes("any { " + f + f + t + "}"));
      EXPECT_FALSE(Passes("any { " + f + f + "}"));
      EXPECT_FALSE(Passes(std::string("negation { ") + yes + "}"));
      EXPECT_TRUE(Passes(std::string("negation { ") + no + "}"));
      EXPECT_TRUE(Passes("all { filters { negation { any { " + f + f + "} } } " + t + "}"));
      EXPECT_FALSE(Passes("any { filters { negation { all { " + t + t + "} } } " + f + "}"));
    }
  }
}

TEST(Filter, OnlyBooleanTruePasses) {
  EXPECT_TRUE(Passes("sql: 'true'"));
  EXPECT_TRUE(Passes("sql: 'flag'"));
  EXPECT_FALSE(Passes("sql: 'false'"));
  EXPECT_FALSE(Passes("sql: '1'"));
  EXPECT_FALSE(Passes("sql: '\"true\"'"));
  EXPECT_FALSE(Passes("sql: 'missing'"));
  EXPECT_FALSE(Passes("sql: 'NOT (missing = 1)'"));
  EXPECT_FALSE(Passes("sql: '1 / 0 = 0'"));
}

// A failed expression does not affect the next expression of the same filter.
TEST(Filter, FailureEndsOnlyItsExpression) {
  EXPECT_TRUE(
      Passes("any { filters { sql: 'CONCAT(id, 1, 2, missing) = id' } "
             "filters { sql: 'id IN (subject, hop / 0)' } filters { sql: 'hop = 5' } }"));
}

TEST(Filter, MalformedEventsDoNotPass) {
  const absl::StatusOr<CompiledFilter> filter = CompileFilter(Parse("sql: 'true'"));
  ASSERT_TRUE(filter.ok());
  EXPECT_FALSE(filter->Matches("\x0a\x7f"));
  const absl::StatusOr<CompiledFilter> negation =
      CompileFilter(Parse("negation { " + Exact("type", "x") + "}"));
  ASSERT_TRUE(negation.ok());
  EXPECT_FALSE(negation->Matches("\x0a\x7f"));
}

TEST(Filter, ManyAttributes) {
  std::string sql = "true";
  v1::Event event = SampleEvent();
  for (int i = 0; i < 40; ++i) {
    const std::string name = "attribute" + std::to_string(i);
    (*event.mutable_attributes())[name].set_integer(i);
    sql += " AND " + name + " = " + std::to_string(i);
  }
  EXPECT_TRUE(Passes("sql: '" + sql + "'", event));
  event.mutable_attributes()->at("attribute39").set_integer(0);
  EXPECT_FALSE(Passes("sql: '" + sql + "'", event));
}

// Expects that the filter is refused, with a message that begins with the invalid field.
void ExpectRefused(const std::string& text, const std::string& message) {
  const absl::StatusOr<CompiledFilter> filter = CompileFilter(Parse(text), "route.filter");
  EXPECT_THAT(filter, StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  EXPECT_THAT(std::string(filter.status().message()), StartsWith(message)) << text;
}

TEST(Filter, RejectsInvalidFilters) {
  ExpectRefused("", "route.filter: names no dialect");
  ExpectRefused("exact {}", "route.filter.exact: names no attribute");
  ExpectRefused("prefix {}", "route.filter.prefix: names no attribute");
  ExpectRefused("suffix {}", "route.filter.suffix: names no attribute");
  ExpectRefused("exact { " + Condition("", "x") + "}",
                "route.filter.exact: names an attribute without a name");
  ExpectRefused("exact { " + Condition("type", "") + "}",
                "route.filter.exact.values['type']: is empty");
  ExpectRefused("exact { " + Condition("data", "x") + "}",
                "route.filter.exact.values['data']: data is not an attribute");
  ExpectRefused("all {}", "route.filter.all: has no filters");
  ExpectRefused("any {}", "route.filter.any: has no filters");
  ExpectRefused("negation {}", "route.filter.negation: names no dialect");
  ExpectRefused("sql: ''", "route.filter.sql: line 1, column 1: expected an expression");
  ExpectRefused("all { filters { sql: 'true' } filters { any { filters { sql: 'a =\\n= b' } } } }",
                "route.filter.all.filters[1].any.filters[0].sql: line 2, column 1: expected an "
                "expression, found '='");
  ExpectRefused("sql: 'id = \\'x\\' AND\\n HASH(id) = 1'",
                "route.filter.sql: line 2, column 2: unknown function HASH");
  ExpectRefused("sql: 'LENGTH() = 1'",
                "route.filter.sql: line 1, column 1: unknown function LENGTH with 0 arguments");
}

TEST(Filter, Limits) {
  const auto nested = [](int depth) {
    v1::Filter filter;
    filter.set_sql("true");
    for (int i = 1; i < depth; ++i) {
      v1::Filter outer;
      *outer.mutable_negation() = filter;
      filter = outer;
    }
    return filter;
  };
  EXPECT_THAT(CompileFilter(nested(kMaxFilterDepth)), IsOk());
  EXPECT_THAT(CompileFilter(nested(kMaxFilterDepth + 1)),
              StatusIs(absl::StatusCode::kInvalidArgument));

  v1::Filter wide;
  for (int i = 1; i < kMaxFilterParts; ++i) wide.mutable_any()->add_filters()->set_sql("false");
  EXPECT_THAT(CompileFilter(wide), IsOk());
  wide.mutable_any()->add_filters()->set_sql("false");
  EXPECT_THAT(CompileFilter(wide), StatusIs(absl::StatusCode::kInvalidArgument));

  v1::Filter curious;
  std::string sql = "EXISTS a0";
  for (size_t i = 1; i < kMaxFilterAttributes; ++i) sql += " OR EXISTS a" + std::to_string(i);
  curious.set_sql(sql);
  EXPECT_THAT(CompileFilter(curious), IsOk());
  curious.set_sql(sql + " OR EXISTS other");
  EXPECT_THAT(CompileFilter(curious), StatusIs(absl::StatusCode::kInvalidArgument));

  v1::Filter big;
  for (int i = 0; i < 5; ++i) {
    big.mutable_any()->add_filters()->set_sql("id = '" + std::string(14'000, 'x') + "'");
  }
  const absl::Status refused = CompileFilter(big).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("a filter has at most 65536"));
}

}  // namespace
}  // namespace eventhub

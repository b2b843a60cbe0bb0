// The set of event types that a filter may match is never too small.
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "server/filter/filter.h"
#include "tests/filter/cesql_cases.h"
#include "tests/server/seeded.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

using Types = std::optional<std::vector<std::string>>;

Types TypesOf(const v1::Filter& filter) {
  const absl::StatusOr<CompiledFilter> compiled = CompileFilter(filter);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  return compiled.ok() ? compiled->Types() : std::nullopt;
}

Types TypesOfText(const std::string& text) {
  v1::Filter filter;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &filter)) << text;
  return TypesOf(filter);
}

Types TypesOfSql(const std::string& sql) {
  v1::Filter filter;
  filter.set_sql(sql);
  return TypesOf(filter);
}

TEST(FilterTypes, FindsTypesOfDialects) {
  const std::string a = "exact { values { key: 'type' value: 'a' } }";
  const std::string b = "exact { values { key: 'type' value: 'b' } }";
  const std::string other = "exact { values { key: 'id' value: 'a' } }";
  const auto in = [](const std::string& filter) { return "filters { " + filter + " } "; };
  EXPECT_THAT(TypesOfText(a), Optional(ElementsAre("a")));
  EXPECT_THAT(TypesOfText("exact { values { key: 'type' value: 'a' } "
                          "values { key: 'id' value: 'x' } }"),
              Optional(ElementsAre("a")));
  EXPECT_EQ(TypesOfText(other), std::nullopt);
  EXPECT_EQ(TypesOfText("prefix { values { key: 'type' value: 'a' } }"), std::nullopt);
  EXPECT_EQ(TypesOfText("negation { " + a + " }"), std::nullopt);
  EXPECT_THAT(TypesOfText("any { " + in(b) + in(a) + in(b) + " }"),
              Optional(ElementsAre("a", "b")));
  EXPECT_EQ(TypesOfText("any { " + in(b) + in(other) + " }"), std::nullopt);
  EXPECT_THAT(TypesOfText("all { " + in(other) + in(a) + " }"), Optional(ElementsAre("a")));
  EXPECT_THAT(TypesOfText("all { " + in(b) + in(a) + " }"), Optional(IsEmpty()));
  EXPECT_THAT(TypesOfText("all { " + in(a) + in("sql: \"type IN ('a', 'b')\"") + " }"),
              Optional(ElementsAre("a")));
}

TEST(FilterTypes, FindsTypesOfExpressions) {
  EXPECT_THAT(TypesOfSql("type = 'a'"), Optional(ElementsAre("a")));
  EXPECT_THAT(TypesOfSql("'a' = TYPE"), Optional(ElementsAre("a")));
  EXPECT_THAT(TypesOfSql("(type) = CONCAT('a', 'b')"), Optional(ElementsAre("ab")));
  EXPECT_THAT(TypesOfSql("type IN ('b', 'a', 'b', 5)"), Optional(ElementsAre("5", "a", "b")));
  EXPECT_THAT(TypesOfSql("type LIKE 'a\\\\%'"), Optional(ElementsAre("a\\%")));
  EXPECT_THAT(TypesOfSql("type LIKE 'a\\%'"), Optional(ElementsAre("a%")));
  EXPECT_THAT(TypesOfSql("type = 'a' AND hop < 5"), Optional(ElementsAre("a")));
  EXPECT_THAT(TypesOfSql("hop < 5 AND type = 'a' AND flag"), Optional(ElementsAre("a")));
  EXPECT_THAT(TypesOfSql("type = 'a' OR type = 'b'"), Optional(ElementsAre("a", "b")));
  EXPECT_THAT(TypesOfSql("false"), Optional(IsEmpty()));
  EXPECT_THAT(TypesOfSql("1 = 2 OR type = 'a'"), Optional(ElementsAre("a")));
  for (const char* const any :
       {"true", "type != 'a'", "type = 5", "type = id", "type IN ('a', id)", "type NOT IN ('a')",
        "type LIKE 'a%'", "type LIKE 'a_'", "type NOT LIKE 'a'", "NOT (type = 'a')",
        "type = 'a' OR flag", "type = 'a' XOR flag", "(type = 'a') = flag", "id = 'a'",
        "'a' IN (type)", "false = flag", "NOT false", "false XOR flag", "UPPER(type) = 'A'"}) {
    EXPECT_EQ(TypesOfSql(any), std::nullopt) << any;
  }
}

// Every event that passes has one of the predicted types.
class FilterTypesModel : public SeededTest {
 protected:
  std::string Atom() {
    const char* const atoms[] = {
        "type = 'a'", "'b' = type",  "type IN ('a', 'c')", "hop = 5",       "false",
        "true",       "type != 'a'", "type LIKE 'b'",      "type LIKE '%'", "missing = 1"};
    return atoms[Int(0, 9)];
  }
  std::string Expression(int depth) {
    if (depth == 0) return Atom();
    const char* const operators[] = {" AND ", " OR ", " AND ", " OR ", " XOR ", " = "};
    const std::string left = Expression(depth - 1), right = Expression(depth - 1);
    const std::string both = "(" + left + operators[Int(0, 5)] + right + ")";
    return OneIn(6) ? "NOT " + both : both;
  }
};

TEST_F(FilterTypesModel, NeverMissesTypes) {
  int foretold = 0;
  for (int i = Steps(3'000); i > 0; --i) {
    v1::Filter filter;
    filter.set_sql(Expression(static_cast<int>(Int(0, 3))));
    const absl::StatusOr<CompiledFilter> compiled = CompileFilter(filter);
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    if (!compiled->Types().has_value()) continue;
    ++foretold;
    for (const char* const type : {"a", "b", "c", "d"}) {
      v1::Event event = SampleEvent();
      event.set_type(type);
      if (!compiled->Matches(event.SerializeAsString())) continue;
      EXPECT_THAT(*compiled->Types(), testing::Contains(type)) << filter.sql();
    }
  }
  EXPECT_GT(foretold, 0);
}

}  // namespace
}  // namespace eventhub

// Errors of CESQL, and the values of expressions that fail.
#include <string>

#include "tests/filter/cesql_cases.h"

namespace eventhub {
namespace {

constexpr CesqlErrorKind kMissing = CesqlErrorKind::kMissingAttribute;
constexpr CesqlErrorKind kCast = CesqlErrorKind::kCast;
constexpr CesqlErrorKind kMath = CesqlErrorKind::kMath;

// The result is the zero value of the type of the expression; false if the type is unknown.
TEST(CesqlError, MissingAttributes) {
  Check({{"missing", false, kMissing},
         {"unset", false, kMissing},
         {"data", false, kMissing},
         {"dataschema", false, kMissing},
         {"(missing)", false, kMissing},
         {"missing = 1", false, kMissing},
         {"missing != 1", false, kMissing},
         {"1 <> missing", false, kMissing},
         {"missing = ''", false, kMissing},
         {"missing < 1", false, kMissing},
         {"missing * 5", 0, kMissing},
         {"1 / missing", 0, kMissing},
         {"missing / 0", 0, kMissing},
         {"missing % 0", 0, kMissing},
         {"-missing", 0, kMissing},
         {"NOT missing", false, kMissing},
         {"NOT (missing = 1)", false, kMissing},
         {"true AND missing", false, kMissing},
         {"missing AND true", false, kMissing},
         {"missing AND false", false, kMissing},
         {"missing OR true", false, kMissing},
         {"false OR missing", false, kMissing},
         {"true XOR missing", false, kMissing},
         {"missing LIKE '%'", false, kMissing},
         {"missing NOT LIKE 'a'", false, kMissing},
         {"missing IN (1)", false, kMissing},
         {"missing NOT IN (1)", false, kMissing},
         {"1 IN (missing, 1)", false, kMissing},
         {"LENGTH(missing)", 0, kMissing},
         Text("UPPER(missing)", "", kMissing),
         Text("CONCAT('a', missing)", "", kMissing),
         {"IS_INT(missing)", false, kMissing},
         {"INT(missing)", 0, kMissing},
         Text("STRING(missing)", "", kMissing)});
}

TEST(CesqlError, Casts) {
  Check({{"'abc' = 1", false, kCast},
         {"'abc' != 1", false, kCast},
         {"'abc' = true", false, kCast},
         {"1 < 'abc'", false, kCast},
         {"'abc' + 1", 0, kCast},
         {"-'abc'", 0, kCast},
         {"NOT 'abc'", false, kCast},
         {"true AND 'abc'", false, kCast},
         {"'abc' AND false", false, kCast},
         {"'abc' OR true", false, kCast},
         {"true XOR 'abc'", false, kCast},
         {"1 IN ('abc', 1)", false, kCast},
         {"hop IN ('abc', 5)", false, kCast},
         {"true IN ('abc')", false, kCast},
         {"ABS('abc')", 0, kCast},
         {"type > 3", false, kCast},
         {"id AND flag", false, kCast}});
}

TEST(CesqlError, Math) {
  Check({{"5 / 0", 0, kMath},
         {"5 % 0", 0, kMath},
         {"5 / 0 = 0", false, kMath},
         {"true AND 1 != 1 / 0", false, kMath},
         {"false OR 1 != 1 / 0", false, kMath},
         {"2147483647 + 1", 0, kMath},
         {"-2147483648 - 1", 0, kMath},
         {"65536 * 65536", 0, kMath},
         {"-2147483648 / -1", 0, kMath},
         {"-(-2147483648)", 0, kMath},
         {"hop / (hop - 5)", 0, kMath},
         {"ABS(-2147483648) + 1", 0, kMath}});
}

// A function that fails returns a value with its error. That value is the result only if the
// function is the whole expression.
TEST(CesqlError, OnlyOutermostFunctionReturnsItsValue) {
  constexpr CesqlErrorKind kFunction = CesqlErrorKind::kFunctionEvaluation;
  Check({Text("LEFT(id, -1)", "id-1", kFunction),
         Text("(LEFT(id, -1))", "id-1", kFunction),
         Text("UPPER(LEFT(id, -1))", "", kFunction),
         {"LEFT(id, -1) = 'id-1'", false, kFunction},
         {"true OR LEFT(id, -1)", true},
         {"false OR LEFT(id, -1)", false, kFunction}});
}

TEST(CesqlError, FirstErrorStopsEvaluation) {
  Check({{"'abc' + missing", 0, kMissing},
         {"1 / 0 + missing", 0, kMath},
         {"missing + 1 / 0", 0, kMissing}});
}

TEST(CesqlError, Messages) {
  const std::string event = SampleEvent().SerializeAsString();
  const auto message = [&event](const std::string& expression) {
    const CesqlResult result = EvaluateCesql(expression, EventView(event));
    return result.error ? result.error->message : "none";
  };
  EXPECT_EQ(message("missing = 1"), "the event has no such attribute: 'missing'");
  EXPECT_EQ(message("type > 3"), "cannot be cast to an integer: 'shop.order.placed'");
  EXPECT_EQ(message("id OR true"), "cannot be cast to a boolean: 'id-1'");
  EXPECT_EQ(message("5 / 0"), "division by zero");
  EXPECT_EQ(message("LEFT(id, -4)"), "LEFT does not accept a negative length: -4");
  EXPECT_EQ(message("nosuch(1)"), "no such function: 'NOSUCH with 1 argument'");
}

TEST(CesqlError, LimitsTextLength) {
  v1::Event event = SampleEvent();
  (*event.mutable_attributes())["big"].set_string(std::string(1 << 20, 'x'));
  const std::string bytes = event.SerializeAsString();
  EXPECT_EQ(EvaluateCesql("LENGTH(CONCAT(big, big))", EventView(bytes)).value,
            (std::variant<bool, int32_t, std::string>(2 << 20)));
  const CesqlResult result = EvaluateCesql("CONCAT(big, big, big, big, big)", EventView(bytes));
  ASSERT_TRUE(result.error.has_value());
  EXPECT_EQ(result.error->kind, CesqlErrorKind::kGeneric);
}

TEST(CesqlError, RejectsMalformedEvent) {
  const CesqlResult result = EvaluateCesql("true", EventView("\x0a\x7f"));
  ASSERT_TRUE(result.error.has_value());
  EXPECT_EQ(result.error->kind, CesqlErrorKind::kGeneric);
}

TEST(CesqlError, Names) {
  EXPECT_EQ(CesqlErrorName(CesqlErrorKind::kParse), "parse");
  EXPECT_EQ(CesqlErrorName(CesqlErrorKind::kMath), "math");
  EXPECT_EQ(CesqlErrorName(CesqlErrorKind::kCast), "cast");
  EXPECT_EQ(CesqlErrorName(CesqlErrorKind::kMissingAttribute), "missingAttribute");
  EXPECT_EQ(CesqlErrorName(CesqlErrorKind::kMissingFunction), "missingFunction");
  EXPECT_EQ(CesqlErrorName(CesqlErrorKind::kFunctionEvaluation), "functionEvaluation");
  EXPECT_EQ(CesqlErrorName(CesqlErrorKind::kGeneric), "generic");
}

}  // namespace
}  // namespace eventhub

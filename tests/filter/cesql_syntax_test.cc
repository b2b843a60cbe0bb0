// The syntax of CESQL: literals, precedence, and the positions of syntax errors.
#include <string>
#include <utility>
#include <vector>

#include "tests/filter/cesql_cases.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

TEST(CesqlSyntax, Literals) {
  Check({{"true", true},
         {"FaLsE", false},
         {"0", 0},
         {"007", 7},
         {"+5", 5},
         {"-5", -5},
         {"2147483647", 2147483647},
         {"-2147483648", INT32_MIN},
         Text("''", ""),
         Text("\"\"", ""),
         Text("'A b'", "A b"),
         Text("\"A b\"", "A b"),
         Text("'it\\'s \"so\"'", "it's \"so\""),
         Text("\"it's \\\"so\\\"\"", "it's \"so\""),
         // A backslash escapes only the quote that encloses the string.
         Text(R"('a\"b')", R"(a\"b)"),
         Text(R"("a\'b")", R"(a\'b)"),
         Text(R"('a\nb')", R"(a\nb)"),
         Text(R"('a\\')", R"(a\\)"),
         Text("'line\nbreak'", "line\nbreak"),
         Text("'Grüße 😀'", "Grüße 😀")});
}

TEST(CesqlSyntax, WhiteSpaceAndCase) {
  Check({{" \t\r\n1 \n+\t2 ", 3},
         {"1+2", 3},
         {"5-3", 2},
         {"5 -3", 2},
         {"5--3", 8},
         {"tRuE aNd nOt FALSE", true},
         {"'a'lIkE'a'", true},
         {"1 iN(1)", true},
         {"eXiStS id", true},
         {"length ( 'abc' )", 3},
         Text("ID", "id-1"),
         Text("Type", "shop.order.placed")});
}

TEST(CesqlSyntax, Precedence) {
  Check({{"2 + 3 * 4", 14},
         {"(2 + 3) * 4", 20},
         {"20 / 2 * 5", 50},
         {"20 - 5 - 3", 12},
         {"7 - 6 % 4", 5},
         {"-2 * 3", -6},
         {"- (2 + 3)", -5},
         {"1 + 1 = 2", true},
         {"1 < 2 = true", true},
         {"3 > 2 > 1", false},  // (3 > 2) is 1, which is not greater than 1.
         // AND, OR and XOR have the same precedence, from left to right.
         {"true OR true AND false", false},
         {"true OR (true AND false)", true},
         {"false AND true OR true", true},
         {"true XOR true OR true", true},
         {"true XOR (true OR true)", false},
         // NOT and unary - bind tighter than all binary operators.
         {"NOT false = true", true},
         {"NOT true = true", false},
         {"NOT 1 = 2", false, CesqlErrorKind::kNone},
         {"NOT 'true' LIKE 'false'", true},
         {"-1 IN (1, -1)", true},
         {"-'5' LIKE '-5'", true},
         // LIKE and IN bind tighter than arithmetic and comparison.
         {"1 + 'a' LIKE 'a'", 2},
         {"true = 'x' IN ('x')", true},
         {"'x' IN ('y') LIKE 'f%'", true},
         {"NOT EXISTS nothing", true},
         {"-EXISTS id", -1}});
}

TEST(CesqlSyntax, Nesting) {
  const auto nested = [](int depth) {
    return std::string(depth, '(') + "1" + std::string(depth, ')');
  };
  Check({{nested(64), 1}});
  const absl::Status refused = CesqlExpression::Parse(nested(65)).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(refused.message(),
              testing::HasSubstr("line 1, column 66: nests more than 64 levels deep"));
  std::string chain = "0";
  for (int i = 0; i < 4000; ++i) chain += "+1";
  Check({{chain, 4000}});
  std::string logic = "false";
  while (logic.size() < 16'000) logic += " OR hop = 6";
  Check({{logic, false}, {logic + " OR hop = 5", true}});
  EXPECT_THAT(CesqlExpression::Parse(std::string(16'385, '1')),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CesqlSyntax, AttributeNamesMayStartWithDigits) {
  v1::Event event = SampleEvent();
  (*event.mutable_attributes())["3d"].set_string("yes");
  const std::string bytes = event.SerializeAsString();
  EXPECT_EQ(EvaluateCesql("3d = 'yes' AND EXISTS 3d", EventView(bytes)).value,
            (std::variant<bool, int32_t, std::string>(true)));
}

// The message names the position of the error and what was expected there.
TEST(CesqlSyntax, Faults) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "line 1, column 1: expected an expression, found the end of the expression"},
      {"  \n ", "line 2, column 2: expected an expression, found the end of the expression"},
      {"1 +", "line 1, column 4: expected an expression, found the end of the expression"},
      {"1 2", "line 1, column 3: expected an operator or the end of the expression, found '2'"},
      {"(1", "line 1, column 3: expected an operator or ')', found the end of the expression"},
      {"1)", "line 1, column 2: expected an operator or the end of the expression, found ')'"},
      {"()", "line 1, column 2: expected an expression, found ')'"},
      {"a =\n b = = 'x'", "line 2, column 6: expected an expression, found '='"},
      {"'ä' = ?", "line 1, column 7: unexpected character '?' outside of strings"},
      {"a = ü", "line 1, column 5: unexpected character 'ü' outside of strings"},
      {"a ! b", "line 1, column 3: unexpected character '!' outside of strings"},
      {"'abc", "line 1, column 1: this string has no closing '"},
      {R"("abc\")", "line 1, column 1: this string has no closing \""},
      {"'a''b'", "line 1, column 4: expected an operator or the end of the expression, found 'b'"},
      {"2147483648", "line 1, column 1: the integer 2147483648 is beyond 32 bits"},
      {"1 + -2147483649", "line 1, column 5: the integer -2147483649 is beyond 32 bits"},
      {"- 2147483648", "line 1, column 3: the integer 2147483648 is beyond 32 bits"},
      {"+ 5", "line 1, column 3: expected digits directly after '+', found '5'"},
      {"+'5'", "line 1, column 2: expected digits directly after '+', found '5'"},
      {"a LIKE 5", "line 1, column 8: expected a string literal after LIKE, found '5'"},
      {"a LIKE b", "line 1, column 8: expected a string literal after LIKE, found 'b'"},
      {"a LIKE ('b')", "line 1, column 8: expected a string literal after LIKE, found '('"},
      {"a IN ()", "line 1, column 7: expected an expression, found ')'"},
      {"a IN 'b'", "line 1, column 6: expected '(' after IN, found 'b'"},
      {"a IN ('b' 'c')", "line 1, column 11: expected ',' or ')', found 'c'"},
      {"a IN ('b',)", "line 1, column 11: expected an expression, found ')'"},
      {"a NOT 'b'", "line 1, column 7: expected LIKE or IN after NOT, found 'b'"},
      {"EXISTS 'a'", "line 1, column 8: expected an attribute name after EXISTS, found 'a'"},
      {"EXISTS (a)", "line 1, column 8: expected an attribute name after EXISTS, found '('"},
      {"EXISTS a_b", "line 1, column 8: expected an attribute name after EXISTS, found 'a_b'"},
      {"a_b = 1", "line 1, column 1: expected an attribute name (letters and digits), found 'a_b'"},
      {"ABC(", "line 1, column 5: expected an expression, found the end of the expression"},
      {"ABC('b'", "line 1, column 8: expected ',' or ')', found the end of the expression"},
      {"A1('b')",
       "line 1, column 1: expected a function name (letters and '_') before '(', found 'A1'"},
      {"_A('b')",
       "line 1, column 1: expected a function name (letters and '_') before '(', found '_A'"},
      {"NOT", "line 1, column 4: expected an expression, found the end of the expression"},
      {"AND true", "line 1, column 1: expected an expression, found 'AND'"},
      {"true AND OR false", "line 1, column 10: expected an expression, found 'OR'"},
      {"a == b", "line 1, column 4: expected an expression, found '='"},
      {"like = 'x'", "line 1, column 1: expected an expression, found 'like'"},
  };
  const std::string event = SampleEvent().SerializeAsString();
  for (const auto& [expression, message] : cases) {
    const CesqlResult result = EvaluateCesql(expression, EventView(event));
    ASSERT_TRUE(result.error.has_value()) << expression;
    EXPECT_EQ(result.error->kind, CesqlErrorKind::kParse) << expression;
    EXPECT_EQ(result.error->message, message) << expression;
    EXPECT_EQ(result.value, (std::variant<bool, int32_t, std::string>(false)));
  }
  EXPECT_THAT(CesqlExpression::Parse("'\xff'"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace eventhub

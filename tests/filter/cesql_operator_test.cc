// The results of the operators of CESQL, without errors.
#include "tests/filter/cesql_cases.h"

namespace eventhub {
namespace {

TEST(CesqlOperator, Attributes) {
  Check({Text("id", "id-1"),
         Text("source", "/shop/orders"),
         Text("type", "shop.order.placed"),
         Text("subject", "order-81"),
         Text("specversion", "1.0"),
         Text("time", "2026-01-01T00:00:00Z"),
         Text("partitionkey", "key-7"),
         Text("datacontenttype", "application/json"),
         {"flag", true},
         {"hop", 5},
         Text("ttl", "10"),
         Text("raw", "AP8Q"),
         Text("link", "https://example.com/a"),
         Text("when", "2026-01-01T00:00:00.12Z")});
}

TEST(CesqlOperator, Arithmetic) {
  Check({{"4 + 3", 7},
         {"4 - 7", -3},
         {"4 * -3", -12},
         {"7 / 2", 3},
         {"-7 / 2", -3},
         {"7 / -2", -3},
         {"7 % 3", 1},
         {"-7 % 3", -1},
         {"7 % -3", 1},
         {"-2147483648 % -1", 0},
         {"'6' * '7'", 42},
         {"'+6' + '-7'", -1},
         {"true + true", 2},
         {"hop + ttl", 15},
         {"--hop", 5},
         {"-'7'", -7},
         {"-true", -1},
         {"2147483646 + 1", 2147483647},
         {"-2147483647 - 1", INT32_MIN}});
}

TEST(CesqlOperator, Comparison) {
  Check({{"1 = 1", true},
         {"1 != 1", false},
         {"1 <> 2", true},
         {"'a' = 'a'", true},
         {"'a' = 'A'", false},
         {"'a' <> 'A'", true},
         {"TRUE = true", true},
         {"true != false", true},
         {"1 < 2", true},
         {"2 < 2", false},
         {"2 <= 2", true},
         {"3 > 2", true},
         {"2 > 2", false},
         {"2 >= 2", true},
         {"-1 < 0", true},
         {"'10' > '9'", true},  // Compared as integers.
         {"true > false", true},
         {"hop < ttl", true}});
}

// The left operand is cast to the type of the right one.
TEST(CesqlOperator, EqualityCasts) {
  Check({{"'5' = 5", true},
         {"'05' = 5", true},
         {"5 = '5'", true},
         {"5 = '05'", false},
         {"ttl = 10", true},
         {"hop = '5'", true},
         {"true = 'true'", true},
         {"true = 'TRUE'", false},
         {"'TRUE' = true", true},
         {"flag = 1", true},
         {"flag = 2", false},
         {"2 = flag", true},
         {"0 = false", true},
         {"false = 'false'", true},
         {"raw = 'AP8Q'", true}});
}

TEST(CesqlOperator, Logic) {
  for (const bool x : {false, true}) {
    for (const bool y : {false, true}) {
      const std::string left = x ? "true" : "false", right = y ? "true" : "false";
      Check({{left + " AND " + right, x && y},
             {left + " OR " + right, x || y},
             {left + " XOR " + right, x != y},
             // The same with operands that are not constant.
             {"flag = " + left + " AND flag = " + right, x && y},
             {"flag = " + left + " OR flag = " + right, x || y},
             {"flag = " + left + " XOR flag = " + right, x != y}});
    }
  }
  Check({{"NOT true", false},
         {"NOT NOT flag", true},
         {"NOT 0", true},
         {"NOT 10", false},
         {"NOT 'False'", true},
         {"1 AND 'TRUE'", true},
         {"0 OR 'true'", true},
         {"5 XOR 1", false},
         {"flag AND hop", true}});
}

TEST(CesqlOperator, LogicShortCircuits) {
  Check({{"false AND missing", false},
         {"true OR missing", true},
         {"false AND 1 / 0 = 1", false},
         {"true OR NOSUCH()", true},
         {"hop = 6 AND missing = 1", false},
         {"hop = 5 OR missing = 1", true},
         {"false AND missing OR flag", true},
         {"0 AND missing", false},
         {"'true' OR missing", true}});
}

TEST(CesqlOperator, Like) {
  Check({{"'abc' LIKE 'abc'", true},
         {"'abc' LIKE 'ABC'", false},
         {"'abc' LIKE 'ab'", false},
         {"'abc' NOT LIKE 'ab'", true},
         {"'' LIKE ''", true},
         {"'a' LIKE ''", false},
         {"'' LIKE '%'", true},
         {"'abc' LIKE '%'", true},
         {"'abc' LIKE '%%'", true},
         {"'abc' LIKE 'a%'", true},
         {"'abc' LIKE '%c'", true},
         {"'abc' LIKE '%b%'", true},
         {"'abc' LIKE '%d%'", false},
         {"'abc' LIKE 'a%b%c'", true},
         {"'ab' LIKE 'ab%b'", false},
         {"'abb' LIKE 'ab%b'", true},
         {"'aXbXXc' LIKE 'a%b%c'", true},
         {"'xayaz' LIKE '%a%a%'", true},
         {"'xaz' LIKE '%a%a%'", false},
         {"'abc' LIKE '_b_'", true},
         {"'abc' LIKE '___'", true},
         {"'abc' LIKE '__'", false},
         {"'abc' LIKE '____'", false},
         {"'abcabd' LIKE '%a_d'", true},
         {"'abcabd' LIKE '%a_c'", false},
         {"'aXcdaYc' LIKE '%d%a_c'", true},
         {"'xxabzz' LIKE '%a_z%'", true},
         {"'xxabyz' LIKE '%a_z%'", false},
         {"'a' LIKE '_%_'", false},
         {"'ab' LIKE '_%_'", true},
         // Characters, not bytes.
         {"'Grüße' LIKE 'Gr__e'", true},
         {"word LIKE '%ü_e'", true},
         {"'😀' LIKE '_'", true},
         {"'😀' LIKE '__'", false},
         // Escapes.
         {R"('50%' LIKE '50\%')", true},
         {R"('500' LIKE '50\%')", false},
         {R"('a_b' LIKE 'a\_b')", true},
         {R"('axb' LIKE 'a\_b')", false},
         {R"('a\b' LIKE 'a\b')", true},
         {R"('a\\b' LIKE 'a\\b')", true},
         {R"('it\'s' LIKE '%\'s')", true},
         {R"('a\' LIKE 'x' OR 'a%b' LIKE 'a\%b')", false, CesqlErrorKind::kParse},
         // The left side is cast to a string.
         {"2344 LIKE '23%'", true},
         {"true LIKE 'tr_e'", true},
         {"flag LIKE 'TRUE'", false},
         {"hop LIKE '5'", true},
         {"raw LIKE 'AP%'", true},
         {"time LIKE '2026-01-01%'", true},
         {"type LIKE 'shop.%.placed'", true}});
}

TEST(CesqlOperator, In) {
  Check({{"1 IN (1, 2)", true},
         {"3 IN (1, 2)", false},
         {"3 NOT IN (1, 2)", true},
         {"'b' IN ('a', 'b', 'c')", true},
         {"'B' IN ('a', 'b', 'c')", false},
         {"type IN ('x', 'shop.order.placed')", true},
         {"type NOT IN ('x', 'y')", true},
         {"true IN (false)", false},
         // Elements are cast to the type of the left side.
         {"'5' IN (5)", true},
         {"'05' IN (5)", false},
         {"5 IN ('05')", true},
         {"true IN ('TRUE')", true},
         {"'TRUE' IN (true)", false},
         {"'true' IN (true)", true},
         {"hop IN ('4', '5')", true},
         {"flag IN (0, 1)", true},
         // Elements need not be literals.
         {"'order-81' IN (id, subject)", true},
         {"5 IN (1, hop, 3)", true},
         {"3 IN (1, hop, 3)", true},
         {"4 IN (1, hop, 3)", false},
         {"7 IN (hop, 1 + 1, hop + 2, 9)", true},
         {"id IN (id)", true},
         // Elements after the first equal one are not evaluated.
         {"1 IN (1, missing)", true},
         {"1 IN (1, 'abc')", true},
         {"hop IN (5, missing, 'abc')", true}});
}

TEST(CesqlOperator, Exists) {
  Check({{"EXISTS id", true},
         {"EXISTS source", true},
         {"EXISTS type", true},
         {"EXISTS specversion", true},
         {"EXISTS subject", true},
         {"EXISTS time", true},
         {"EXISTS hop", true},
         {"EXISTS HOP", true},
         {"EXISTS dataschema", false},
         {"EXISTS missing", false},
         {"EXISTS unset", false},
         {"EXISTS data", false},
         {"NOT EXISTS missing", true},
         {"EXISTS hop AND EXISTS ttl", true}});
}

}  // namespace
}  // namespace eventhub

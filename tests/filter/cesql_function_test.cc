// The built-in functions of CESQL.
#include "tests/filter/cesql_cases.h"

namespace eventhub {
namespace {

constexpr CesqlErrorKind kFunction = CesqlErrorKind::kFunctionEvaluation;

TEST(CesqlFunction, Casts) {
  Check({{"INT('12')", 12},
         {"INT('-12')", -12},
         {"INT('+12')", 12},
         {"INT(7)", 7},
         {"INT(true)", 1},
         {"INT(false)", 0},
         {"INT('2147483648')", 0, CesqlErrorKind::kCast},
         {"INT('-2147483648')", INT32_MIN},
         {"INT('')", 0, CesqlErrorKind::kCast},
         {"INT(' 1')", 0, CesqlErrorKind::kCast},
         {"INT('1 ')", 0, CesqlErrorKind::kCast},
         {"INT('1.0')", 0, CesqlErrorKind::kCast},
         {"INT('0x1')", 0, CesqlErrorKind::kCast},
         {"INT('+')", 0, CesqlErrorKind::kCast},
         {"BOOL('TRUE')", true},
         {"BOOL('fAlSe')", false},
         {"BOOL(0)", false},
         {"BOOL(-3)", true},
         {"BOOL(true)", true},
         {"BOOL('1')", false, CesqlErrorKind::kCast},
         {"BOOL('')", false, CesqlErrorKind::kCast},
         Text("STRING(true)", "true"),
         Text("STRING(FALSE)", "false"),
         Text("STRING(-12)", "-12"),
         Text("STRING(007)", "7"),
         Text("STRING('abc')", "abc"),
         Text("STRING(hop)", "5"),
         Text("STRING(-2147483648)", "-2147483648"),
         {"IS_INT('12')", true},
         {"IS_INT('abc')", false},
         {"IS_INT(1)", true},
         {"IS_BOOL('True')", true},
         {"IS_BOOL('abc')", false},
         {"IS_BOOL(true)", true},
         // Booleans and integers can be cast to each other since CESQL 1.0.
         {"IS_INT(true)", true},
         {"IS_BOOL(5)", true}});
}

TEST(CesqlFunction, Math) {
  Check({{"ABS(10)", 10},
         {"ABS(-10)", 10},
         {"ABS(0)", 0},
         {"ABS('-3')", 3},
         {"ABS(true)", 1},
         {"ABS(-2147483647)", 2147483647},
         {"ABS(-2147483648)", 2147483647, CesqlErrorKind::kMath}});
}

TEST(CesqlFunction, Length) {
  Check({{"LENGTH('')", 0},
         {"LENGTH('abc')", 3},
         {"LENGTH('Grüße')", 5},
         {"LENGTH('😀')", 1},
         {"LENGTH(true)", 4},
         {"LENGTH(-12)", 3}});
}

TEST(CesqlFunction, Concatenation) {
  Check({Text("CONCAT()", ""), Text("CONCAT('a')", "a"), Text("CONCAT('a', 'b', 'c')", "abc"),
         Text("CONCAT(1, true, 'x')", "1truex"), Text("CONCAT(id, '/', hop)", "id-1/5"),
         Text("CONCAT_WS(',')", ""), Text("CONCAT_WS(',', 'a')", "a"),
         Text("CONCAT_WS(',', 'a', 'b', '', 'c')", "a,b,,c"), Text("CONCAT_WS(0, 1, 2)", "102"),
         Text("CONCAT_WS(', ', id, raw)", "id-1, AP8Q")});
}

TEST(CesqlFunction, Case) {
  Check({Text("LOWER('AbC 1')", "abc 1"), Text("UPPER('AbC 1')", "ABC 1"),
         Text("LOWER('ÄÖ É Σ Ж')", "äö é σ ж"), Text("UPPER(word)", "GRÜßE"),
         Text("UPPER('äö é σ ж 😀 x')", "ÄÖ É Σ Ж 😀 X"), Text("LOWER(TRUE)", "true"),
         Text("UPPER(FALSE)", "FALSE"), Text("UPPER('')", "")});
}

TEST(CesqlFunction, Trim) {
  Check({Text("TRIM('  a b  ')", "a b"), Text("TRIM('a')", "a"), Text("TRIM('   ')", ""),
         Text("TRIM('')", ""), Text("TRIM('\t\r\n\v\fa\n')", "a"),
         // No-break space, en quad, line separator, ideographic space.
         Text("TRIM('\u00a0\u2000a\u2028\u3000')", "a"),
         // Neither zero-width space nor a control character is white space.
         Text("TRIM('\u200ba\x01')", "\u200ba\x01"), Text("TRIM(12)", "12")});
}

TEST(CesqlFunction, LeftAndRight) {
  Check({Text("LEFT('abc', 2)", "ab"), Text("LEFT('abc', 0)", ""), Text("LEFT('abc', 3)", "abc"),
         Text("LEFT('abc', 2147483647)", "abc"), Text("LEFT('Grüße', 3)", "Grü"),
         Text("LEFT(12345, '2')", "12"), Text("LEFT('abc', -1)", "abc", kFunction),
         Text("RIGHT('abc', 2)", "bc"), Text("RIGHT('abc', 0)", ""), Text("RIGHT('abc', 3)", "abc"),
         Text("RIGHT('abc', 10)", "abc"), Text("RIGHT('Grüße', 3)", "üße"),
         Text("RIGHT('abc', -1)", "abc", kFunction),
         Text("LEFT('abc', 'x')", "", CesqlErrorKind::kCast)});
}

TEST(CesqlFunction, Substring) {
  Check({Text("SUBSTRING('abcdef', 1)", "abcdef"),
         Text("SUBSTRING('abcdef', 3)", "cdef"),
         Text("SUBSTRING('abcdef', 6)", "f"),
         Text("SUBSTRING('abcdef', 7)", "", kFunction),
         Text("SUBSTRING('abcdef', 0)", ""),
         Text("SUBSTRING('abcdef', -1)", "f"),
         Text("SUBSTRING('abcdef', -6)", "abcdef"),
         Text("SUBSTRING('abcdef', -7)", "", kFunction),
         Text("SUBSTRING('abcdef', -2147483648)", "", kFunction),
         Text("SUBSTRING('', 0)", ""),
         Text("SUBSTRING('', 1)", "", kFunction),
         Text("SUBSTRING('Grüße', 3, 2)", "üß"),
         Text("SUBSTRING('abcdef', 2, 3)", "bcd"),
         Text("SUBSTRING('abcdef', 2, 0)", ""),
         Text("SUBSTRING('abcdef', 2, 100)", "bcdef"),
         Text("SUBSTRING('abcdef', 2, 2147483647)", "bcdef"),
         Text("SUBSTRING('abcdef', -3, 2)", "de"),
         Text("SUBSTRING('abcdef', 0, 2)", ""),
         Text("SUBSTRING('abcdef', 7, 1)", "", kFunction),
         Text("SUBSTRING('abcdef', -7, 1)", "", kFunction),
         Text("SUBSTRING('abcdef', 2, -1)", "", kFunction),
         Text("SUBSTRING('abcdef', 0, -1)", "", kFunction),
         Text("SUBSTRING(12345, 2, 2)", "23")});
}

TEST(CesqlFunction, NamesAreCaseInsensitiveAndNest) {
  Check({{"length(Concat('a', upper('b')))", 2},
         Text("uPpEr(substring(type, -6))", "PLACED"),
         {"INT(LEFT('42abc', 2)) + 1", 43},
         {"LENGTH(CONCAT_WS('-', LEFT(id, 2), RIGHT(subject, 2))) = 5", true}});
}

TEST(CesqlFunction, RejectsUnknownNamesAndArgumentCounts) {
  constexpr CesqlErrorKind kMissing = CesqlErrorKind::kMissingFunction;
  Check({{"NOSUCH()", false, kMissing},
         {"NOSUCH(id, missing)", false, kMissing},
         {"CONCAT_WS()", false, kMissing},
         {"LENGTH()", false, kMissing},
         {"LENGTH('a', 'b')", false, kMissing},
         {"SUBSTRING('a')", false, kMissing},
         {"SUBSTRING('a', 1, 1, 1)", false, kMissing},
         {"NOSUCH() + 1", 0, kMissing},
         Text("UPPER(NOSUCH())", "", kMissing),
         {"NOSUCH() OR true", false, kMissing}});
}

}  // namespace
}  // namespace eventhub

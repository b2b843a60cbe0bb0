// The words of a CESQL expression (section 2 of its specification).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eventhub::filter {

enum class TokenKind : uint8_t {
  kEnd,
  kWord,     // A name, of an attribute or a function; no keyword.
  kInteger,  // Digits, without a sign.
  kString,   // With its quotes.
  kLeftParenthesis,
  kRightParenthesis,
  kComma,
  kPlus,
  kMinus,
  kStar,
  kSlash,
  kPercent,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  // Keywords, in any case.
  kAnd,
  kOr,
  kXor,
  kNot,
  kLike,
  kIn,
  kExists,
  kTrue,
  kFalse,
};

struct Token {
  TokenKind kind;
  absl::string_view text;  // In the expression.
};

// All tokens of `expression`, kEnd being the last. INVALID_ARGUMENT, as SyntaxError() has it.
absl::Status Tokenize(absl::string_view expression, std::vector<Token>* tokens);

// What a string literal stands for: without its quotes, and with an escaped quote of its own kind
// as the quote. All other backslashes stand for themselves.
std::string Unquote(absl::string_view literal);

// INVALID_ARGUMENT: "line 1, column 8: expected an expression, found ')'". Lines and columns count
// from 1, columns in characters. `at` is within `expression`, at what was found.
absl::Status SyntaxError(absl::string_view expression, absl::string_view at,
                         absl::string_view problem);

// "expected WHAT, found ...".
absl::Status ExpectedError(absl::string_view expression, const Token& found,
                           absl::string_view what);

}  // namespace eventhub::filter

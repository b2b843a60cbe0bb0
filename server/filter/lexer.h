// The tokens of a CESQL expression (section 2 of the specification).
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
  // Keywords, case-insensitive.
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

// Returns the tokens of `expression`, ending with kEnd, or a SyntaxError().
absl::Status Tokenize(absl::string_view expression, std::vector<Token>* tokens);

// The value of a string literal: its quotes are removed, and an escaped quote of the same kind
// becomes the quote. All other backslashes are literal.
std::string Unquote(absl::string_view literal);

// INVALID_ARGUMENT: "line 1, column 8: expected an expression, found ')'". Lines and columns count
// from 1, columns in characters. `at` points into `expression`, at the token found.
absl::Status SyntaxError(absl::string_view expression, absl::string_view at,
                         absl::string_view problem);

// "expected WHAT, found ...".
absl::Status ExpectedError(absl::string_view expression, const Token& found,
                           absl::string_view what);

}  // namespace eventhub::filter

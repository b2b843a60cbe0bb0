#include "server/filter/lexer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/wire/utf8.h"
#include "server/filter/text.h"

namespace eventhub::filter {
namespace {

constexpr std::pair<absl::string_view, TokenKind> kKeywords[] = {
    {"AND", TokenKind::kAnd},   {"OR", TokenKind::kOr},         {"XOR", TokenKind::kXor},
    {"NOT", TokenKind::kNot},   {"LIKE", TokenKind::kLike},     {"IN", TokenKind::kIn},
    {"TRUE", TokenKind::kTrue}, {"EXISTS", TokenKind::kExists}, {"FALSE", TokenKind::kFalse},
};

// Two characters before one, so that the longest match wins.
constexpr std::pair<absl::string_view, TokenKind> kSymbols[] = {
    {"!=", TokenKind::kNotEqual},
    {"<>", TokenKind::kNotEqual},
    {"<=", TokenKind::kLessOrEqual},
    {">=", TokenKind::kGreaterOrEqual},
    {"<", TokenKind::kLess},
    {">", TokenKind::kGreater},
    {"=", TokenKind::kEqual},
    {"(", TokenKind::kLeftParenthesis},
    {")", TokenKind::kRightParenthesis},
    {",", TokenKind::kComma},
    {"+", TokenKind::kPlus},
    {"-", TokenKind::kMinus},
    {"*", TokenKind::kStar},
    {"/", TokenKind::kSlash},
    {"%", TokenKind::kPercent},
};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool IsWordChar(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

Token WordToken(absl::string_view text) {
  if (std::all_of(text.begin(), text.end(), IsDigit)) return {TokenKind::kInteger, text};
  for (const auto& [keyword, kind] : kKeywords) {
    if (absl::EqualsIgnoreCase(text, keyword)) return {kind, text};
  }
  return {TokenKind::kWord, text};
}

// The string literal at the start of `rest`; empty if it is unterminated.
absl::string_view QuotedString(absl::string_view rest) {
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == rest[0]) return rest.substr(0, i + 1);
    if (rest[i] == '\\') ++i;
  }
  return {};
}

}  // namespace

absl::Status Tokenize(absl::string_view expression, std::vector<Token>* tokens) {
  absl::string_view rest = expression;
  while (true) {
    while (!rest.empty() && IsSpace(rest.front())) rest.remove_prefix(1);
    if (rest.empty()) {
      tokens->push_back({TokenKind::kEnd, rest});
      return absl::OkStatus();
    }
    Token token{TokenKind::kEnd, {}};
    if (IsWordChar(rest.front())) {
      const auto* const end = std::find_if_not(rest.begin(), rest.end(), IsWordChar);
      token = WordToken(rest.substr(0, static_cast<size_t>(end - rest.begin())));
    } else if (rest.front() == '\'' || rest.front() == '"') {
      token = {TokenKind::kString, QuotedString(rest)};
      if (token.text.empty()) {
        return SyntaxError(expression, rest,
                           absl::StrCat("this string has no closing ", rest.substr(0, 1)));
      }
    } else {
      for (const auto& [symbol, kind] : kSymbols) {
        if (!absl::StartsWith(rest, symbol)) continue;
        token = {kind, rest.substr(0, symbol.size())};
        break;
      }
      if (token.text.empty()) {
        return SyntaxError(
            expression, rest,
            absl::StrCat("unexpected character '", rest.substr(0, CharOffset(rest, 1)),
                         "' outside of strings"));
      }
    }
    tokens->push_back(token);
    rest.remove_prefix(token.text.size());
  }
}

std::string Unquote(absl::string_view literal) {
  const char quote = literal.front();
  literal = literal.substr(1, literal.size() - 2);
  std::string text;
  for (size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] == '\\') {
      // An escaped character does not escape the next one.
      if (literal[i + 1] != quote) text.push_back('\\');
      ++i;
    }
    text.push_back(literal[i]);
  }
  return text;
}

absl::Status SyntaxError(absl::string_view expression, absl::string_view at,
                         absl::string_view problem) {
  const absl::string_view before =
      expression.substr(0, static_cast<size_t>(at.data() - expression.data()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_begin = before.rfind('\n') + 1;  // 0 if there is none.
  return absl::InvalidArgumentError(absl::StrCat(
      "line ", line, ", column ", 1 + CountChars(before.substr(line_begin)), ": ", problem));
}

absl::Status ExpectedError(absl::string_view expression, const Token& found,
                           absl::string_view what) {
  constexpr size_t kLongest = 40;
  const std::string name = found.kind == TokenKind::kEnd ? "the end of the expression"
                           : found.kind == TokenKind::kString
                               ? std::string(wire::Shorten(found.text, kLongest))
                               : absl::StrCat("'", wire::Shorten(found.text, kLongest), "'");
  return SyntaxError(expression, found.text, absl::StrCat("expected ", what, ", found ", name));
}

}  // namespace eventhub::filter

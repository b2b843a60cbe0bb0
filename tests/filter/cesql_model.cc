#include "tests/filter/cesql_model.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace eventhub {
namespace {

using Kind = CesqlErrorKind;

size_t Below(std::mt19937_64& random, size_t n) { return random() % n; }

template <typename T>
const T& OneOf(std::mt19937_64& random, const std::vector<T>& values) {
  return values[Below(random, values.size())];
}

std::string ToText(const ModelValue& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* integer = std::get_if<int32_t>(&value)) return std::to_string(*integer);
  return std::get<std::string>(value);
}

ModelResult ToInteger(const ModelValue& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) return {int32_t{*boolean}};
  if (std::holds_alternative<int32_t>(value)) return {value};
  const std::string& text = std::get<std::string>(value);
  int32_t integer;
  // SimpleAtoi also accepts surrounding white space.
  const bool is_padded = text.find_first_not_of("+-0123456789") != std::string::npos;
  if (!is_padded && absl::SimpleAtoi(text, &integer)) return {integer};
  return {0, Kind::kCast};
}

ModelResult ToBoolean(const ModelValue& value) {
  if (std::holds_alternative<bool>(value)) return {value};
  if (const auto* integer = std::get_if<int32_t>(&value)) return {*integer != 0};
  const std::string text = absl::AsciiStrToLower(std::get<std::string>(value));
  if (text == "true" || text == "false") return {text == "true"};
  return {false, Kind::kCast};
}

ModelResult CastLike(const ModelValue& value, const ModelValue& like) {
  if (std::holds_alternative<bool>(like)) return ToBoolean(value);
  if (std::holds_alternative<int32_t>(like)) return ToInteger(value);
  return {ToText(value)};
}

// Returns the zero value of the type that an operator or function returns.
ModelValue ZeroOf(const std::string& op) {
  static const std::vector<std::string> kIntegers = {"+",   "-",   "*",   "/",     "%",
                                                     "neg", "INT", "ABS", "LENGTH"};
  static const std::vector<std::string> kStrings = {"STRING", "CONCAT", "UPPER", "LEFT",
                                                    "SUBSTRING"};
  if (std::count(kIntegers.begin(), kIntegers.end(), op) > 0) return 0;
  if (std::count(kStrings.begin(), kStrings.end(), op) > 0) return std::string();
  return false;
}

bool MatchesLike(const std::string& text, const std::string& pattern) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%') {
    for (size_t i = 0; i <= text.size(); ++i) {
      if (MatchesLike(text.substr(i), pattern.substr(1))) return true;
    }
    return false;
  }
  const bool escape =
      pattern.size() > 1 && pattern[0] == '\\' && (pattern[1] == '%' || pattern[1] == '_');
  if (text.empty() || (pattern[0] != '_' && text[0] != pattern[escape ? 1 : 0])) return false;
  return MatchesLike(text.substr(1), pattern.substr(escape ? 2 : 1));
}

ModelResult Integers(const std::string& op, int64_t x, int64_t y) {
  if (op == "<") return {x < y};
  if (op == "<=") return {x <= y};
  if (op == ">") return {x > y};
  if (op == ">=") return {x >= y};
  if ((op == "/" || op == "%") && y == 0) return {0, Kind::kMath};
  const int64_t result = op == "+"   ? x + y
                         : op == "-" ? x - y
                         : op == "*" ? x * y
                         : op == "/" ? x / y
                                     : x % y;
  if (result != static_cast<int32_t>(result)) return {0, Kind::kMath};
  return {static_cast<int32_t>(result)};
}

// SUBSTRING of ASCII text.
ModelResult Substring(const std::string& text, int64_t position, int64_t length) {
  const auto size = static_cast<int64_t>(text.size());
  if (position > size || position < -size || length < 0) {
    return {std::string(), Kind::kFunctionEvaluation};
  }
  if (position == 0) return {std::string()};
  return {text.substr(static_cast<size_t>(position > 0 ? position - 1 : size + position),
                      static_cast<size_t>(length))};
}

ModelResult Function(const std::string& op, const std::vector<ModelValue>& values) {
  if (op == "INT") return ToInteger(values[0]);
  if (op == "BOOL") return ToBoolean(values[0]);
  if (op == "STRING") return {ToText(values[0])};
  if (op == "IS_INT") return {ToInteger(values[0]).error == Kind::kNone};
  if (op == "IS_BOOL") return {ToBoolean(values[0]).error == Kind::kNone};
  if (op == "LENGTH") return {static_cast<int32_t>(ToText(values[0]).size())};
  if (op == "UPPER") return {absl::AsciiStrToUpper(ToText(values[0]))};
  if (op == "CONCAT") {
    std::string all;
    for (const ModelValue& value : values) all += ToText(value);
    return {all};
  }
  // The integer arguments of the remaining functions.
  std::vector<int64_t> integers;
  for (size_t i = op == "ABS" ? 0 : 1; i < values.size(); ++i) {
    const ModelResult integer = ToInteger(values[i]);
    if (integer.error != Kind::kNone) return {ZeroOf(op), integer.error};
    integers.push_back(std::get<int32_t>(integer.value));
  }
  if (op == "ABS") {
    if (integers[0] == INT32_MIN) return {INT32_MAX, Kind::kMath};
    return {static_cast<int32_t>(std::abs(integers[0]))};
  }
  const std::string text = ToText(values[0]);
  if (op == "LEFT") {
    if (integers[0] < 0) return {text, Kind::kFunctionEvaluation};
    return {text.substr(0, static_cast<size_t>(integers[0]))};
  }
  return Substring(text, integers[0], integers.size() > 1 ? integers[1] : INT32_MAX);
}

ModelResult Negation(const ModelResult& result) {
  if (result.error != Kind::kNone) return {false, result.error};
  return {!std::get<bool>(result.value)};
}

}  // namespace

ModelResult ModelExpression::Evaluate(const ModelAttributes& attributes) const {
  if (op == "literal") return {literal};
  if (op == "EXISTS") return {attributes.count(name) > 0};
  if (op == "attribute") {
    const auto found = attributes.find(name);
    if (found == attributes.end()) return {false, Kind::kMissingAttribute};
    return {found->second};
  }
  if (absl::StartsWith(op, "NOT ")) {
    ModelExpression plain = *this;
    plain.op = op.substr(4);
    return Negation(plain.Evaluate(attributes));
  }
  const ModelResult first =
      children.empty() ? ModelResult{false} : children[0].Evaluate(attributes);
  if (first.error != Kind::kNone) return {ZeroOf(op), first.error};
  if (op == "AND" || op == "OR") {
    const ModelResult left = ToBoolean(first.value);
    if (left.error != Kind::kNone) return {false, left.error};
    if (std::get<bool>(left.value) == (op == "OR")) return left;
  }
  if (op == "IN") {
    for (size_t i = 1; i < children.size(); ++i) {
      const ModelResult element = children[i].Evaluate(attributes);
      if (element.error != Kind::kNone) return {false, element.error};
      const ModelResult cast = CastLike(element.value, first.value);
      if (cast.error != Kind::kNone) return {false, cast.error};
      if (cast.value == first.value) return {true};
    }
    return {false};
  }
  std::vector<ModelValue> values;
  for (const ModelExpression& child : children) {
    const ModelResult result = child.Evaluate(attributes);
    if (result.error != Kind::kNone) return {ZeroOf(op), result.error};
    values.push_back(result.value);
  }
  if (op == "neg") {
    const ModelResult x = ToInteger(values[0]);
    if (x.error != Kind::kNone) return x;
    return Integers("-", 0, std::get<int32_t>(x.value));
  }
  if (op == "not") return Negation(ToBoolean(values[0]));
  if (op == "AND" || op == "OR") return ToBoolean(values[1]);
  if (op == "XOR") {
    const ModelResult x = ToBoolean(values[0]), y = ToBoolean(values[1]);
    if (x.error != Kind::kNone || y.error != Kind::kNone) return {false, Kind::kCast};
    return {x.value != y.value};
  }
  if (op == "=" || op == "!=" || op == "<>") {
    const ModelResult x = CastLike(values[0], values[1]);
    if (x.error != Kind::kNone) return {false, x.error};
    return {(x.value == values[1]) == (op == "=")};
  }
  if (op == "LIKE") return {MatchesLike(ToText(values[0]), std::get<std::string>(literal))};
  if (absl::ascii_isalpha(static_cast<unsigned char>(op[0]))) return Function(op, values);
  const ModelResult x = ToInteger(values[0]), y = ToInteger(values[1]);
  if (x.error != Kind::kNone || y.error != Kind::kNone) return {ZeroOf(op), Kind::kCast};
  return Integers(op, std::get<int32_t>(x.value), std::get<int32_t>(y.value));
}

namespace {

int PrecedenceOf(const ModelExpression& expression) {
  static const std::map<std::string, int> kPrecedence = {
      {"AND", 1}, {"OR", 1}, {"XOR", 1},    {"=", 2},    {"!=", 2},       {"<>", 2},  {"<", 2},
      {"<=", 2},  {">", 2},  {">=", 2},     {"+", 3},    {"-", 3},        {"*", 4},   {"/", 4},
      {"%", 4},   {"IN", 5}, {"NOT IN", 5}, {"LIKE", 5}, {"NOT LIKE", 5}, {"neg", 6}, {"not", 6}};
  const auto found = kPrecedence.find(expression.op);
  return found == kPrecedence.end() ? 7 : found->second;
}

class Writer {
 public:
  explicit Writer(std::mt19937_64& random) : random_(random) {}

  std::string Write(const ModelExpression& expression, int precedence) {
    const bool parentheses = PrecedenceOf(expression) < precedence || Below(random_, 8) == 0;
    const std::string text = Bare(expression);
    return parentheses ? absl::StrCat("(", Space(), text, Space(), ")") : text;
  }

 private:
  std::string Space() { return OneOf<std::string>(random_, {"", "", " ", "\t", "\n  "}); }

  std::string Word(std::string word) {
    for (char& c : word) {
      if (Below(random_, 3) == 0) c = absl::ascii_tolower(static_cast<unsigned char>(c));
    }
    return word;
  }

  std::string Quoted(const std::string& text) {
    const char quote = Below(random_, 2) == 0 ? '\'' : '"';
    std::string quoted(1, quote);
    for (const char c : text) {
      if (c == quote) quoted.push_back('\\');
      quoted.push_back(c);
    }
    return quoted + quote;
  }

  std::string List(const std::vector<ModelExpression>& list, size_t first) {
    std::string text = "(";
    for (size_t i = first; i < list.size(); ++i) {
      absl::StrAppend(&text, i > first ? "," : "", Space(), Write(list[i], 1), Space());
    }
    return text + ")";
  }

  std::string Bare(const ModelExpression& expression) {
    const auto& [op, literal, name, children] = expression;
    const int precedence = PrecedenceOf(expression);
    if (op == "literal") {
      if (const auto* text = std::get_if<std::string>(&literal)) return Quoted(*text);
      return Word(absl::AsciiStrToUpper(ToText(literal)));
    }
    if (op == "attribute") return name;
    if (op == "EXISTS") return absl::StrCat(Word(op), " ", name);
    if (op == "neg") return absl::StrCat("-", Space(), Parenthesised(children[0]));
    if (op == "not") return absl::StrCat(Word("NOT"), " ", Write(children[0], 6));
    if (precedence == 7) return absl::StrCat(Word(op), Space(), List(children, 0));
    const std::string left = Write(children[0], precedence);
    if (absl::EndsWith(op, "LIKE")) {
      return absl::StrCat(left, " ", Word(op), " ", Quoted(std::get<std::string>(literal)));
    }
    if (absl::EndsWith(op, "IN")) return absl::StrCat(left, " ", Word(op), " ", List(children, 1));
    const bool word = absl::ascii_isalpha(static_cast<unsigned char>(op[0]));
    return absl::StrCat(left, word ? " " : Space(), Word(op), word ? " " : Space(),
                        Write(children[1], precedence + 1));
  }

  // Without parentheses, a sign and digits form one literal, which makes a difference for the
  // smallest integer.
  std::string Parenthesised(const ModelExpression& expression) {
    if (expression.op == "literal") return absl::StrCat("(", Bare(expression), ")");
    return Write(expression, 6);
  }

  std::mt19937_64& random_;
};

}  // namespace

std::string ModelExpression::Text(std::mt19937_64& random) const {
  return Writer(random).Write(*this, 1);
}

ModelValue RandomValue(std::mt19937_64& random) {
  switch (Below(random, 4)) {
    case 0:
      return Below(random, 2) == 0;
    case 1:
      return OneOf<int32_t>(random, {0, 1, 2, 5, -1, -3, 100, INT32_MAX, INT32_MIN});
    case 2:
      return OneOf<std::string>(random, {"0", "1", "5", "-3", "+2", "TRUE", "false", "2147483648"});
    default:
      return OneOf<std::string>(random, {"", "a", "ab", "aba", "x'y", "q\"r", "a%b", "a_b"});
  }
}

ModelExpression RandomExpression(std::mt19937_64& random, int depth) {
  ModelExpression expression;
  const auto child = [&] {
    return RandomExpression(random, static_cast<int>(Below(random, static_cast<size_t>(depth))));
  };
  const size_t choice = depth == 0 ? Below(random, 3) : Below(random, 12);
  if (choice < 2) {
    expression.op = "literal";
    expression.literal = RandomValue(random);
  } else if (choice == 2) {
    expression.op = Below(random, 4) == 0 ? "EXISTS" : "attribute";
    expression.name = absl::StrCat("a", Below(random, 4));
  } else if (choice < 5) {
    expression.op = OneOf<std::string>(random, {"AND", "OR", "XOR"});
  } else if (choice < 7) {
    expression.op = OneOf<std::string>(random, {"=", "!=", "<>", "<", "<=", ">", ">="});
  } else if (choice < 9) {
    expression.op = OneOf<std::string>(random, {"+", "-", "*", "/", "%"});
  } else if (choice == 9) {
    expression.op = OneOf<std::string>(random, {"not", "neg", "LIKE", "NOT LIKE"});
    expression.literal =
        OneOf<std::string>(random, {"", "%", "a%", "%a", "a_a", "_", "%b%", "a\\%b", "1", "t%e"});
    expression.children = {child()};
  } else if (choice == 10) {
    expression.op = OneOf<std::string>(random, {"IN", "NOT IN"});
    expression.children = {child()};
    for (size_t i = 1 + Below(random, 4); i > 0; --i) expression.children.push_back(child());
  } else {
    expression.op =
        OneOf<std::string>(random, {"INT", "BOOL", "STRING", "IS_INT", "IS_BOOL", "LENGTH", "UPPER",
                                    "CONCAT", "ABS", "LEFT", "SUBSTRING"});
    size_t count = 1;
    if (expression.op == "CONCAT") count = Below(random, 4);
    if (expression.op == "LEFT") count = 2;
    if (expression.op == "SUBSTRING") count = 2 + Below(random, 2);
    for (; count > 0; --count) expression.children.push_back(child());
  }
  if (choice >= 3 && choice < 9) {
    ModelExpression left = child();
    expression.children = {std::move(left), child()};
  }
  return expression;
}

}  // namespace eventhub

#include "server/filter/expression_compiler.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/wire/utf8.h"
#include "server/filter/casts.h"
#include "server/filter/functions.h"
#include "server/filter/lexer.h"
#include "storage/base/status_macros.h"

namespace eventhub::filter {
namespace {

// A part of the expression whose instructions have been appended.
struct Operand {
  size_t begin = 0;
  ValueType type = ValueType::kMissing;
  bool constant = false;       // It is one kConstant.
  bool is_event_type = false;  // It is the attribute `type`.
  TypeSet types;
};

struct BinaryOperator {
  Op op;
  int precedence;  // 0: none. Operators of one precedence are evaluated from left to right.
  ValueType type;
};

constexpr int kLowest = 1;

BinaryOperator BinaryOperatorOf(TokenKind kind) {
  constexpr ValueType kBoolean = ValueType::kBoolean;
  constexpr ValueType kInteger = ValueType::kInteger;
  switch (kind) {
    case TokenKind::kAnd:
      return {Op::kAnd, kLowest, kBoolean};
    case TokenKind::kOr:
      return {Op::kOr, kLowest, kBoolean};
    case TokenKind::kXor:
      return {Op::kXor, kLowest, kBoolean};
    case TokenKind::kEqual:
      return {Op::kEqual, 2, kBoolean};
    case TokenKind::kNotEqual:
      return {Op::kNotEqual, 2, kBoolean};
    case TokenKind::kLess:
      return {Op::kLess, 2, kBoolean};
    case TokenKind::kLessOrEqual:
      return {Op::kLessOrEqual, 2, kBoolean};
    case TokenKind::kGreater:
      return {Op::kGreater, 2, kBoolean};
    case TokenKind::kGreaterOrEqual:
      return {Op::kGreaterOrEqual, 2, kBoolean};
    case TokenKind::kPlus:
      return {Op::kAdd, 3, kInteger};
    case TokenKind::kMinus:
      return {Op::kSubtract, 3, kInteger};
    case TokenKind::kStar:
      return {Op::kMultiply, 4, kInteger};
    case TokenKind::kSlash:
      return {Op::kDivide, 4, kInteger};
    case TokenKind::kPercent:
      return {Op::kModulo, 4, kInteger};
    default:
      return {Op::kConstant, 0, ValueType::kMissing};
  }
}

bool IsName(absl::string_view word) {
  return std::all_of(word.begin(), word.end(),
                     [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); });
}

bool IsFunctionIdentifier(absl::string_view word) {
  return word.front() != '_' && std::all_of(word.begin(), word.end(), [](char c) {
           return c == '_' || absl::ascii_isalpha(static_cast<unsigned char>(c));
         });
}

// A one-pass recursive-descent compiler: each part appends its instructions once it is parsed.
class ExpressionCompiler {
 public:
  ExpressionCompiler(absl::string_view expression, std::vector<Token> tokens,
                     ProgramBuilder& builder)
      : expression_(expression), tokens_(std::move(tokens)), builder_(builder) {}

  absl::Status Compile(ExpressionInfo* info) {
    Operand root;
    RETURN_IF_ERROR(Binary(kLowest, &root));
    if (Peek() != TokenKind::kEnd) return Expected("an operator or the end of the expression");
    info->type = root.type;
    info->types = std::move(root.types);
    info->functions = std::move(functions_);
    return absl::OkStatus();
  }

 private:
  // Each parses one rule of the grammar.
  absl::Status Binary(int precedence, Operand* operand);
  absl::Status Logic(const BinaryOperator& binary, Operand* left);
  absl::Status Postfix(Operand* operand);
  absl::Status Like(bool negate, Operand* operand);
  absl::Status In(bool negate, Operand* operand);
  absl::Status Unary(Operand* operand);
  absl::Status Primary(Operand* operand);
  absl::Status Integer(const Token& sign, Operand* operand);
  absl::Status Exists(Operand* operand);
  absl::Status Word(Operand* operand);
  absl::Status FunctionCall(const Token& name, Operand* operand);

  // Whether the next token is an integer literal to which the sign belongs.
  bool IsSignOfInteger(const Token& sign) const {
    return Peek() == TokenKind::kInteger &&
           tokens_[at_].text.data() == sign.text.data() + sign.text.size();
  }

  TokenKind Peek() const { return tokens_[at_].kind; }
  const Token& Take() { return tokens_[at_++]; }
  bool TakeIf(TokenKind kind) {
    if (Peek() != kind) return false;
    ++at_;
    return true;
  }
  absl::Status Expected(absl::string_view what) const {
    return ExpectedError(expression_, tokens_[at_], what);
  }
  absl::Status TooDeep() const {
    return SyntaxError(expression_, tokens_[at_].text,
                       absl::StrCat("nests more than ", kMaxExpressionDepth, " levels deep"));
  }
  absl::Status Expect(TokenKind kind, absl::string_view what) {
    return TakeIf(kind) ? absl::OkStatus() : Expected(what);
  }

  void EmitConstant(const Value& value, Operand* operand) {
    operand->begin = builder_.here();
    operand->type = value.type();
    operand->constant = true;
    builder_.EmitConstant(value);
    NoteConstant(operand);
  }
  // Folds what does not depend on an event.
  void FoldIf(bool constant, Operand* operand) {
    operand->constant = constant && builder_.Fold(operand->begin);
    NoteConstant(operand);
  }
  void NoteConstant(Operand* operand) const {
    if (!operand->constant) return;
    const Value& value = builder_.LastConstant();
    if (value.type() == ValueType::kBoolean && !value.boolean()) {
      operand->types = std::vector<std::string>();
    }
  }
  // The operand becomes a boolean about which nothing else is known.
  static void BecomeBoolean(Operand* operand) {
    operand->type = ValueType::kBoolean;
    operand->is_event_type = false;
    operand->types.reset();
  }

  const absl::string_view expression_;
  const std::vector<Token> tokens_;
  ProgramBuilder& builder_;
  size_t at_ = 0;
  int depth_ = 0;
  absl::Status functions_;
};

absl::Status ExpressionCompiler::Binary(int precedence, Operand* operand) {
  RETURN_IF_ERROR(Postfix(operand));
  while (true) {
    const BinaryOperator binary = BinaryOperatorOf(Peek());
    if (binary.precedence < precedence) return absl::OkStatus();
    Take();
    if (binary.op == Op::kAnd || binary.op == Op::kOr) {
      RETURN_IF_ERROR(Logic(binary, operand));
      continue;
    }
    // Strings only: two strings that differ still differ after a cast.
    TypeSet types;
    const bool maybe_type =
        binary.op == Op::kEqual && (operand->constant || operand->is_event_type);
    const Value left = operand->constant ? builder_.LastConstant() : Value();
    Operand right;
    RETURN_IF_ERROR(Binary(binary.precedence + 1, &right));
    if (maybe_type) {
      const Value& other = right.constant ? builder_.LastConstant() : left;
      const bool compares =
          (operand->is_event_type && right.constant) || (operand->constant && right.is_event_type);
      if (compares && other.type() == ValueType::kString) {
        types = std::vector<std::string>{std::string(other.text())};
      }
    }
    builder_.Emit(binary.op);
    operand->type = binary.type;
    operand->is_event_type = false;
    operand->types = std::move(types);
    FoldIf(operand->constant && right.constant, operand);
  }
}

// AND and OR, which skip the right operand if the left one decides.
absl::Status ExpressionCompiler::Logic(const BinaryOperator& binary, Operand* left) {
  bool decided = false;
  if (left->constant) {
    bool boolean;
    decided = ToBoolean(builder_.LastConstant(), &boolean) && boolean == (binary.op == Op::kOr);
  }
  const size_t jump = builder_.Emit(binary.op);
  Operand right;
  RETURN_IF_ERROR(Binary(binary.precedence + 1, &right));
  builder_.Emit(Op::kToBoolean);
  builder_.JumpToHere(jump);
  left->type = ValueType::kBoolean;
  left->is_event_type = false;
  left->types =
      binary.op == Op::kAnd ? Intersect(left->types, right.types) : Unite(left->types, right.types);
  FoldIf(decided || (left->constant && right.constant), left);
  return absl::OkStatus();
}

absl::Status ExpressionCompiler::Postfix(Operand* operand) {
  RETURN_IF_ERROR(Unary(operand));
  while (true) {
    const bool negate = TakeIf(TokenKind::kNot);
    if (TakeIf(TokenKind::kLike)) {
      RETURN_IF_ERROR(Like(negate, operand));
    } else if (TakeIf(TokenKind::kIn)) {
      RETURN_IF_ERROR(In(negate, operand));
    } else if (negate) {
      return Expected("LIKE or IN after NOT");
    } else {
      return absl::OkStatus();
    }
  }
}

absl::Status ExpressionCompiler::Like(bool negate, Operand* operand) {
  if (Peek() != TokenKind::kString) return Expected("a string literal after LIKE");
  const uint32_t pattern = builder_.Pattern(Unquote(Take().text));
  const bool is_event_type = operand->is_event_type;
  builder_.Emit(Op::kLike, pattern);
  BecomeBoolean(operand);
  if (const LikePattern& like = builder_.program().patterns[pattern];
      is_event_type && !negate && like.is_literal()) {
    operand->types = std::vector<std::string>{like.literal()};
  }
  if (negate) builder_.Emit(Op::kNot);
  FoldIf(operand->constant, operand);
  return absl::OkStatus();
}

absl::Status ExpressionCompiler::In(bool negate, Operand* operand) {
  RETURN_IF_ERROR(Expect(TokenKind::kLeftParenthesis, "'(' after IN"));
  if (++depth_ > kMaxExpressionDepth) return TooDeep();
  std::vector<size_t> jumps;
  std::vector<Value> constants;  // The elements since the last non-constant one.
  bool all_constant = true;
  const auto end_constants = [&](size_t position) {
    if (constants.empty()) return;
    builder_.Insert(position, {Op::kInSet, builder_.Set(std::move(constants))});
    jumps.push_back(position);
    constants.clear();
  };
  do {
    Operand element;
    const uint32_t depth = builder_.depth();
    RETURN_IF_ERROR(Binary(kLowest, &element));
    if (element.constant) {
      constants.push_back(builder_.LastConstant());
      builder_.TakeBack(element.begin, depth);
      continue;
    }
    all_constant = false;
    end_constants(element.begin);
    jumps.push_back(builder_.Emit(Op::kIn));
  } while (TakeIf(TokenKind::kComma));
  RETURN_IF_ERROR(Expect(TokenKind::kRightParenthesis, "',' or ')'"));
  --depth_;
  end_constants(builder_.here());
  builder_.Emit(Op::kNotIn);
  for (const size_t jump : jumps) builder_.JumpToHere(jump);
  const bool is_event_type = operand->is_event_type;
  BecomeBoolean(operand);
  if (is_event_type && all_constant && !negate) {
    std::vector<std::string> types;
    for (const absl::string_view text : builder_.program().sets.back().texts) {
      if (types.empty() || types.back() != text) types.emplace_back(text);
    }
    operand->types = std::move(types);
  }
  if (negate) builder_.Emit(Op::kNot);
  FoldIf(operand->constant && all_constant, operand);
  return absl::OkStatus();
}

absl::Status ExpressionCompiler::Unary(Operand* operand) {
  const Token& token = tokens_[at_];
  if (token.kind != TokenKind::kNot && token.kind != TokenKind::kMinus) return Primary(operand);
  Take();
  if (token.kind == TokenKind::kMinus && IsSignOfInteger(token)) return Integer(token, operand);
  if (++depth_ > kMaxExpressionDepth) return TooDeep();
  RETURN_IF_ERROR(Unary(operand));
  --depth_;
  builder_.Emit(token.kind == TokenKind::kNot ? Op::kNot : Op::kNegate);
  BecomeBoolean(operand);
  if (token.kind == TokenKind::kMinus) operand->type = ValueType::kInteger;
  FoldIf(operand->constant, operand);
  return absl::OkStatus();
}

absl::Status ExpressionCompiler::Primary(Operand* operand) {
  operand->begin = builder_.here();
  switch (Peek()) {
    case TokenKind::kTrue:
    case TokenKind::kFalse:
      EmitConstant(Value::Boolean(Take().kind == TokenKind::kTrue), operand);
      return absl::OkStatus();
    case TokenKind::kString:
      EmitConstant(Value::String(Unquote(Take().text)), operand);
      return absl::OkStatus();
    case TokenKind::kInteger:
      return Integer(tokens_[at_], operand);
    case TokenKind::kPlus: {
      const Token& sign = Take();
      if (!IsSignOfInteger(sign)) return Expected("digits directly after '+'");
      return Integer(sign, operand);
    }
    case TokenKind::kExists:
      Take();
      return Exists(operand);
    case TokenKind::kWord:
      return Word(operand);
    case TokenKind::kLeftParenthesis:
      Take();
      if (++depth_ > kMaxExpressionDepth) return TooDeep();
      RETURN_IF_ERROR(Binary(kLowest, operand));
      --depth_;
      return Expect(TokenKind::kRightParenthesis, "an operator or ')'");
    default:
      return Expected("an expression");
  }
}

// The literal, from its sign if it has one to the end of the next token.
absl::Status ExpressionCompiler::Integer(const Token& sign, Operand* operand) {
  const Token& digits = Take();
  const char* const begin = sign.text.data();
  const absl::string_view text(
      begin, static_cast<size_t>(digits.text.data() + digits.text.size() - begin));
  int32_t integer;
  if (!absl::SimpleAtoi(text, &integer)) {
    return SyntaxError(expression_, text,
                       absl::StrCat("the integer ", wire::Shorten(text, 40), " is beyond 32 bits"));
  }
  EmitConstant(Value::Integer(integer), operand);
  return absl::OkStatus();
}

absl::Status ExpressionCompiler::Exists(Operand* operand) {
  const bool is_name = Peek() == TokenKind::kWord || Peek() == TokenKind::kInteger;
  if (!is_name || !IsName(tokens_[at_].text)) return Expected("an attribute name after EXISTS");
  const std::string name = absl::AsciiStrToLower(Take().text);
  builder_.Emit(Op::kExists, builder_.Attribute(name));
  operand->type = ValueType::kBoolean;
  return absl::OkStatus();
}

absl::Status ExpressionCompiler::Word(Operand* operand) {
  const Token& word = Take();
  if (Peek() == TokenKind::kLeftParenthesis) return FunctionCall(word, operand);
  if (!IsName(word.text)) {
    --at_;
    return Expected("an attribute name (letters and digits)");
  }
  // Attribute names are lower-case; expressions are case-insensitive.
  const std::string name = absl::AsciiStrToLower(word.text);
  builder_.Emit(Op::kLoad, builder_.Attribute(name));
  operand->is_event_type = name == "type";
  return absl::OkStatus();
}

absl::Status ExpressionCompiler::FunctionCall(const Token& name, Operand* operand) {
  if (!IsFunctionIdentifier(name.text)) {
    --at_;
    return Expected("a function name (letters and '_') before '('");
  }
  Take();
  if (++depth_ > kMaxExpressionDepth) return TooDeep();
  const uint32_t depth = builder_.depth();
  uint32_t count = 0;
  bool constant = true;
  if (Peek() != TokenKind::kRightParenthesis) {
    do {
      Operand argument;
      RETURN_IF_ERROR(Binary(kLowest, &argument));
      constant = constant && argument.constant;
      ++count;
    } while (TakeIf(TokenKind::kComma));
  }
  RETURN_IF_ERROR(Expect(TokenKind::kRightParenthesis, "',' or ')'"));
  --depth_;
  const FunctionId function = FindFunction(name.text, count);
  if (function == kNoFunction) {
    const std::string what = absl::StrCat(absl::AsciiStrToUpper(name.text), " with ", count,
                                          count == 1 ? " argument" : " arguments");
    builder_.TakeBack(operand->begin, depth);
    builder_.Emit(Op::kMissingFunction, builder_.Constant(Value::String(what)));
    operand->type = ValueType::kBoolean;
    if (functions_.ok()) {
      functions_ = SyntaxError(
          expression_, name.text,
          absl::StrCat("unknown function ", IsFunctionName(name.text) ? what : name.text));
    }
    return absl::OkStatus();
  }
  builder_.Emit(Op::kCall, function, count);
  operand->type = ReturnTypeOf(function);
  FoldIf(constant, operand);
  return absl::OkStatus();
}

}  // namespace

absl::Status CompileExpression(absl::string_view expression, ProgramBuilder& builder,
                               ExpressionInfo* info) {
  if (expression.size() > kMaxExpressionBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", expression.size(), " bytes; an expression has at most ", kMaxExpressionBytes));
  }
  if (!wire::IsUtf8(expression)) return absl::InvalidArgumentError("is not UTF-8");
  std::vector<Token> tokens;
  RETURN_IF_ERROR(Tokenize(expression, &tokens));
  return ExpressionCompiler(expression, std::move(tokens), builder).Compile(info);
}

}  // namespace eventhub::filter

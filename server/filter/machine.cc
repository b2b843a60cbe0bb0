#include "server/filter/machine.h"

#include <algorithm>
#include <limits>

#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "server/filter/casts.h"
#include "server/filter/functions.h"

namespace eventhub::filter {
namespace {

// Stacks up to this depth need no allocation.
constexpr size_t kInlineStack = 16;

class Machine {
 public:
  Machine(const Program& program, const Value* attributes, Scratch& scratch)
      : program_(program), attributes_(attributes), scratch_(scratch), stack_(program.max_stack) {}

  Outcome Run(size_t begin);

 private:
  // Each runs one instruction, or records why it failed. `next_` is the next instruction.
  bool Step(const Instruction& instruction);
  bool Load(uint32_t slot);
  bool Arithmetic(Op op);
  bool Compare(Op op);
  bool Equal(bool negate);
  bool JumpIf(bool jump_if, uint32_t distance);
  bool In(uint32_t distance);
  bool InSet(const ConstantSet& set, uint32_t distance);
  bool Call(FunctionId function, uint32_t count);
  bool Match(const Instruction& instruction);

  Value& top() { return stack_[size_ - 1]; }
  Value Pop() { return stack_[--size_]; }
  bool Push(const Value& value) {
    stack_[size_++] = value;
    return true;
  }

  // Returns false, and sets the failure, if the evaluation exceeds its budget.
  bool Spend(size_t bytes) { return scratch_.Spend(bytes) || FailOverspent(); }
  bool FailOverspent() {
    return Fail(CesqlErrorKind::kGeneric, "it examines more than 4 MiB of text for one event",
                Value());
  }
  bool Fail(CesqlErrorKind kind, const char* problem, const Value& subject) {
    failure_ = {kind, problem, subject, Value()};
    return false;
  }
  bool CastToInteger(const Value& value, int32_t* integer) {
    if (value.type() == ValueType::kString && !Spend(value.text().size())) return false;
    return ToInteger(value, integer) ||
           Fail(CesqlErrorKind::kCast, "cannot be cast to an integer", value);
  }
  bool CastToBoolean(const Value& value, bool* boolean) {
    return ToBoolean(value, boolean) ||
           Fail(CesqlErrorKind::kCast, "cannot be cast to a boolean", value);
  }
  bool CastToText(const Value& value, absl::string_view* text) {
    return ToText(value, scratch_, text) ||
           Fail(CesqlErrorKind::kGeneric, "its strings would exceed 16 MiB", Value());
  }
  // Whether `x`, cast to the type of `y`, equals it. False if the cast fails.
  bool IsEqual(const Value& x, const Value& y, bool* equal);

  const Program& program_;
  const Value* const attributes_;
  Scratch& scratch_;
  absl::InlinedVector<Value, kInlineStack> stack_;
  size_t size_ = 0;
  size_t next_ = 0;
  // The kSqlBegin of the running expression; null if it is not part of a filter.
  const Instruction* sql_ = nullptr;
  Failure failure_;
};

Outcome Machine::Run(size_t begin) {
  next_ = begin;
  while (next_ < program_.code.size()) {
    const Instruction& instruction = program_.code[next_++];
    if (Step(instruction)) continue;
    if (scratch_.overspent()) {
      // The whole filter is then false, whatever surrounds the failed part.
      FailOverspent();
      return {Value::Zero(program_.type), failure_};
    }
    if (sql_ != nullptr) {
      size_ = sql_->b;
      next_ = static_cast<size_t>(sql_ - program_.code.data()) + sql_->a + 1;
      Push(Value::Boolean(false));
      sql_ = nullptr;
      failure_ = Failure();
      continue;
    }
    // What surrounds the failed operator returns its own zero value.
    const bool outermost = next_ == program_.code.size();
    const Value zero = Value::Zero(program_.type);
    return {outermost && !failure_.result.missing() ? failure_.result : zero, failure_};
  }
  return {top(), Failure()};
}

bool Machine::Step(const Instruction& instruction) {
  switch (instruction.op) {
    case Op::kConstant:
      return Push(program_.constants[instruction.a]);
    case Op::kLoad:
      return Load(instruction.a);
    case Op::kExists:
      return Push(Value::Boolean(!attributes_[instruction.a].missing()));
    case Op::kNot:
    case Op::kToBoolean: {
      bool boolean;
      if (!CastToBoolean(top(), &boolean)) return false;
      top() = Value::Boolean(boolean != (instruction.op == Op::kNot));
      return true;
    }
    case Op::kNegate: {
      int32_t integer;
      if (!CastToInteger(top(), &integer)) return false;
      if (integer == std::numeric_limits<int32_t>::min()) {
        return Fail(CesqlErrorKind::kMath, "the result is beyond 32 bits", Value());
      }
      top() = Value::Integer(-integer);
      return true;
    }
    case Op::kAdd:
    case Op::kSubtract:
    case Op::kMultiply:
    case Op::kDivide:
    case Op::kModulo:
      return Arithmetic(instruction.op);
    case Op::kLess:
    case Op::kLessOrEqual:
    case Op::kGreater:
    case Op::kGreaterOrEqual:
      return Compare(instruction.op);
    case Op::kEqual:
    case Op::kNotEqual:
      return Equal(instruction.op == Op::kNotEqual);
    case Op::kXor: {
      bool x, y;
      const Value right = Pop();
      if (!CastToBoolean(top(), &x) || !CastToBoolean(right, &y)) return false;
      top() = Value::Boolean(x != y);
      return true;
    }
    case Op::kAnd:
    case Op::kOr:
      return JumpIf(instruction.op == Op::kOr, instruction.a);
    case Op::kLike: {
      absl::string_view text;
      if (!CastToText(top(), &text)) return false;
      top() = Value::Boolean(program_.patterns[instruction.a].Matches(text, scratch_));
      return !scratch_.overspent();
    }
    case Op::kIn:
      return In(instruction.a);
    case Op::kInSet:
      return InSet(program_.sets[instruction.a], instruction.b);
    case Op::kNotIn:
      top() = Value::Boolean(false);
      return true;
    case Op::kCall:
      return Call(instruction.a, instruction.b);
    case Op::kMissingFunction:
      return Fail(CesqlErrorKind::kMissingFunction, "no such function",
                  program_.constants[instruction.a]);
    case Op::kExact:
    case Op::kPrefix:
    case Op::kSuffix:
      return Match(instruction);
    case Op::kSqlBegin:
      sql_ = &instruction;
      return true;
    case Op::kSqlEnd:
      sql_ = nullptr;
      top() = Value::Boolean(top().type() == ValueType::kBoolean && top().boolean());
      return true;
  }
  return true;
}

bool Machine::Load(uint32_t slot) {
  const Value& value = attributes_[slot];
  switch (value.type()) {
    case ValueType::kMissing:
      return Fail(CesqlErrorKind::kMissingAttribute, "the event has no such attribute",
                  Value::String(program_.attributes.name(slot)));
    case ValueType::kBinary:
    case ValueType::kTimestamp: {
      absl::string_view text;
      return CastToText(value, &text) && Push(Value::String(text));
    }
    default:
      return Push(value);
  }
}

bool Machine::Arithmetic(Op op) {
  int32_t x, y;
  const Value right = Pop();
  if (!CastToInteger(top(), &x) || !CastToInteger(right, &y)) return false;
  if (y == 0 && (op == Op::kDivide || op == Op::kModulo)) {
    return Fail(CesqlErrorKind::kMath, "division by zero", Value());
  }
  const auto left = int64_t{x};
  int64_t result;
  switch (op) {
    case Op::kAdd:
      result = left + y;
      break;
    case Op::kSubtract:
      result = left - y;
      break;
    case Op::kMultiply:
      result = left * y;
      break;
    case Op::kDivide:
      result = left / y;
      break;
    default:
      result = left % y;
  }
  constexpr std::numeric_limits<int32_t> kLimits;
  if (result < kLimits.min() || result > kLimits.max()) {
    return Fail(CesqlErrorKind::kMath, "the result is beyond 32 bits", Value());
  }
  top() = Value::Integer(static_cast<int32_t>(result));
  return true;
}

bool Machine::Compare(Op op) {
  int32_t x, y;
  const Value right = Pop();
  if (!CastToInteger(top(), &x) || !CastToInteger(right, &y)) return false;
  const bool less = op == Op::kLess || op == Op::kLessOrEqual;
  const bool or_equal = op == Op::kLessOrEqual || op == Op::kGreaterOrEqual;
  top() = Value::Boolean((less ? x < y : x > y) || (or_equal && x == y));
  return true;
}

bool Machine::Equal(bool negate) {
  const Value y = Pop();
  bool equal;
  if (!IsEqual(top(), y, &equal)) return false;
  top() = Value::Boolean(equal != negate);
  return true;
}

bool Machine::IsEqual(const Value& x, const Value& y, bool* equal) {
  if (y.type() == ValueType::kString) {
    absl::string_view text;
    if (!CastToText(x, &text)) return false;
    *equal = text == y.text();
    return true;
  }
  if (y.type() == ValueType::kInteger) {
    int32_t integer;
    if (!CastToInteger(x, &integer)) return false;
    *equal = integer == y.integer();
    return true;
  }
  bool boolean;
  if (!CastToBoolean(x, &boolean)) return false;
  *equal = boolean == y.boolean();
  return true;
}

bool Machine::JumpIf(bool jump_if, uint32_t distance) {
  bool boolean;
  if (!CastToBoolean(top(), &boolean)) return false;
  if (boolean == jump_if) {
    top() = Value::Boolean(boolean);
    next_ += distance;
  } else {
    --size_;
  }
  return true;
}

// Each element is cast to the type of the value sought, not the other way round.
bool Machine::In(uint32_t distance) {
  const Value element = Pop();
  bool equal;
  if (!IsEqual(element, top(), &equal)) return false;
  if (equal) {
    top() = Value::Boolean(true);
    next_ += distance;
  }
  return true;
}

bool Machine::InSet(const ConstantSet& set, uint32_t distance) {
  const Value& x = top();
  bool found = false;
  if (x.type() == ValueType::kString) {
    found = std::binary_search(set.texts.begin(), set.texts.end(), x.text());
  } else {
    for (const Value& element : set.elements) {
      if (!IsEqual(element, x, &found)) return false;
      if (found) break;
    }
  }
  if (found) {
    top() = Value::Boolean(true);
    next_ += distance;
  }
  return true;
}

bool Machine::Call(FunctionId function, uint32_t count) {
  size_ -= count;
  for (size_t i = 0; i < count; ++i) {
    const Value& argument = stack_[size_ + i];
    if (argument.type() == ValueType::kString && !Spend(argument.text().size())) return false;
  }
  Value result;
  return CallFunction(function, stack_.data() + size_, count, scratch_, &result, &failure_) &&
         Push(result);
}

bool Machine::Match(const Instruction& instruction) {
  const Value& value = attributes_[instruction.a];
  absl::string_view text;
  if (value.missing() || !ToText(value, scratch_, &text)) return Push(Value::Boolean(false));
  const absl::string_view wanted = program_.constants[instruction.b].text();
  const bool matches = instruction.op == Op::kExact    ? text == wanted
                       : instruction.op == Op::kPrefix ? absl::StartsWith(text, wanted)
                                                       : absl::EndsWith(text, wanted);
  return Push(Value::Boolean(matches));
}

}  // namespace

Outcome Run(const Program& program, const Value* attributes, Scratch& scratch) {
  return Machine(program, attributes, scratch).Run(0);
}

Outcome RunPart(const Program& program, size_t begin, Scratch& scratch) {
  return Machine(program, nullptr, scratch).Run(begin);
}

}  // namespace eventhub::filter

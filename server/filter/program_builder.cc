#include "server/filter/program_builder.h"

#include <algorithm>

#include "server/filter/casts.h"
#include "server/filter/machine.h"
#include "server/filter/scratch.h"

namespace eventhub::filter {
namespace {

// By how much an instruction deepens the stack.
int StackEffect(const Instruction& instruction) {
  switch (instruction.op) {
    case Op::kConstant:
    case Op::kLoad:
    case Op::kExists:
    case Op::kExact:
    case Op::kPrefix:
    case Op::kSuffix:
    case Op::kMissingFunction:  // As if it returned a value, for the instructions that follow.
      return 1;
    case Op::kAdd:
    case Op::kSubtract:
    case Op::kMultiply:
    case Op::kDivide:
    case Op::kModulo:
    case Op::kLess:
    case Op::kLessOrEqual:
    case Op::kGreater:
    case Op::kGreaterOrEqual:
    case Op::kEqual:
    case Op::kNotEqual:
    case Op::kXor:
    case Op::kAnd:
    case Op::kOr:
    case Op::kIn:
      return -1;
    case Op::kCall:
      return 1 - static_cast<int>(instruction.b);
    case Op::kNot:
    case Op::kNegate:
    case Op::kToBoolean:
    case Op::kLike:
    case Op::kInSet:
    case Op::kNotIn:
    case Op::kSqlBegin:
    case Op::kSqlEnd:
      return 0;
  }
  return 0;
}

}  // namespace

size_t ProgramBuilder::Emit(Op op, uint32_t a, uint32_t b) {
  program_->code.push_back({op, a, b});
  depth_ = static_cast<uint32_t>(static_cast<int>(depth_) + StackEffect(program_->code.back()));
  program_->max_stack = std::max(program_->max_stack, depth_);
  return program_->code.size() - 1;
}

void ProgramBuilder::EmitConstant(const Value& value) { Emit(Op::kConstant, Constant(value)); }

uint32_t ProgramBuilder::Constant(const Value& value) {
  if (value.type() == ValueType::kString) {
    program_->texts.emplace_back(value.text());
    program_->constants.push_back(Value::String(program_->texts.back()));
  } else {
    program_->constants.push_back(value);
  }
  return static_cast<uint32_t>(program_->constants.size() - 1);
}

void ProgramBuilder::Insert(size_t position, const Instruction& instruction) {
  program_->code.insert(program_->code.begin() + static_cast<std::ptrdiff_t>(position),
                        instruction);
}

void ProgramBuilder::JumpToHere(size_t position) {
  Instruction& jump = program_->code[position];
  (jump.op == Op::kInSet ? jump.b : jump.a) = static_cast<uint32_t>(here() - position - 1);
}

void ProgramBuilder::TakeBack(size_t position, uint32_t depth) {
  program_->code.resize(position);
  depth_ = depth;
}

bool ProgramBuilder::Fold(size_t position) {
  Scratch scratch;
  const Outcome outcome = RunPart(*program_, position, scratch);
  if (outcome.failure.failed()) return false;
  TakeBack(position, depth_ - 1);
  EmitConstant(outcome.value);
  return true;
}

uint32_t ProgramBuilder::Pattern(absl::string_view pattern) {
  program_->patterns.emplace_back(pattern);
  return static_cast<uint32_t>(program_->patterns.size() - 1);
}

uint32_t ProgramBuilder::Set(std::vector<Value> elements) {
  ConstantSet set;
  for (const Value& element : elements) {
    Scratch scratch;
    absl::string_view text;
    ToText(element, scratch, &text);  // A boolean, an integer or a string has room.
    if (element.type() != ValueType::kString) text = program_->texts.emplace_back(text);
    set.texts.push_back(text);
  }
  std::sort(set.texts.begin(), set.texts.end());
  set.elements = std::move(elements);
  program_->sets.push_back(std::move(set));
  return static_cast<uint32_t>(program_->sets.size() - 1);
}

}  // namespace eventhub::filter

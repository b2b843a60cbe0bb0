// The compiled form of filters and expressions: instructions for a stack machine.
//
// All dialects compile to one program, so that a filter reads its attributes once per event however
// many parts it has. Jumps are relative and always forward, so every program terminates.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/filter/attribute_set.h"
#include "server/filter/like_pattern.h"
#include "server/filter/value.h"

namespace eventhub::filter {

// `a` and `b` are an instruction's operands; x is the top of the stack, or x and y are the two
// values on top. An instruction replaces the values it takes by its result. CESQL's instructions
// fail as its specification says.
enum class Op : uint8_t {
  kConstant,  // Pushes constants[a].
  kLoad,      // Pushes attribute a; fails if it is missing.
  kExists,    // Pushes whether attribute a is there.
  kNot,
  kNegate,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kEqual,
  kNotEqual,
  kXor,
  kAnd,              // x cast to boolean: jumps by a if false, else takes it off.
  kOr,               // x cast to boolean: jumps by a if true, else takes it off.
  kToBoolean,        // Casts x.
  kLike,             // Whether x matches patterns[a].
  kIn,               // x, y: if equal, replaces both by true and jumps by a; else takes y off.
  kInSet,            // x: if in sets[a], becomes true and jumps by b; else stays.
  kNotIn,            // Replaces x by false: it was in none of the sets.
  kCall,             // Calls function a with the b values on top.
  kMissingFunction,  // Fails: constants[a] says what function is missing.
  // The other dialects, which never fail. Each pushes a boolean.
  kExact,   // Whether attribute a is constants[b].
  kPrefix,  // Whether it begins with it.
  kSuffix,  // Whether it ends with it.
  // An expression within a filter runs from kSqlBegin to kSqlEnd, `a` instructions later. If it
  // fails, or returns anything but true, the stack is cut to `b` values and false is pushed.
  kSqlBegin,
  kSqlEnd,
};

struct Instruction {
  Op op;
  uint32_t a = 0;
  uint32_t b = 0;
};

// The constant elements of an IN operator, in order.
struct ConstantSet {
  std::vector<Value> elements;
  // The same elements cast to strings, sorted.
  std::vector<absl::string_view> texts;
};

// Immutable once built. Not movable: its values and views point into `texts`.
struct Program {
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::vector<Instruction> code;
  std::vector<Value> constants;
  std::vector<LikePattern> patterns;
  std::vector<ConstantSet> sets;
  AttributeSet attributes;
  std::deque<std::string> texts;
  // The maximum depth of the stack.
  uint32_t max_stack = 0;
  // The type that the expression returns; kMissing if it is not known.
  ValueType type = ValueType::kMissing;
};

}  // namespace eventhub::filter

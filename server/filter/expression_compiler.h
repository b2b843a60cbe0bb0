// Compiles CESQL expressions.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/filter/program_builder.h"
#include "server/filter/type_set.h"
#include "server/filter/value.h"

namespace eventhub::filter {

// Limits: the length of an expression in bytes, and the nesting depth of parentheses, function
// calls, sets and signs.
inline constexpr size_t kMaxExpressionBytes = 16 << 10;
inline constexpr int kMaxExpressionDepth = 64;

// The properties of an expression that do not depend on an event.
struct ExpressionInfo {
  // The type it returns; kMissing if that depends on the event.
  ValueType type = ValueType::kMissing;
  // The event types for which it may be true.
  TypeSet types;
  // INVALID_ARGUMENT with the position if it calls an unknown function. That is not a syntax error:
  // the call fails when it is evaluated.
  absl::Status functions;
};

// Appends instructions to `builder` that push the value of `expression`. INVALID_ARGUMENT with the
// position (see SyntaxError()) if it is malformed; `builder` is then unusable.
absl::Status CompileExpression(absl::string_view expression, ProgramBuilder& builder,
                               ExpressionInfo* info);

}  // namespace eventhub::filter

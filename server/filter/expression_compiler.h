// Compiles CESQL expressions.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/filter/program_builder.h"
#include "server/filter/type_set.h"
#include "server/filter/value.h"

namespace eventhub::filter {

// The longest expression in bytes, and how deep parentheses, function calls, sets and signs may be
// within each other.
inline constexpr size_t kMaxExpressionBytes = 16 << 10;
inline constexpr int kMaxExpressionDepth = 64;

// What is known of an expression without an event.
struct ExpressionInfo {
  // What it returns; kMissing if that depends on the event.
  ValueType type = ValueType::kMissing;
  // The event types for which it can be true.
  TypeSet types;
  // INVALID_ARGUMENT with the position if it calls a function that there is not. That is no error
  // of syntax: the call fails when it is evaluated.
  absl::Status functions;
};

// Appends to `builder` what leaves the value of `expression`. INVALID_ARGUMENT with the position
// (see SyntaxError()) if it is not well-formed; `builder` is then of no use any more.
absl::Status CompileExpression(absl::string_view expression, ProgramBuilder& builder,
                               ExpressionInfo* info);

}  // namespace eventhub::filter

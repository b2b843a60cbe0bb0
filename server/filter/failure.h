// Why the evaluation of an expression failed.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "server/filter/value.h"

namespace eventhub {

// The kinds of errors of the specification of CESQL (section 3.3).
enum class CesqlErrorKind : uint8_t {
  kNone,
  kParse,
  kMath,
  kCast,
  kMissingAttribute,
  kMissingFunction,
  kFunctionEvaluation,
  kGeneric,
};

// As the conformance cases of the specification spell it, for example `missingAttribute`.
absl::string_view CesqlErrorName(CesqlErrorKind kind);

namespace filter {

// Holds no text of its own, so that failing costs nothing where nobody asks why.
struct Failure {
  CesqlErrorKind kind = CesqlErrorKind::kNone;
  // What is wrong, a literal.
  const char* problem = "";
  // With what; may be missing.
  Value subject;
  // What the operator or function that failed returns nevertheless; missing: the zero value.
  Value result;

  bool failed() const { return kind != CesqlErrorKind::kNone; }
};

// In words, for example `cannot be cast to an integer: 'abc'`.
std::string DescribeFailure(const Failure& failure);

}  // namespace filter
}  // namespace eventhub

// Why the evaluation of an expression failed.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "server/filter/value.h"

namespace eventhub {

// The error kinds of the CESQL specification (section 3.3).
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

// As the specification's conformance cases spell it, for example `missingAttribute`.
absl::string_view CesqlErrorName(CesqlErrorKind kind);

namespace filter {

// Owns no text, so that a failure costs nothing unless somebody asks for the reason.
struct Failure {
  CesqlErrorKind kind = CesqlErrorKind::kNone;
  // The reason, a literal.
  const char* problem = "";
  // The offending value; may be missing.
  Value subject;
  // What the failed operator or function returns; if missing, the zero value.
  Value result;

  bool failed() const { return kind != CesqlErrorKind::kNone; }
};

// For example `cannot be cast to an integer: 'abc'`.
std::string DescribeFailure(const Failure& failure);

}  // namespace filter
}  // namespace eventhub

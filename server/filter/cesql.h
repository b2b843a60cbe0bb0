// CloudEvents SQL (CESQL) 1.0: expressions over the attributes of one event.
//
//     ASSIGN_OR_RETURN(const CesqlExpression expression,
//                      CesqlExpression::Parse("type = 'order.placed' AND hop < 5"));
//     const CesqlResult result = expression.Evaluate(EventView(bytes));
//
// Where the specification leaves a choice: AND, OR and XOR share one precedence and are evaluated
// from left to right. Evaluation stops at the first error. Arithmetic that overflows 32 bits is a
// math error with the value 0. IN compares its elements from left to right and stops at the first
// match. Attribute names are case-insensitive and refer to the lower-case name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/filter/event_view.h"
#include "server/filter/failure.h"

namespace eventhub {

namespace filter {
struct Program;
}  // namespace filter

struct CesqlError {
  CesqlErrorKind kind = CesqlErrorKind::kNone;
  std::string message;  // Without the kind.
};

struct CesqlResult {
  // After an error, the value that the specification prescribes for it.
  std::variant<bool, int32_t, std::string> value = false;
  std::optional<CesqlError> error;
};

// A parsed expression. Immutable, cheap to copy, thread-safe.
class CesqlExpression {
 public:
  // INVALID_ARGUMENT if it is malformed, longer than 16 KiB or nested deeper than 64 levels:
  // "line 1, column 8: expected an expression, found ')'". A call of an unknown function parses,
  // and fails when it is evaluated.
  static absl::StatusOr<CesqlExpression> Parse(absl::string_view text);

  // Errors are part of the result. A malformed event is a generic error.
  CesqlResult Evaluate(const EventView& event) const;

 private:
  explicit CesqlExpression(std::shared_ptr<const filter::Program> program);

  std::shared_ptr<const filter::Program> program_;
};

// Parses and evaluates. An expression that cannot be parsed returns false and a kParse error.
CesqlResult EvaluateCesql(absl::string_view expression, const EventView& event);

}  // namespace eventhub

// CloudEvents SQL (CESQL) 1.0: expressions over the attributes of one event.
//
//     ASSIGN_OR_RETURN(const CesqlExpression expression,
//                      CesqlExpression::Parse("type = 'order.placed' AND hop < 5"));
//     const CesqlResult result = expression.Evaluate(EventView(bytes));
//
// Where the specification leaves a choice: AND, OR and XOR have one precedence and are evaluated
// from left to right, as it lists them. Evaluation stops at the first error. Arithmetic beyond 32
// bits is a math error with the value 0. IN looks at its elements from left to right up to the
// first that is equal. Attribute names may be written in any case and mean the lower-case name.
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
  // With an error, what the specification says the expression returns then.
  std::variant<bool, int32_t, std::string> value = false;
  std::optional<CesqlError> error;
};

// A parsed expression. Immutable, cheap to copy, thread-safe.
class CesqlExpression {
 public:
  // INVALID_ARGUMENT if it is not well-formed, is longer than 16 KiB or nested deeper than 64:
  // "line 1, column 8: expected an expression, found ')'". A call of a function that there is not
  // is no such error; it fails when it is evaluated.
  static absl::StatusOr<CesqlExpression> Parse(absl::string_view text);

  // Never fails but in the result. An event that is not well-formed gives a generic error.
  CesqlResult Evaluate(const EventView& event) const;

 private:
  explicit CesqlExpression(std::shared_ptr<const filter::Program> program);

  std::shared_ptr<const filter::Program> program_;
};

// Both at once. What cannot be parsed gives false and an error of the kind kParse.
CesqlResult EvaluateCesql(absl::string_view expression, const EventView& event);

}  // namespace eventhub

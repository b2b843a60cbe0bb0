#include "server/filter/failure.h"

#include "absl/strings/str_cat.h"
#include "proto/wire/utf8.h"

namespace eventhub {

absl::string_view CesqlErrorName(CesqlErrorKind kind) {
  switch (kind) {
    case CesqlErrorKind::kNone:
      return "none";
    case CesqlErrorKind::kParse:
      return "parse";
    case CesqlErrorKind::kMath:
      return "math";
    case CesqlErrorKind::kCast:
      return "cast";
    case CesqlErrorKind::kMissingAttribute:
      return "missingAttribute";
    case CesqlErrorKind::kMissingFunction:
      return "missingFunction";
    case CesqlErrorKind::kFunctionEvaluation:
      return "functionEvaluation";
    case CesqlErrorKind::kGeneric:
      return "generic";
  }
  return "generic";
}

namespace filter {

std::string DescribeFailure(const Failure& failure) {
  constexpr size_t kLongest = 80;
  const Value& subject = failure.subject;
  switch (subject.type()) {
    case ValueType::kBoolean:
      return absl::StrCat(failure.problem, ": ", subject.boolean() ? "true" : "false");
    case ValueType::kInteger:
      return absl::StrCat(failure.problem, ": ", subject.integer());
    case ValueType::kString: {
      const absl::string_view text = wire::Shorten(subject.text(), kLongest);
      const bool whole = text.size() == subject.text().size();
      return absl::StrCat(failure.problem, ": '", text, whole ? "'" : "…'");
    }
    default:
      return failure.problem;
  }
}

}  // namespace filter
}  // namespace eventhub

#include "server/filter/cesql.h"

#include <utility>
#include <vector>

#include "server/filter/expression_compiler.h"
#include "server/filter/machine.h"
#include "server/filter/program_builder.h"
#include "server/filter/scratch.h"
#include "storage/base/status_macros.h"

namespace eventhub {

CesqlExpression::CesqlExpression(std::shared_ptr<const filter::Program> program)
    : program_(std::move(program)) {}

absl::StatusOr<CesqlExpression> CesqlExpression::Parse(absl::string_view text) {
  filter::ProgramBuilder builder;
  filter::ExpressionInfo info;
  RETURN_IF_ERROR(filter::CompileExpression(text, builder, &info));
  builder.program().type = info.type;
  return CesqlExpression(builder.Finish());
}

CesqlResult CesqlExpression::Evaluate(const EventView& event) const {
  std::vector<filter::Value> attributes(program_->attributes.size());
  CesqlResult result;
  if (!event.Read(program_->attributes, attributes.data())) {
    result.error = {CesqlErrorKind::kGeneric, "the event is not well-formed protobuf"};
    return result;
  }
  filter::Scratch scratch;
  const filter::Outcome outcome = filter::Run(*program_, attributes.data(), scratch);
  switch (outcome.value.type()) {
    case filter::ValueType::kInteger:
      result.value = outcome.value.integer();
      break;
    case filter::ValueType::kString:
      result.value = std::string(outcome.value.text());
      break;
    default:
      result.value = outcome.value.boolean();
  }
  if (outcome.failure.failed()) {
    result.error = {outcome.failure.kind, filter::DescribeFailure(outcome.failure)};
  }
  return result;
}

CesqlResult EvaluateCesql(absl::string_view expression, const EventView& event) {
  const absl::StatusOr<CesqlExpression> parsed = CesqlExpression::Parse(expression);
  if (parsed.ok()) return parsed->Evaluate(event);
  CesqlResult result;
  result.error = {CesqlErrorKind::kParse, std::string(parsed.status().message())};
  return result;
}

}  // namespace eventhub

// Any expression on any event: the expression is refused or has a value, and a filter made from it
// agrees. The input is the expression, a zero byte, and the event.
#include <algorithm>
#include <string>

#include "server/filter/cesql.h"
#include "server/filter/filter.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input = eventhub::Input(data, size);
  const size_t end = std::min(input.find('\0'), input.size());
  const absl::string_view bytes = input.substr(std::min(end + 1, input.size()));
  const std::string expression(input.substr(0, end));
  const eventhub::EventView event(bytes);
  const eventhub::CesqlResult result = eventhub::EvaluateCesql(expression, event);
  const bool parses =
      !result.error.has_value() || result.error->kind != eventhub::CesqlErrorKind::kParse;

  eventhub::v1::Filter filter;
  filter.set_sql(expression);
  const auto compiled = eventhub::CompileFilter(filter);
  // Only filters refuse expressions that call unknown functions.
  FUZZ_CHECK(parses || !compiled.ok());
  if (!compiled.ok()) return 0;
  const bool is_true = !result.error.has_value() && std::holds_alternative<bool>(result.value) &&
                       std::get<bool>(result.value);
  FUZZ_CHECK(compiled->Matches(bytes) == is_true);
  if (is_true && compiled->Types().has_value()) {
    const std::string type(event.Find("type").text());
    FUZZ_CHECK(std::binary_search(compiled->Types()->begin(), compiled->Types()->end(), type));
  }
  return 0;
}

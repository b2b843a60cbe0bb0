// `eventhub filter`: evaluates an expression or a filter for an event, without a hub.
#include "server/filter/filter.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/filter_json.h"
#include "client/cli/input/read_file.h"
#include "client/cli/output/terminal.h"
#include "proto/json/event_json.h"
#include "proto/json/json_slice.h"
#include "server/filter/cesql.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kFilterExamples[] = R"(
Filters choose events by their attributes, never by their data.

Examples:
  eventhub filter eval "type LIKE 'shop.%' AND hop < 5" --event=event.json
  eventhub read orders --output=json | head -1 | eventhub filter eval 'LENGTH(subject)' --event=-)";

constexpr char kEvalExamples[] = R"(
EXPRESSION is CloudEvents SQL (CESQL) 1.0. Prints its value as JSON. If it fails, prints
`error: KIND: WHY` on stderr and the value that the specification defines for this case, and exits
with 1. KIND is cast, math, missingAttribute, missingFunction, functionEvaluation or generic. A
malformed expression is a usage error, `eventhub: error: parse: ...` with the line and the column,
and exits with 2; so is one of more than 16,384 bytes.

With --filter, prints whether the event passes, and exits with 0 if it does and with 1 if not.

The event is a CloudEvent in JSON; without --event, one with only the required attributes. Its time
is evaluated as written, while the hub stores the instant and evaluates it in UTC (`...Z`). The
position of an event (`hub_partition`, `hub_offset`, …) is not an attribute.

Examples:
  eventhub filter eval '2 + 3 * 4'
  eventhub filter eval "type = 'shop.order.placed' AND EXISTS traceparent" --event=event.json
  eventhub filter eval --filter='{"prefix": {"type": "shop."}}' --event=event.json && echo passes
  eventhub filter eval --filter='{"all": [{"exact": {"source": "/shop"}},
    {"not": {"sql": "EXISTS test"}}]}' --event=-)";

struct EvalFlags {
  std::string expression;
  std::string filter;
  std::optional<std::string> event;
};

// An encoded event, and its time as it was written in the input.
struct EventInput {
  std::string encoded;
  std::string time;
};

absl::StatusOr<EventInput> LoadEvent(const std::optional<std::string>& path) {
  v1::Event event;
  if (!path) {
    event.set_id("1");
    event.set_source("/example");
    event.set_type("example");
    return EventInput{event.SerializeAsString(), ""};
  }
  ASSIGN_OR_RETURN(const std::string text, ReadFile(*path));
  absl::StatusOr<v1::Event> parsed = json::ParseEvent(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(*path, ": ", parsed.status().message()));
  }
  ASSIGN_OR_RETURN(const std::vector<json::JsonMember> members, json::SliceJsonObject(text));
  const auto time =
      std::find_if(members.begin(), members.end(),
                   [](const json::JsonMember& member) { return member.name == "time"; });
  return EventInput{parsed->SerializeAsString(),
                    time == members.end() ? "" : json::JsonText(time->value).value_or("")};
}

nlohmann::json ValueJson(const CesqlResult& result) {
  return std::visit([](const auto& value) { return nlohmann::json(value); }, result.value);
}

absl::Status EvaluateExpression(const EvalFlags& flags) {
  const absl::StatusOr<CesqlExpression> expression = CesqlExpression::Parse(flags.expression);
  if (!expression.ok()) {
    return UsageError(absl::StrCat("error: ", CesqlErrorName(CesqlErrorKind::kParse), ": ",
                                   expression.status().message()));
  }
  ASSIGN_OR_RETURN(const EventInput event, LoadEvent(flags.event));
  const CesqlResult result = expression->Evaluate(EventView(event.encoded, event.time));
  RETURN_IF_ERROR(WriteOut(absl::StrCat(
      ValueJson(result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), "\n")));
  if (!result.error.has_value()) return absl::OkStatus();
  const absl::string_view kind = CesqlErrorName(result.error->kind);
  std::fprintf(stderr, "error: %.*s: %s\n", static_cast<int>(kind.size()), kind.data(),
               Printable(result.error->message).c_str());
  return SilentFailure();
}

absl::Status EvaluateFilter(const EvalFlags& flags) {
  const absl::StatusOr<v1::Filter> filter = ParseFilterJson(flags.filter);
  if (!filter.ok()) return UsageError(filter.status().message());
  const absl::StatusOr<CompiledFilter> compiled = CompileFilter(*filter);
  if (!compiled.ok()) return UsageError(compiled.status().message());
  ASSIGN_OR_RETURN(const EventInput event, LoadEvent(flags.event));
  const FilterResult result = compiled->Run(event.encoded);
  const bool passes = result == FilterResult::kPasses;
  if (result == FilterResult::kTooCostly) {
    std::fprintf(stderr,
                 "error: the filter would look at more than %zu MiB of text for this event, which "
                 "therefore does not pass\n",
                 kMaxFilterWork >> 20);
  }
  RETURN_IF_ERROR(WriteOut(passes ? "true\n" : "false\n"));
  return passes ? absl::OkStatus() : SilentFailure();
}

// An expression that begins with a sign, such as `-hop`, looks like an option, so the library
// returns it among the unknown words.
absl::Status Eval(const CLI::App& command, EvalFlags flags) {
  const std::vector<std::string> unknown = command.remaining();
  const size_t expressions = unknown.size() + command.count("EXPRESSION");
  if (expressions > 1) {
    return UsageError(absl::StrCat("'", unknown.empty() ? flags.expression : unknown.back(),
                                   "' is neither an option nor the only expression"));
  }
  if (!unknown.empty()) flags.expression = unknown.front();
  const bool filter = command.count("--filter") > 0;
  if ((expressions > 0) == filter) {
    return UsageError("takes either an EXPRESSION or --filter");
  }
  return filter ? EvaluateFilter(flags) : EvaluateExpression(flags);
}

void AddEval(CLI::App& filter, Context& context) {
  CLI::App* command = AddVerb(filter, "eval", "Evaluate an expression or a filter", kEvalExamples);
  const auto flags = std::make_shared<EvalFlags>();
  command->add_option("EXPRESSION", flags->expression, "In CloudEvents SQL");
  command->add_option("--filter", flags->filter, "A filter instead, in JSON")->type_name("JSON");
  command->add_option("--event", flags->event, "A CloudEvent in JSON; `-`: standard input")
      ->type_name("FILE");
  // `-h` may begin an expression such as `-hop`. Alone, it prints the help.
  command->set_help_flag("--help", "Print this help message and exit");
  command->allow_extras();
  command->fallthrough(false);
  command->parse_complete_callback([command] {
    if (command->remaining() == std::vector<std::string>{"-h"}) throw CLI::CallForHelp();
  });
  SetRun(*command, context, [command, flags] { return Eval(*command, *flags); });
}

}  // namespace

void AddFilterCommand(CLI::App& app, Context& context) {
  CLI::App* command = AddGroup(app, "filter", "Try filters and expressions", kFilterExamples);
  AddEval(*command, context);
}

}  // namespace eventhub::cli

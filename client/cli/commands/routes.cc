// `eventhub routes`: creates, lists, describes, updates, pauses, deletes and tests routes.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/json_values.h"
#include "client/cli/input/read_file.h"
#include "client/cli/input/route_flags.h"
#include "client/cli/input/route_test_event.h"
#include "client/cli/output/route_output.h"
#include "client/cli/output/table.h"
#include "client/cli/output/topology_risks.h"
#include "eventhub/route_client.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kRoutesExamples[] = R"(
A route copies the events of a topic that match its filter to other topics, in the same commit.
Producers know one topic; the routes decide which channels get what.

Examples:
  eventhub topics create bus --retention=none
  eventhub routes create orders --from=bus --to=orders --filter="type LIKE 'shop.order.%'"
  eventhub routes test bus --type=shop.order.placed       where would it go, and why not elsewhere?
  eventhub routes list
  eventhub apply -f topology.yaml                           all of it at once, from a file)";

constexpr char kCreateRouteExamples[] = R"(
Examples:
  eventhub routes create eu --from=orders --to=orders.eu --filter='{"prefix": {"subject": "eu/"}}'
  eventhub routes create by-customer --from=orders --to=per-customer --key-from=customerid
  eventhub routes create faults --from=bus --to=faults,audit --filter="EXISTS fault" \
    --set=channel=faults --on-unavailable=skip)";

constexpr char kListRouteExamples[] = R"(
Examples:
  eventhub routes list
  eventhub routes list --topic=orders                       those from it, and those to it
  eventhub routes list --output=json | jq -r 'select(.stats.failed_requests > 0) | .name')";

constexpr char kDescribeRouteExamples[] = R"(
Examples:
  eventhub routes describe eu
  eventhub routes describe eu --output=json | jq .stats.copied_events)";

constexpr char kUpdateRouteExamples[] = R"(
A change takes effect at a definite offset of each partition of the source, while events are
published. Name and source cannot be changed.

Examples:
  eventhub routes update eu --to=orders.eu,audit
  eventhub routes update eu --filter="subject LIKE 'eu/%' OR subject LIKE 'uk/%'"
  eventhub routes update eu --set=none --keep-key --resume)";

constexpr char kPauseRouteExamples[] = R"(
A paused route copies nothing, and events that are appended meanwhile are not copied later. Takes
effect at a definite offset of each partition, which is printed.

Examples:
  eventhub routes pause eu
  eventhub routes resume eu)";

constexpr char kDeleteRouteExamples[] = R"(
The copies that they made stay. Takes effect at a definite offset, which is printed.

Examples:
  eventhub routes delete eu
  eventhub routes delete eu faults)";

constexpr char kTestRouteExamples[] = R"(
The event is read from --event as CloudEvents JSON; the flags fill in what it lacks. Nothing is
published. Exits with 1 if publishing it would be refused.

Examples:
  eventhub routes test bus --type=shop.order.placed --subject=eu/81
  eventhub routes test bus --event=event.json
  eventhub read bus.eu --output=json | head -1 | eventhub routes test bus --event=- --output=json)";

struct RouteCommand {
  std::vector<std::string> names;
  client::Route route;  // Only `create` sets its other fields.
  client::RouteUpdate update;
  std::string topic;
  TestEventFlags event;
  bool yes = false;
  bool json = false;
};
using RouteFlags = std::shared_ptr<RouteCommand>;

client::RouteClient ConnectRoutes(const Context& context) {
  return client::RouteClient(ConnectToHub(context), AdminOptionsOf(context));
}

absl::Status PrintChange(const client::RouteChange& change, bool json) {
  if (json) {
    Json line = RouteJson(change.route);
    line["effective"] = OffsetsJson(change.effective);
    return WriteOut(line.dump() + "\n");
  }
  Fields fields = RouteFields(change.route);
  fields.emplace_back("effective", absl::StrCat("from ", RenderOffsets(change.effective)));
  return WriteOut(RenderFields(fields));
}

absl::Status CreateRoute(const Context& context, const RouteCommand& flags) {
  client::Route route = flags.route;
  route.name = flags.names.front();
  ApplyUpdate(flags.update, &route);
  ASSIGN_OR_RETURN(const client::RouteChange created, ConnectRoutes(context).CreateRoute(route));
  return PrintChange(created, flags.json);
}

absl::Status ListRoutes(const Context& context, const RouteCommand& flags) {
  ASSIGN_OR_RETURN(const auto routes, ConnectRoutes(context).ListRoutes(flags.topic));
  if (!flags.json) return WriteOut(RenderRoutes(routes));
  std::string out;
  for (const client::RouteDescription& description : routes) {
    Json line = RouteJson(description.route);
    line["stats"] = RouteStatsJson(description.stats);
    absl::StrAppend(&out, line.dump(), "\n");
  }
  return WriteOut(out);
}

absl::Status DescribeRoute(const Context& context, const RouteCommand& flags) {
  ASSIGN_OR_RETURN(const client::RouteDescription route,
                   ConnectRoutes(context).GetRoute(flags.names.front()));
  if (flags.json) {
    Json json = RouteJson(route.route);
    json["stats"] = RouteStatsJson(route.stats);
    json["effective"] = OffsetsJson(route.effective);
    return WriteOut(json.dump() + "\n");
  }
  Fields fields = RouteFields(route.route);
  if (!route.effective.empty()) {
    fields.emplace_back("effective", absl::StrCat("from ", RenderOffsets(route.effective)));
  }
  AppendRouteStatsFields(route.stats, &fields);
  return WriteOut(RenderFields(fields));
}

absl::Status UpdateRoute(const Context& context, const RouteCommand& flags) {
  if (IsEmpty(flags.update)) return UsageError("routes update: no setting is given");
  const std::string& name = flags.names.front();
  client::RouteClient client = ConnectRoutes(context);
  if (!flags.yes) {
    ASSIGN_OR_RETURN(const client::RouteDescription before, client.GetRoute(name));
    client::Route after = before.route;
    ApplyUpdate(flags.update, &after);
    RETURN_IF_ERROR(ConfirmUpdate("routes update", absl::StrCat("route '", name, "'"),
                                  RisksOf(before.route, after)));
  }
  ASSIGN_OR_RETURN(const client::RouteChange updated, client.UpdateRoute(name, flags.update));
  return PrintChange(updated, flags.json);
}

absl::Status SetRoutesPaused(const Context& context, const RouteCommand& flags, bool paused) {
  client::RouteClient client = ConnectRoutes(context);
  for (const std::string& name : flags.names) {
    ASSIGN_OR_RETURN(const client::RouteChange changed,
                     client.UpdateRoute(name, {.disabled = paused}));
    RETURN_IF_ERROR(WriteOut(
        flags.json
            ? Json{{"name", name}, {"effective", OffsetsJson(changed.effective)}}.dump() + "\n"
            : absl::StrCat("route ", name, paused ? " copies nothing from " : " copies from ",
                           RenderOffsets(changed.effective), " on\n")));
  }
  return absl::OkStatus();
}

absl::Status DeleteRoutes(const Context& context, const RouteCommand& flags) {
  client::RouteClient client = ConnectRoutes(context);
  for (const std::string& name : flags.names) {
    ASSIGN_OR_RETURN(const auto effective, client.DeleteRoute(name));
    RETURN_IF_ERROR(WriteOut(
        flags.json ? Json{{"name", name}, {"effective", OffsetsJson(effective)}}.dump() + "\n"
                   : absl::StrCat("route ", name, " copies nothing from ", RenderOffsets(effective),
                                  " on\n")));
  }
  return absl::OkStatus();
}

absl::Status TestRoute(const Context& context, const RouteCommand& flags) {
  ASSIGN_OR_RETURN(const v1::Event event, MakeTestEvent(flags.event));
  ASSIGN_OR_RETURN(const client::RouteTest test,
                   ConnectRoutes(context).TestRoutes(flags.topic, event));
  RETURN_IF_ERROR(WriteOut(flags.json ? RouteTestJson(test).dump() + "\n"
                                      : RenderRouteTest(flags.topic, test)));
  return test.refusal.empty() ? absl::OkStatus() : SilentFailure();
}

CLI::App* AddRouteVerb(CLI::App& group, const std::string& verb, const std::string& description,
                       const char* examples, const RouteFlags& flags) {
  CLI::App* command = AddVerb(group, verb, description, examples);
  AddOutputOption(*command, &flags->json);
  return command;
}

void AddRouteName(CLI::App& command, const RouteFlags& flags) {
  command.add_option("NAME", flags->names, "Its name")->required()->expected(1);
}

void AddRouteChanges(CLI::App& group, Context& context, const RouteFlags& flags) {
  CLI::App* create = AddRouteVerb(group, "create", "Create a route", kCreateRouteExamples, flags);
  AddRouteName(*create, flags);
  create->add_option("--from", flags->route.source_topic, "Where events are copied from")
      ->required()
      ->type_name("TOPIC");
  AddRouteFlags(*create, flags->update);
  create->get_option("--to")->required();
  create->add_flag("--paused", flags->route.disabled, "Create it paused");
  SetRun(*create, context, [&context, flags] { return CreateRoute(context, *flags); });

  CLI::App* update = AddRouteVerb(group, "update", "Change settings", kUpdateRouteExamples, flags);
  AddRouteName(*update, flags);
  AddRouteFlags(*update, flags->update);
  AddPauseFlags(*update, &flags->update.disabled);
  update->add_flag("-y,--yes", flags->yes, "Do not ask before a change that moves keys");
  SetRun(*update, context, [&context, flags] { return UpdateRoute(context, *flags); });

  CLI::App* remove = AddRouteVerb(group, "delete", "Delete routes", kDeleteRouteExamples, flags);
  remove->add_option("NAME", flags->names, "Their names")->required();
  SetRun(*remove, context, [&context, flags] { return DeleteRoutes(context, *flags); });
}

void AddRouteSwitches(CLI::App& group, Context& context, const RouteFlags& flags) {
  const auto add = [&](const char* verb, const char* description, bool paused) {
    CLI::App* command = AddRouteVerb(group, verb, description, kPauseRouteExamples, flags);
    command->add_option("NAME", flags->names, "Their names")->required();
    SetRun(*command, context,
           [&context, flags, paused] { return SetRoutesPaused(context, *flags, paused); });
  };
  add("pause", "Stop routes from copying", true);
  add("resume", "Let routes copy again", false);
}

void AddRouteQueries(CLI::App& group, Context& context, const RouteFlags& flags) {
  CLI::App* list =
      AddRouteVerb(group, "list", "List routes with their counts", kListRouteExamples, flags);
  list->add_option("--topic", flags->topic, "Only those from or to this topic")->type_name("TOPIC");
  SetRun(*list, context, [&context, flags] { return ListRoutes(context, *flags); });

  CLI::App* describe =
      AddRouteVerb(group, "describe", "Show a route and its counts", kDescribeRouteExamples, flags);
  AddRouteName(*describe, flags);
  SetRun(*describe, context, [&context, flags] { return DescribeRoute(context, *flags); });

  CLI::App* test =
      AddRouteVerb(group, "test", "Explain where an event would go, and why not elsewhere",
                   kTestRouteExamples, flags);
  test->add_option("TOPIC", flags->topic, "Where it would be published")->required();
  AddTestEventFlags(*test, flags->event);
  SetRun(*test, context, [&context, flags] { return TestRoute(context, *flags); });
}

}  // namespace

void AddRoutesCommand(CLI::App& app, Context& context) {
  CLI::App* group = AddGroup(app, "routes", "Manage routes between topics", kRoutesExamples);
  const auto flags = std::make_shared<RouteCommand>();
  AddRouteChanges(*group, context, flags);
  AddRouteSwitches(*group, context, flags);
  AddRouteQueries(*group, context, flags);
}

}  // namespace eventhub::cli

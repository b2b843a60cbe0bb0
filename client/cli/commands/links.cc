// `eventhub links`: creates, lists, describes, updates and deletes links to other hubs.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/filter_flag.h"
#include "client/cli/input/places.h"
#include "client/cli/output/link_output.h"
#include "client/cli/output/table.h"
#include "eventhub/link_client.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kLinksExamples[] = R"(
A link reads a topic of another hub and appends its events to a topic of this one, each once: the
egress of one subsystem is the ingress of another, and neither waits for the other.

Examples:
  eventhub links create from-shop --remote=shop:7070 --remote-topic=egress --to=ingress
  eventhub links list
  eventhub links describe from-shop                         how far is it, and what is wrong?
  eventhub links disable from-shop)";

constexpr char kCreateLinkExamples[] = R"(
The other hub need not answer, nor its topic exist, yet. Its events go on from where the link was,
whatever is restarted.

Examples:
  eventhub links create from-shop --remote=shop:7070 --remote-topic=egress --to=ingress
  eventhub links create public --remote=shop:7070 --remote-topic=events --to=shop.events \
    --filter="visibility = 'public'" --from=latest
  eventhub links create local --remote=unix:/run/hub/socket --remote-topic=a --to=b --from=1d)";

constexpr char kListLinkExamples[] = R"(
Examples:
  eventhub links list
  eventhub links list --output=json | jq -r 'select(.status.state != "caught up") | .name')";

constexpr char kDescribeLinkExamples[] = R"(
Examples:
  eventhub links describe from-shop
  watch -n 1 eventhub links describe from-shop
  eventhub links describe from-shop --output=json | jq .status.lag_events)";

constexpr char kUpdateLinkExamples[] = R"(
Its positions stay. Name, topics and start cannot be changed.

Examples:
  eventhub links update from-shop --remote=shop-2:7070
  eventhub links update from-shop --filter=none --enable)";

constexpr char kEnableLinkExamples[] = R"(
While it is disabled it does nothing, and keeps its positions.

Examples:
  eventhub links disable from-shop
  eventhub links enable from-shop)";

constexpr char kDeleteLinkExamples[] = R"(
Its positions go too; what it appended stays. A link of that name made later begins anew, and may
append events again.

Examples:
  eventhub links delete from-shop)";

struct LinkCommand {
  std::vector<std::string> names;
  client::Link link;  // What only `create` sets.
  client::LinkUpdate update;
  bool json = false;
};
using LinkFlags = std::shared_ptr<LinkCommand>;

client::LinkClient ConnectLinks(const Context& context) {
  return client::LinkClient(ConnectToHub(context), AdminOptionsOf(context));
}

absl::Status PrintLink(const client::Link& link, bool json) {
  return WriteOut(json ? LinkJson(link).dump() + "\n" : RenderFields(LinkFields(link)));
}

absl::Status CreateLink(const Context& context, const LinkCommand& flags) {
  client::Link link = flags.link;
  link.name = flags.names.front();
  link.remote_address = flags.update.remote_address.value_or("");
  link.filter = flags.update.filter.value_or(std::nullopt);
  link.description = flags.update.description.value_or("");
  link.tls = flags.update.tls.value_or(false);
  ASSIGN_OR_RETURN(const client::Link created, ConnectLinks(context).CreateLink(link));
  return PrintLink(created, flags.json);
}

absl::Status ListLinks(const Context& context, const LinkCommand& flags) {
  ASSIGN_OR_RETURN(const auto links, ConnectLinks(context).ListLinks());
  if (!flags.json) return WriteOut(RenderLinks(links));
  std::string out;
  for (const client::LinkDescription& description : links) {
    Json line = LinkJson(description.link);
    line["status"] = LinkStatusJson(description.status);
    absl::StrAppend(&out, line.dump(), "\n");
  }
  return WriteOut(out);
}

absl::Status DescribeLink(const Context& context, const LinkCommand& flags) {
  ASSIGN_OR_RETURN(const client::LinkDescription link,
                   ConnectLinks(context).GetLink(flags.names.front()));
  if (!flags.json) return WriteOut(RenderLinkReport(link, Clock::System().Now()));
  Json json = LinkJson(link.link);
  json["status"] = LinkStatusJson(link.status);
  return WriteOut(json.dump() + "\n");
}

absl::Status UpdateLink(const Context& context, const LinkCommand& flags) {
  const client::LinkUpdate& update = flags.update;
  if (!update.remote_address && !update.filter && !update.disabled && !update.description &&
      !update.tls) {
    return UsageError("links update: nothing is to be changed");
  }
  ASSIGN_OR_RETURN(const client::Link updated,
                   ConnectLinks(context).UpdateLink(flags.names.front(), update));
  return PrintLink(updated, flags.json);
}

absl::Status SetLinksDisabled(const Context& context, const LinkCommand& flags, bool disabled) {
  client::LinkClient client = ConnectLinks(context);
  for (const std::string& name : flags.names) {
    RETURN_IF_ERROR(client.UpdateLink(name, {.disabled = disabled}).status());
  }
  return absl::OkStatus();
}

absl::Status DeleteLinks(const Context& context, const LinkCommand& flags) {
  client::LinkClient client = ConnectLinks(context);
  for (const std::string& name : flags.names) RETURN_IF_ERROR(client.DeleteLink(name));
  return absl::OkStatus();
}

void AddLinkName(CLI::App& command, const LinkFlags& flags) {
  command.add_option("NAME", flags->names, "Its name")->required()->expected(1);
}

void AddLinkNames(CLI::App& command, const LinkFlags& flags) {
  command.add_option("NAME", flags->names, "Their names")->required();
}

CLI::Option* AddLinkSettings(CLI::App& command, client::LinkUpdate& update) {
  const auto text = [&command](const char* name, std::optional<std::string>* value,
                               const char* description, const char* type) {
    return command
        .add_option_function<std::string>(
            name, [value](const std::string& given) { *value = given; }, description)
        ->type_name(type);
  };
  CLI::Option* remote = text("--remote", &update.remote_address,
                             "Where the other hub listens: host:port, or unix:/path", "ADDRESS");
  AddFilterOption(command, &update.filter, "Take only what passes, as the other hub sees it");
  command.add_flag_function(
      "--remote-tls,!--no-remote-tls", [&update](int64_t count) { update.tls = count > 0; },
      "Reach the other hub by TLS, as this hub's --tls_ca and --tls_cert say");
  text("--description", &update.description, "For people", "TEXT");
  return remote;
}

void AddLinkChanges(CLI::App& group, Context& context, const LinkFlags& flags) {
  CLI::App* create = AddVerb(group, "create", "Create a link", kCreateLinkExamples);
  AddLinkName(*create, flags);
  AddLinkSettings(*create, flags->update)->required();
  create->add_option("--remote-topic", flags->link.remote_topic, "The topic there")
      ->required()
      ->type_name("TOPIC");
  create->add_option("--to", flags->link.local_topic, "The topic here")
      ->required()
      ->type_name("TOPIC");
  AddParsedOption(
      *create, "--from", &flags->link.start,
      [](absl::string_view text) { return ParseStart(text, Clock::System().Now()); },
      "earliest (default), latest, an offset, a time, or a duration back from now", "PLACE");
  create->add_flag("--disabled", flags->link.disabled, "It does nothing until it is enabled");
  AddOutputOption(*create, &flags->json);
  SetRun(*create, context, [&context, flags] { return CreateLink(context, *flags); });

  CLI::App* update = AddVerb(group, "update", "Change what is given", kUpdateLinkExamples);
  AddLinkName(*update, flags);
  AddLinkSettings(*update, flags->update);
  AddEnableFlags(*update, &flags->update.disabled);
  AddOutputOption(*update, &flags->json);
  SetRun(*update, context, [&context, flags] { return UpdateLink(context, *flags); });
}

void AddLinkSwitches(CLI::App& group, Context& context, const LinkFlags& flags) {
  CLI::App* enable = AddVerb(group, "enable", "Let links go on", kEnableLinkExamples);
  AddLinkNames(*enable, flags);
  SetRun(*enable, context, [&context, flags] { return SetLinksDisabled(context, *flags, false); });

  CLI::App* disable = AddVerb(group, "disable", "Hold links", kEnableLinkExamples);
  AddLinkNames(*disable, flags);
  SetRun(*disable, context, [&context, flags] { return SetLinksDisabled(context, *flags, true); });

  CLI::App* remove = AddVerb(group, "delete", "Delete links", kDeleteLinkExamples);
  AddLinkNames(*remove, flags);
  SetRun(*remove, context, [&context, flags] { return DeleteLinks(context, *flags); });
}

void AddLinkQueries(CLI::App& group, Context& context, const LinkFlags& flags) {
  CLI::App* list = AddVerb(group, "list", "List links and how they do", kListLinkExamples);
  AddOutputOption(*list, &flags->json);
  SetRun(*list, context, [&context, flags] { return ListLinks(context, *flags); });

  CLI::App* describe = AddVerb(group, "describe", "Say how a link does", kDescribeLinkExamples);
  AddLinkName(*describe, flags);
  AddOutputOption(*describe, &flags->json);
  SetRun(*describe, context, [&context, flags] { return DescribeLink(context, *flags); });
}

}  // namespace

void AddLinksCommand(CLI::App& app, Context& context) {
  CLI::App* group =
      app.add_subcommand("links", "Create, list, describe, update, delete links to other hubs");
  group->footer(kLinksExamples);
  group->require_subcommand(1);
  const auto flags = std::make_shared<LinkCommand>();
  AddLinkChanges(*group, context, flags);
  AddLinkSwitches(*group, context, flags);
  AddLinkQueries(*group, context, flags);
}

}  // namespace eventhub::cli

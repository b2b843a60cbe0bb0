// `eventhub links`: creates, lists, describes, updates, pauses and deletes links to other hubs.
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
A link reads a topic of another hub and appends each event once to a topic of this one: the egress
of one subsystem is the ingress of another, and neither waits for the other.

Examples:
  eventhub links create from-shop --remote=shop:7070 --remote-topic=egress --to=ingress
  eventhub links list
  eventhub links describe from-shop                         how far behind is it, and why?
  eventhub links pause from-shop)";

constexpr char kCreateLinkExamples[] = R"(
The other hub does not have to be reachable yet, and its topic does not have to exist. After a
restart of either hub the link continues where it was.

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
The link keeps its positions. Name, topics and start cannot be changed.

Examples:
  eventhub links update from-shop --remote=shop-2:7070
  eventhub links update from-shop --filter=none --resume)";

constexpr char kPauseLinkExamples[] = R"(
A paused link reads nothing and keeps its positions: it continues there when it is resumed, provided
that the other hub still has the events.

Examples:
  eventhub links pause from-shop
  eventhub links resume from-shop)";

constexpr char kDeleteLinkExamples[] = R"(
Deletes the positions of the links too; the events that they appended stay. A later link of that
name starts over, and may append events again.

Examples:
  eventhub links delete from-shop
  eventhub links delete from-shop from-till --yes)";

struct LinkCommand {
  std::vector<std::string> names;
  client::Link link;  // Only `create` sets its other fields.
  client::LinkUpdate update;
  bool yes = false;
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
    return UsageError("links update: no setting is given");
  }
  ASSIGN_OR_RETURN(const client::Link updated,
                   ConnectLinks(context).UpdateLink(flags.names.front(), update));
  return PrintLink(updated, flags.json);
}

absl::Status SetLinksPaused(const Context& context, const LinkCommand& flags, bool paused) {
  client::LinkClient client = ConnectLinks(context);
  for (const std::string& name : flags.names) {
    RETURN_IF_ERROR(client.UpdateLink(name, {.disabled = paused}).status());
  }
  return absl::OkStatus();
}

absl::Status DeleteLinks(const Context& context, const LinkCommand& flags) {
  client::LinkClient client = ConnectLinks(context);
  if (!flags.yes) RETURN_IF_ERROR(NeedTerminal("links delete"));
  for (const std::string& name : flags.names) {
    if (!flags.yes) {
      RETURN_IF_ERROR(Confirm(absl::StrCat("Delete link '", name, "' and its positions for good?"),
                              absl::StrCat("link '", name, "' is kept")));
    }
    RETURN_IF_ERROR(client.DeleteLink(name));
  }
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
                             "The other hub: host:port, or unix:/path", "ADDRESS");
  AddFilterOption(command, &update.filter, "Take only matching events; the other hub evaluates it");
  command.add_flag_function(
      "--remote-tls,!--no-remote-tls", [&update](int64_t count) { update.tls = count > 0; },
      "Use TLS, with this hub's --tls_ca and --tls_cert");
  text("--description", &update.description, "A description for people", "TEXT");
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
      "earliest (default), retained, latest, an offset, a time, or a duration back from now",
      "PLACE");
  create->add_flag("--paused", flags->link.disabled, "Create it paused");
  AddOutputOption(*create, &flags->json);
  SetRun(*create, context, [&context, flags] { return CreateLink(context, *flags); });

  CLI::App* update = AddVerb(group, "update", "Change settings", kUpdateLinkExamples);
  AddLinkName(*update, flags);
  AddLinkSettings(*update, flags->update);
  AddPauseFlags(*update, &flags->update.disabled);
  AddOutputOption(*update, &flags->json);
  SetRun(*update, context, [&context, flags] { return UpdateLink(context, *flags); });
}

void AddLinkSwitches(CLI::App& group, Context& context, const LinkFlags& flags) {
  CLI::App* pause = AddVerb(group, "pause", "Pause links", kPauseLinkExamples);
  AddLinkNames(*pause, flags);
  SetRun(*pause, context, [&context, flags] { return SetLinksPaused(context, *flags, true); });

  CLI::App* resume = AddVerb(group, "resume", "Resume links", kPauseLinkExamples);
  AddLinkNames(*resume, flags);
  SetRun(*resume, context, [&context, flags] { return SetLinksPaused(context, *flags, false); });

  CLI::App* remove = AddVerb(group, "delete", "Delete links for good", kDeleteLinkExamples);
  AddLinkNames(*remove, flags);
  remove->add_flag("-y,--yes", flags->yes, "Do not ask");
  SetRun(*remove, context, [&context, flags] { return DeleteLinks(context, *flags); });
}

void AddLinkQueries(CLI::App& group, Context& context, const LinkFlags& flags) {
  CLI::App* list = AddVerb(group, "list", "List links with their state", kListLinkExamples);
  AddOutputOption(*list, &flags->json);
  SetRun(*list, context, [&context, flags] { return ListLinks(context, *flags); });

  CLI::App* describe =
      AddVerb(group, "describe", "Show the state and lag of a link", kDescribeLinkExamples);
  AddLinkName(*describe, flags);
  AddOutputOption(*describe, &flags->json);
  SetRun(*describe, context, [&context, flags] { return DescribeLink(context, *flags); });
}

}  // namespace

void AddLinksCommand(CLI::App& app, Context& context) {
  CLI::App* group = AddGroup(app, "links", "Manage links to other hubs", kLinksExamples);
  const auto flags = std::make_shared<LinkCommand>();
  AddLinkChanges(*group, context, flags);
  AddLinkSwitches(*group, context, flags);
  AddLinkQueries(*group, context, flags);
}

}  // namespace eventhub::cli

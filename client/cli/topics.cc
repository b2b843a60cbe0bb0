// `eventhub topics`: creates, lists, describes, updates and deletes topics.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/table.h"
#include "client/cli/topic_output.h"
#include "client/cli/units.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kExamples[] = R"(
Examples:
  eventhub topics create orders                      one partition, everything kept for ever
  eventhub topics create clicks --partitions=16 --max-age=7d --max-bytes=10GiB
  eventhub topics update clicks --max-age=unlimited --partitions=32
  eventhub topics describe clicks --partitions
  eventhub topics list --output=json | jq -r .name
  eventhub topics delete clicks --yes)";

// What `create` and `update` have in common; what is given is set.
struct TopicFlags {
  std::vector<std::string> names;
  client::TopicUpdate update;
  bool if_not_exists = false;
  bool json = false;
};

absl::StatusOr<absl::Duration> ParseMaxAge(absl::string_view text) {
  if (text == "unlimited") return absl::InfiniteDuration();
  return ParseAge(text);
}

absl::StatusOr<uint64_t> ParseMaxBytes(absl::string_view text) {
  if (text == "unlimited") return 0;
  return ParseBytes(text);
}

absl::StatusOr<uint32_t> ParseEventBytes(absl::string_view text) {
  ASSIGN_OR_RETURN(const uint64_t bytes, ParseBytes(text));
  if (bytes < 1 || bytes > 16 * 1024 * 1024) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not 1 B to 16 MiB"));
  }
  return static_cast<uint32_t>(bytes);
}

void AddTopicFlags(CLI::App& command, TopicFlags& flags) {
  client::TopicUpdate& update = flags.update;
  command
      .add_option_function<uint32_t>(
          "-p,--partitions", [&update](uint32_t count) { update.partitions = count; },
          "1 to 100,000; can grow, never shrink")
      ->check(CLI::Range(1, 100'000))
      ->type_name("N");
  AddParsedOption(command, "--max-age", &update.max_age, ParseMaxAge,
                  "Drop events appended longer ago, e.g. 7d; or unlimited", "DURATION");
  AddParsedOption(command, "--max-bytes", &update.max_bytes, ParseMaxBytes,
                  "Drop the oldest events beyond this size, e.g. 10GiB; or unlimited", "SIZE");
  AddParsedOption(command, "--durability", &update.default_durability, ParseDurability,
                  "For events published without one: synced survives a power loss, written the "
                  "death of the hub",
                  "synced|written");
  AddParsedOption(command, "--max-event-bytes", &update.max_event_bytes, ParseEventBytes,
                  "The largest event accepted, at most 16MiB", "SIZE");
  command
      .add_option_function<std::string>(
          "--description", [&update](const std::string& text) { update.description = text; },
          "For people")
      ->type_name("TEXT");
  AddOutputOption(command, &flags.json);
}

absl::Status PrintTopic(const client::Topic& topic, bool json) {
  return WriteOut(json ? TopicJson(topic).dump() + "\n" : RenderFields(TopicFields(topic)));
}

absl::Status Create(const Context& context, const TopicFlags& flags) {
  client::Topic topic;
  topic.name = flags.names.front();
  const client::TopicUpdate& given = flags.update;
  topic.partitions = given.partitions.value_or(1);
  topic.max_age = given.max_age.value_or(absl::InfiniteDuration());
  topic.max_bytes = given.max_bytes.value_or(0);
  topic.default_durability = given.default_durability.value_or(client::Durability::kDefault);
  topic.max_event_bytes = given.max_event_bytes.value_or(0);
  topic.description = given.description.value_or("");
  client::AdminClient admin = ConnectAdmin(context);
  const absl::StatusOr<client::Topic> created = admin.CreateTopic(topic);
  if (absl::IsAlreadyExists(created.status()) && flags.if_not_exists) {
    ASSIGN_OR_RETURN(const client::TopicDescription there, admin.GetTopic(topic.name));
    return PrintTopic(there.topic, flags.json);
  }
  RETURN_IF_ERROR(created.status());
  return PrintTopic(*created, flags.json);
}

absl::Status List(const Context& context, bool json) {
  ASSIGN_OR_RETURN(const std::vector<client::Topic> topics, ConnectAdmin(context).ListTopics());
  if (!json) return WriteOut(RenderTopics(topics));
  std::string out;
  for (const client::Topic& topic : topics) absl::StrAppend(&out, TopicJson(topic).dump(), "\n");
  return WriteOut(out);
}

absl::Status Describe(const Context& context, const TopicFlags& flags, bool with_partitions) {
  client::AdminClient admin = ConnectAdmin(context);
  ASSIGN_OR_RETURN(const client::TopicDescription topic, admin.GetTopic(flags.names.front()));
  std::vector<client::PartitionInfo> partitions;
  if (with_partitions) {
    ASSIGN_OR_RETURN(partitions, admin.ListPartitions(topic.topic.name));
  }
  if (flags.json) {
    Json json = TopicJson(topic.topic);
    json["stats"] = StatsJson(topic.stats);
    if (with_partitions) json["partition_list"] = PartitionsJson(partitions);
    return WriteOut(json.dump() + "\n");
  }
  auto fields = TopicFields(topic.topic);
  AppendStatsFields(topic.stats, &fields);
  std::string out = RenderFields(fields);
  if (with_partitions) absl::StrAppend(&out, "\n", RenderPartitions(partitions));
  return WriteOut(out);
}

absl::Status Update(const Context& context, const TopicFlags& flags) {
  ASSIGN_OR_RETURN(const client::Topic topic,
                   ConnectAdmin(context).UpdateTopic(flags.names.front(), flags.update));
  return PrintTopic(topic, flags.json);
}

// Asks on the terminal; a script has to say --yes.
absl::Status ConfirmDeletion(client::AdminClient& admin, const std::string& name) {
  if (isatty(STDIN_FILENO) == 0) {
    return UsageError("topics delete: without a terminal to ask on, it takes --yes");
  }
  ASSIGN_OR_RETURN(const client::TopicDescription topic, admin.GetTopic(name));
  std::fprintf(stderr, "Delete topic '%s' with %s events (%s) for good? [y/N] ", name.c_str(),
               FormatCount(topic.stats.events).c_str(), FormatBytes(topic.stats.bytes).c_str());
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return absl::OkStatus();
  return absl::CancelledError(absl::StrCat("topic '", name, "' is kept"));
}

absl::Status Delete(const Context& context, const TopicFlags& flags, bool yes) {
  client::AdminClient admin = ConnectAdmin(context);
  for (const std::string& name : flags.names) {
    if (!yes) RETURN_IF_ERROR(ConfirmDeletion(admin, name));
    RETURN_IF_ERROR(admin.DeleteTopic(name));
  }
  return absl::OkStatus();
}

// A subcommand of `topics` whose positional argument is one name.
CLI::App* AddNamed(CLI::App& topics, const std::string& verb, const std::string& description,
                   TopicFlags& flags) {
  CLI::App* command = topics.add_subcommand(verb, description);
  command->add_option("TOPIC", flags.names, "Its name")->required()->expected(1);
  return command;
}

}  // namespace

void AddTopicsCommand(CLI::App& app, Context& context) {
  CLI::App* topics = app.add_subcommand("topics", "Create, list, describe, update, delete topics");
  topics->footer(kExamples);
  topics->require_subcommand(1);
  // Kept by the callbacks for as long as the command line lives.
  const auto flags = std::make_shared<TopicFlags>();
  const auto partitions = std::make_shared<bool>(false);
  const auto yes = std::make_shared<bool>(false);

  CLI::App* create = AddNamed(*topics, "create", "Create a topic", *flags);
  AddTopicFlags(*create, *flags);
  create->add_flag("--if-not-exists", flags->if_not_exists,
                   "Succeed, and change nothing, if it exists");
  create->callback(
      [&context, flags] { context.run = [&context, flags] { return Create(context, *flags); }; });

  CLI::App* list = topics->add_subcommand("list", "List all topics by name");
  AddOutputOption(*list, &flags->json);
  list->callback([&context, flags] {
    context.run = [&context, flags] { return List(context, flags->json); };
  });

  CLI::App* describe = AddNamed(*topics, "describe", "Show a topic and what it holds", *flags);
  describe->add_flag("--partitions", *partitions, "Also show each partition");
  AddOutputOption(*describe, &flags->json);
  describe->callback([&context, flags, partitions] {
    context.run = [&context, flags, partitions] { return Describe(context, *flags, *partitions); };
  });

  CLI::App* update = AddNamed(*topics, "update", "Change what is given, at once", *flags);
  AddTopicFlags(*update, *flags);
  update->callback(
      [&context, flags] { context.run = [&context, flags] { return Update(context, *flags); }; });

  CLI::App* remove = topics->add_subcommand("delete", "Delete topics and their events, for good");
  remove->add_option("TOPIC", flags->names, "Their names")->required();
  remove->add_flag("-y,--yes", *yes, "Do not ask");
  remove->callback([&context, flags, yes] {
    context.run = [&context, flags, yes] { return Delete(context, *flags, *yes); };
  });
  for (CLI::App* command : {create, list, describe, update, remove}) command->footer(kExamples);
}

}  // namespace eventhub::cli

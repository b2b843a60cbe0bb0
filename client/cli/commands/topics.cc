// `eventhub topics`: creates, lists, describes, updates and deletes topics; looks up keys.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/units.h"
#include "client/cli/output/event_format.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "client/cli/output/topic_output.h"
#include "client/cli/output/topology_risks.h"
#include "client/cli/run/open_letters.h"
#include "client/cli/run/progress.h"
#include "eventhub/latest_reader.h"
#include "proto/json/event_json.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kTopicsExamples[] = R"(
Examples:
  eventhub topics create clicks --partitions=16 --max-age=7d
  eventhub topics list
  eventhub topics describe clicks --partitions
  eventhub topics get prices sku-7
  eventhub topics update clicks --max-age=unlimited
  eventhub topics delete clicks)";

constexpr char kCreateTopicExamples[] = R"(
Examples:
  eventhub topics create orders                      one partition, everything kept for ever
  eventhub topics create clicks --partitions=16 --max-age=7d --max-bytes=10GiB
  eventhub topics create jobs --max-age=1d --keep-until-acked=50GiB
  eventhub topics create bus --retention=none        a pure bus: routes copy its events to others
  eventhub topics create prices --retention=latest-per-key   state: the last event of each key
  eventhub topics create billing --max-bytes=10GiB --refuse-when-full --deduplicate=1d
  eventhub topics create customers --erasable=on     data of a person can be erased
  eventhub topics create orders --if-not-exists)";

constexpr char kListTopicExamples[] = R"(
Examples:
  eventhub topics list
  eventhub topics list --output=json | jq -r '[.name, .stats.bytes] | @tsv')";

constexpr char kDescribeTopicExamples[] = R"(
Examples:
  eventhub topics describe clicks
  eventhub topics describe clicks --partitions
  eventhub topics describe clicks --output=json | jq .stats.published_events)";

constexpr char kUpdateTopicExamples[] = R"(
The new settings apply to stored events too. Asks before it deletes events or moves keys.

Examples:
  eventhub topics update clicks --max-age=unlimited
  eventhub topics update clicks --partitions=32 --yes    keys move; without asking
  eventhub topics update clicks --max-bytes=100GiB --keep-until-acked
  eventhub topics update clicks --keep-until-acked=off --description=
  eventhub topics update clicks --retention=unlimited --deduplicate=10m
  eventhub topics update clicks --archive=off --yes)";

constexpr char kGetExamples[] = R"(
Fails if there is no event with the key, or if the latest has no data: a delete marker.

Examples:
  eventhub topics get prices sku-7
  eventhub topics get prices sku-7 --output=json | jq .data
  eventhub topics get prices sku-7 --format='%d')";

constexpr char kDeleteTopicExamples[] = R"(
Examples:
  eventhub topics delete clicks
  eventhub topics delete clicks orders --yes
  eventhub topics delete jobs --with-subscriptions --with-routes --yes
  eventhub topics delete billing.old-letters --discard-dead-letters)";

// The settings that `create` and `update` share. Only those given are set.
struct TopicFlags {
  std::vector<std::string> names;
  client::TopicUpdate update;
  std::string retention;  // `none`, `latest-per-key`, `unlimited`, or empty.
  std::optional<absl::Duration> latest_min_age;
  std::optional<absl::Duration> delete_marker_age;
  bool if_not_exists = false;
  bool partitions = false;
  bool with_subscriptions = false;
  bool with_routes = false;
  bool discard_dead_letters = false;
  bool drop_unarchived = false;
  bool yes = false;
  bool json = false;
};

struct GetFlags {
  std::string topic;
  std::string key;
  std::optional<uint32_t> partition;
  EventFormat format;
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

absl::Status SetKeepUntilAcked(const std::string& text, client::TopicUpdate& update) {
  update.keep_until_acked = text != "off" && text != "false";
  if (text == "off" || text == "false" || text == "true" || text == "unlimited") {
    update.keep_until_acked_max_bytes = 0;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(update.keep_until_acked_max_bytes, ParseBytes(text));
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> ParseWindow(absl::string_view text) {
  if (text == "off") return absl::ZeroDuration();
  ASSIGN_OR_RETURN(const absl::Duration window, ParseAge(text));
  if (window >= absl::Seconds(1) && window <= absl::Hours(24 * 30)) return window;
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not 1s to 30d, or off"));
}

// Applies `--retention` to the limits that other options do not set.
absl::Status ApplyRetention(TopicFlags& flags) {
  client::TopicUpdate& update = flags.update;
  const std::string& retention = flags.retention;
  const bool latest = retention == "latest-per-key";
  if (latest || flags.latest_min_age || flags.delete_marker_age) {
    update.latest_per_key =
        client::LatestPerKey{.min_age = flags.latest_min_age.value_or(absl::ZeroDuration()),
                             .delete_marker_age = flags.delete_marker_age};
  }
  if (retention.empty()) return absl::OkStatus();
  const bool none = retention == "none";
  if ((none || latest) &&
      (update.max_age || update.max_bytes || update.keep_until_acked || update.refuse_when_full)) {
    return UsageError(absl::StrCat("--retention=", retention, " excludes all limits"));
  }
  if (latest) return absl::OkStatus();
  update.keep_nothing = none;
  if (!update.max_age) update.max_age = absl::InfiniteDuration();
  if (!update.max_bytes) update.max_bytes = 0;
  if (!update.keep_until_acked) update.keep_until_acked = false;
  if (!update.keep_until_acked_max_bytes) update.keep_until_acked_max_bytes = 0;
  if (!update.refuse_when_full) update.refuse_when_full = false;
  return absl::OkStatus();
}

void AddRetentionFlags(CLI::App& command, TopicFlags& flags) {
  client::TopicUpdate& update = flags.update;
  command
      .add_option("--retention", flags.retention,
                  "none: keep nothing, events go where routes copy them; latest-per-key: keep the "
                  "last event of each key (only when the topic is created); unlimited: without all "
                  "limits that are not given")
      ->check(OneOf({"none", "latest-per-key", "unlimited"}))
      ->type_name("none|latest-per-key|unlimited");
  AddParsedOption(command, "--latest-min-age", &flags.latest_min_age, ParseDelay,
                  "With latest-per-key: keep events that a later one supersedes for this long",
                  "DURATION");
  AddParsedOption(command, "--delete-marker-age", &flags.delete_marker_age, ParseDelay,
                  "With latest-per-key: keep delete markers, events with a key and no data, for "
                  "this long (default 24h)",
                  "DURATION");
  const CLI::callback_t refuse = [&update](const CLI::results_t& values) {
    const std::string& value = values.back();
    if (value != "true" && value != "off" && value != "false") {
      // What the library expects of a callback.
      throw CLI::ValidationError("--refuse-when-full", absl::StrCat("'", value, "' is not off"));
    }
    update.refuse_when_full = value == "true";
    return true;
  };
  // As with a flag, an optional value is part of the same word.
  command
      .add_option("--refuse-when-full", refuse,
                  "A topic that holds --max-bytes takes no more events, instead of dropping the "
                  "oldest; or =off")
      ->expected(0)
      ->type_name("[=off]");
  AddParsedOption(
      command, "--deduplicate", &update.deduplication_window, ParseWindow,
      "Do not append an event of the same source and id as one within this time before, "
      "1s to 30d; or off",
      "DURATION");
}

void AddTopicFlags(CLI::App& command, TopicFlags& flags) {
  client::TopicUpdate& update = flags.update;
  AddCountOption(command, "-p,--partitions", &update.partitions, 1, 100'000,
                 "1 to 100,000; can grow, never shrink");
  AddParsedOption(command, "--max-age", &update.max_age, ParseMaxAge,
                  "Drop events appended longer ago, e.g. 7d; or unlimited", "DURATION");
  AddParsedOption(command, "--max-bytes", &update.max_bytes, ParseMaxBytes,
                  "Drop the oldest events beyond this size, e.g. 10GiB; or unlimited", "SIZE");
  const CLI::callback_t keep = [&update](const CLI::results_t& values) {
    const absl::Status set = SetKeepUntilAcked(values.back(), update);
    // What the library expects of a callback.
    if (!set.ok()) throw CLI::ValidationError("--keep-until-acked", std::string(set.message()));
    return true;
  };
  // As with a flag, an optional value is part of the same word.
  command
      .add_option("--keep-until-acked", keep,
                  "Keep unacked events beyond these limits, without bound or up to a size; or =off")
      ->expected(0)
      ->type_name("[=SIZE]");
  AddRetentionFlags(command, flags);
  command
      .add_option_function<std::string>(
          "--archive", [&update](const std::string& text) { update.archive = text == "on"; },
          "Archive its events in the hub's lake, if it has one, before they are dropped; on by "
          "default")
      ->check(OneOf({"on", "off"}))
      ->type_name("on|off");
  command
      .add_option_function<std::string>(
          "--erasable", [&update](const std::string& text) { update.erasable = text == "on"; },
          "Seal the data of events with the attribute datasubject, so that `eventhub erase` can "
          "erase it; off by default")
      ->check(OneOf({"on", "off"}))
      ->type_name("on|off");
  AddParsedOption(
      command, "--durability", &update.default_durability, ParseDurability,
      "For events published without one: synced survives a power loss, written a crash of the hub",
      "synced|written");
  AddParsedOption(command, "--max-event-bytes", &update.max_event_bytes, ParseEventBytes,
                  "The largest event accepted, at most 16MiB", "SIZE");
  command
      .add_option_function<std::string>(
          "--description", [&update](const std::string& text) { update.description = text; },
          "A description for people")
      ->type_name("TEXT");
  AddOutputOption(command, &flags.json);
}

bool ChangesNothing(const client::TopicUpdate& update) {
  const auto any = [](const auto&... fields) { return (fields.has_value() || ...); };
  return !any(update.partitions, update.max_age, update.max_bytes, update.keep_until_acked,
              update.keep_until_acked_max_bytes, update.default_durability, update.max_event_bytes,
              update.description, update.keep_nothing, update.refuse_when_full,
              update.deduplication_window, update.latest_per_key, update.archive, update.erasable);
}

// Copies the fields that `update` sets to `topic`.
void ApplyUpdate(const client::TopicUpdate& update, client::Topic* topic) {
  SetIfGiven(update.partitions, &topic->partitions);
  SetIfGiven(update.max_age, &topic->max_age);
  SetIfGiven(update.max_bytes, &topic->max_bytes);
  SetIfGiven(update.keep_until_acked, &topic->keep_until_acked);
  SetIfGiven(update.keep_until_acked_max_bytes, &topic->keep_until_acked_max_bytes);
  SetIfGiven(update.default_durability, &topic->default_durability);
  SetIfGiven(update.max_event_bytes, &topic->max_event_bytes);
  SetIfGiven(update.description, &topic->description);
  SetIfGiven(update.keep_nothing, &topic->keep_nothing);
  SetIfGiven(update.refuse_when_full, &topic->refuse_when_full);
  SetIfGiven(update.deduplication_window, &topic->deduplication_window);
  SetIfGiven(update.archive, &topic->archive);
  SetIfGiven(update.erasable, &topic->erasable);
  if (update.latest_per_key) topic->latest_per_key = update.latest_per_key;
}

absl::Status PrintTopic(const client::Topic& topic, bool json) {
  return WriteOut(json ? TopicJson(topic).dump() + "\n" : RenderFields(TopicFields(topic)));
}

absl::Status Create(const Context& context, TopicFlags flags) {
  RETURN_IF_ERROR(ApplyRetention(flags));
  client::Topic topic;
  topic.name = flags.names.front();
  ApplyUpdate(flags.update, &topic);
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
  client::AdminClient admin = ConnectAdmin(context);
  ASSIGN_OR_RETURN(const std::vector<client::Topic> topics, admin.ListTopics());
  std::vector<client::TopicDescription> described;
  for (const client::Topic& topic : topics) {
    absl::StatusOr<client::TopicDescription> description = admin.GetTopic(topic.name);
    // The topic was deleted after it was listed.
    if (absl::IsNotFound(description.status())) continue;
    RETURN_IF_ERROR(description.status());
    described.push_back(*std::move(description));
  }
  if (!json) return WriteOut(RenderTopics(described));
  std::string out;
  for (const auto& [topic, stats, findings, archive] : described) {
    Json line = TopicJson(topic);
    line["stats"] = StatsJson(stats);
    line["findings"] = findings;
    line["lake"] = archive ? ArchiveJson(*archive) : Json(nullptr);
    absl::StrAppend(&out, line.dump(), "\n");
  }
  return WriteOut(out);
}

absl::Status Describe(const Context& context, const TopicFlags& flags) {
  client::AdminClient admin = ConnectAdmin(context);
  ASSIGN_OR_RETURN(const client::TopicDescription topic, admin.GetTopic(flags.names.front()));
  std::vector<client::PartitionInfo> partitions;
  if (flags.partitions) {
    ASSIGN_OR_RETURN(partitions, admin.ListPartitions(topic.topic.name));
  }
  if (flags.json) {
    Json json = TopicJson(topic.topic);
    json["stats"] = StatsJson(topic.stats);
    json["findings"] = topic.findings;
    json["lake"] = topic.archive ? ArchiveJson(*topic.archive) : Json(nullptr);
    if (flags.partitions) json["partition_list"] = PartitionsJson(partitions);
    return WriteOut(json.dump() + "\n");
  }
  auto fields = TopicFields(topic.topic);
  AppendStatsFields(topic.stats, &fields);
  if (topic.archive) AppendArchiveFields(*topic.archive, &fields);
  for (const std::string& finding : topic.findings) {
    fields.emplace_back("finding", Printable(finding));
  }
  std::string out = RenderFields(fields);
  if (flags.partitions)
    absl::StrAppend(&out, "\n", RenderPartitions(partitions, Clock::System().Now()));
  return WriteOut(out);
}

absl::Status Get(const Context& context, const GetFlags& flags) {
  client::LatestReader reader(ConnectToHub(context),
                              {.topic = flags.topic, .timeout = AdminOptionsOf(context).timeout});
  ASSIGN_OR_RETURN(const client::LatestEvent latest, reader.Get(flags.key, flags.partition));
  const json::Position position{latest.partition, latest.offset, latest.append_time};
  std::string out;
  if (flags.json) {
    json::AppendEvent(latest.event, {.position = position}, &out);
    out.push_back('\n');
  } else {
    flags.format.Append(latest.event, position, &out);
  }
  return WriteOut(out);
}

absl::Status Update(const Context& context, TopicFlags flags) {
  RETURN_IF_ERROR(ApplyRetention(flags));
  if (ChangesNothing(flags.update)) return UsageError("topics update: no setting is given");
  const std::string& name = flags.names.front();
  client::AdminClient admin = ConnectAdmin(context);
  if (!flags.yes) {
    ASSIGN_OR_RETURN(const client::TopicDescription before, admin.GetTopic(name));
    client::Topic after = before.topic;
    ApplyUpdate(flags.update, &after);
    // An empty topic has no events to lose.
    const Risks risks = before.stats.events > 0 ? RisksOf(before.topic, after) : Risks();
    RETURN_IF_ERROR(ConfirmUpdate("topics update", absl::StrCat("topic '", name, "'"), risks));
  }
  ASSIGN_OR_RETURN(const client::Topic topic, admin.UpdateTopic(name, flags.update));
  return PrintTopic(topic, flags.json);
}

absl::Status ConfirmDeletion(const Context& context, client::AdminClient& admin,
                             const std::string& name, bool discard_dead_letters) {
  ASSIGN_OR_RETURN(const client::TopicDescription topic, admin.GetTopic(name));
  std::string letters;
  if (discard_dead_letters) {
    client::SubscriptionClient client = ConnectSubscriptions(context);
    ASSIGN_OR_RETURN(const auto subscriptions, client.ListSubscriptions());
    ASSIGN_OR_RETURN(const auto found, FindOpenLetters(client, subscriptions, name));
    if (!found.empty()) letters = absl::StrCat(", and discard ", LettersText(found));
  }
  return Confirm(
      absl::StrCat("Delete topic '", name, "' with ", CountOf(topic.stats.events, "event"), " (",
                   FormatBytes(topic.stats.bytes), ")", letters, ", for good?"),
      absl::StrCat("topic '", name, "' is kept"));
}

absl::Status Delete(const Context& context, const TopicFlags& flags) {
  if (!flags.yes) RETURN_IF_ERROR(NeedTerminal("topics delete"));
  client::AdminClient admin = ConnectAdmin(context);
  for (const std::string& name : flags.names) {
    if (!flags.yes) {
      RETURN_IF_ERROR(ConfirmDeletion(context, admin, name, flags.discard_dead_letters));
    }
    const client::TopicDeletion deletion = {.delete_subscriptions = flags.with_subscriptions,
                                            .delete_routes = flags.with_routes,
                                            .discard_dead_letters = flags.discard_dead_letters,
                                            .drop_unarchived = flags.drop_unarchived};
    RETURN_IF_ERROR(WithProgress(absl::StrCat("deleting topic '", name, "'"),
                                 [&] { return admin.DeleteTopic(name, deletion); }));
  }
  return absl::OkStatus();
}

void AddName(CLI::App& command, TopicFlags& flags) {
  command.add_option("TOPIC", flags.names, "Its name")->required()->expected(1);
}

}  // namespace

void AddTopicsCommand(CLI::App& app, Context& context) {
  CLI::App* topics = AddGroup(app, "topics", "Manage topics", kTopicsExamples);
  // The callbacks own it.
  const auto flags = std::make_shared<TopicFlags>();

  CLI::App* create = AddVerb(*topics, "create", "Create a topic", kCreateTopicExamples);
  AddName(*create, *flags);
  AddTopicFlags(*create, *flags);
  create->add_flag("--if-not-exists", flags->if_not_exists,
                   "Succeed without a change if the topic exists");
  SetRun(*create, context, [&context, flags] { return Create(context, *flags); });

  CLI::App* list = AddVerb(*topics, "list", "List all topics by name", kListTopicExamples);
  AddOutputOption(*list, &flags->json);
  SetRun(*list, context, [&context, flags] { return List(context, flags->json); });

  CLI::App* describe = AddVerb(*topics, "describe", "Show the settings and statistics of a topic",
                               kDescribeTopicExamples);
  AddName(*describe, *flags);
  describe->add_flag("--partitions", flags->partitions, "Also show each partition");
  AddOutputOption(*describe, &flags->json);
  SetRun(*describe, context, [&context, flags] { return Describe(context, *flags); });

  const auto get_flags = std::make_shared<GetFlags>();
  get_flags->format = *EventFormat::Parse(kEventTextFormat);
  CLI::App* get = AddVerb(*topics, "get", "Print the latest event with a key", kGetExamples);
  get->add_option("TOPIC", get_flags->topic, "A topic that keeps the latest event per key")
      ->required();
  get->add_option("KEY", get_flags->key, "The partition key")->required();
  AddCountOption(*get, "-p,--partition", &get_flags->partition, 0, UINT32_MAX,
                 "The partition to look in (default: that of events with this key)");
  CLI::Option* output =
      get->add_option_function<std::string>(
             "-o,--output",
             [get_flags](const std::string& name) { get_flags->json = name == "json"; },
             "text (default), or json: CloudEvents")
          ->check(OneOf({"text", "json"}))
          ->type_name("FORMAT");
  AddParsedOption(*get, "--format", &get_flags->format, EventFormat::Parse,
                  "How an event is printed as text", "FORMAT")
      ->default_str(kEventTextFormat)
      ->excludes(output);
  SetRun(*get, context, [&context, get_flags] { return Get(context, *get_flags); });

  CLI::App* update = AddVerb(*topics, "update", "Change settings", kUpdateTopicExamples);
  AddName(*update, *flags);
  AddTopicFlags(*update, *flags);
  update->add_flag("-y,--yes", flags->yes,
                   "Do not ask before a change that deletes events or moves keys");
  SetRun(*update, context, [&context, flags] { return Update(context, *flags); });

  CLI::App* remove =
      AddVerb(*topics, "delete", "Delete topics and their events for good", kDeleteTopicExamples);
  remove->add_option("TOPIC", flags->names, "Their names")->required();
  remove->add_flag("--with-subscriptions", flags->with_subscriptions,
                   "Delete their subscriptions too");
  remove->add_flag("--with-routes", flags->with_routes, "Delete the routes from them too");
  remove->add_flag("--discard-dead-letters", flags->discard_dead_letters,
                   "Discard the open dead letters in them; events stored nowhere else are lost");
  remove->add_flag("--drop-unarchived", flags->drop_unarchived,
                   "Do not archive their last events first; those that the lake lacks are lost");
  remove->add_flag("-y,--yes", flags->yes, "Do not ask");
  SetRun(*remove, context, [&context, flags] { return Delete(context, *flags); });
}

}  // namespace eventhub::cli

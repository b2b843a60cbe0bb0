#include "client/cli/input/route_flags.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/event_flags.h"
#include "client/cli/input/filter_flag.h"

namespace eventhub::cli {
namespace {

absl::StatusOr<std::vector<std::string>> ParseTopics(absl::string_view text) {
  std::vector<std::string> topics = absl::StrSplit(text, ',');
  for (const std::string& topic : topics) {
    if (topic.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not TOPIC[,TOPIC]"));
    }
  }
  return topics;
}

absl::StatusOr<client::OnUnavailable> ParseOnUnavailable(absl::string_view text) {
  if (text == "fail") return client::OnUnavailable::kFail;
  if (text == "skip") return client::OnUnavailable::kSkip;
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not one of: fail, skip"));
}

void AddKeyFlags(CLI::App& command, client::RouteUpdate& update) {
  const auto text = [&command, &update](const char* name, client::RouteKey::Kind kind,
                                        const char* description, const char* type) {
    return command
        .add_option_function<std::string>(
            name,
            [&update, kind](const std::string& value) {
              update.partition_key = client::RouteKey{.kind = kind, .value = value};
            },
            description)
        ->type_name(type);
  };
  const auto flag = [&command, &update](const char* name, const client::RouteKey& key,
                                        const char* description) {
    return command.add_flag_callback(
        name, [&update, key] { update.partition_key = key; }, description);
  };
  CLI::Option* const options[] = {
      text("--key", client::RouteKey::Kind::kConstant,
           "The partition key of all copies, which puts them in one order", "TEXT"),
      text("--key-from", client::RouteKey::Kind::kFromAttribute,
           "The partition key of a copy is the value of this attribute", "ATTRIBUTE"),
      flag("--no-key", client::RouteKey::None(), "Copies have no partition key"),
      flag("--keep-key", client::RouteKey::Keep(),
           "Copies have the partition key of the event (default)"),
  };
  for (CLI::Option* option : options) {
    for (CLI::Option* other : options) {
      if (option != other) option->excludes(other);
    }
  }
}

void AddSetFlag(CLI::App& command, client::RouteUpdate& update) {
  const auto assign = [&update](const std::vector<std::string>& texts) {
    update.set_attributes.emplace();
    if (texts == std::vector<std::string>{"none"}) return;
    for (const std::string& text : texts) {
      const auto pair = ParseAttribute(text);
      // Callbacks report errors to the library by this exception.
      if (!pair.ok()) throw CLI::ValidationError("--set", std::string(pair.status().message()));
      (*update.set_attributes)[pair->first].set_string(pair->second);
    }
  };
  command
      .add_option_function<std::vector<std::string>>(
          "--set", assign,
          "An extension attribute that the copies have; may be repeated. On update: in place of "
          "all before; or none")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace

void AddRouteFlags(CLI::App& command, client::RouteUpdate& update) {
  AddParsedOption(command, "--to", &update.target_topics, ParseTopics, "The topics to copy to",
                  "TOPIC[,TOPIC]");
  AddFilterOption(command, &update.filter, "Copy only matching events");
  AddKeyFlags(command, update);
  AddSetFlag(command, update);
  AddParsedOption(
      command, "--on-unavailable", &update.on_unavailable, ParseOnUnavailable,
      "When a target cannot take a copy: fail refuses the publish, so that an event is "
      "everywhere it belongs or nowhere (default); skip leaves that copy out, also while "
      "there is no such topic",
      "fail|skip");
  command
      .add_option_function<std::string>(
          "--description", [&update](const std::string& text) { update.description = text; },
          "A description for people")
      ->type_name("TEXT");
}

bool IsEmpty(const client::RouteUpdate& update) {
  const auto any = [](const auto&... fields) { return (fields.has_value() || ...); };
  return !any(update.filter, update.target_topics, update.partition_key, update.set_attributes,
              update.disabled, update.on_unavailable, update.description);
}

void ApplyUpdate(const client::RouteUpdate& update, client::Route* route) {
  SetIfGiven(update.filter, &route->filter);
  SetIfGiven(update.target_topics, &route->target_topics);
  SetIfGiven(update.partition_key, &route->partition_key);
  SetIfGiven(update.set_attributes, &route->set_attributes);
  SetIfGiven(update.disabled, &route->disabled);
  SetIfGiven(update.on_unavailable, &route->on_unavailable);
  SetIfGiven(update.description, &route->description);
}

}  // namespace eventhub::cli

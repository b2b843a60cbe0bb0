#include "client/cli/frame/usage.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "storage/base/nearest_word.h"

namespace eventhub::cli {
namespace {

// Returns the subcommand that was being parsed.
const CLI::App& Deepest(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

std::vector<std::string> SubcommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

// Returns the groups in `app` that have a command of this name.
std::vector<std::string> GroupsWith(const CLI::App& app, const std::string& name) {
  std::vector<std::string> groups;
  for (const CLI::App* group : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::vector<std::string> verbs = SubcommandNames(*group);
    if (std::find(verbs.begin(), verbs.end(), name) != verbs.end()) {
      groups.push_back(group->get_name());
    }
  }
  return groups;
}

template <typename Kind>
bool Is(const CLI::ParseError& error) {
  return dynamic_cast<const Kind*>(&error) != nullptr;
}

std::string Suggestion(const std::string& nearest) {
  return nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?");
}

std::string ExplainUnknownWord(const CLI::App& at, const std::string& word) {
  if (absl::StartsWith(word, "-") && word.size() > 1) {
    const std::string name = word.substr(0, word.find('='));
    return absl::StrCat("'", at.get_name(), "' has no option '", name, "'",
                        Suggestion(NearestWord(name, OptionNames(at))));
  }
  const std::vector<std::string> commands = SubcommandNames(at);
  if (commands.empty()) {
    return absl::StrCat("'", word, "' is more than '", at.get_name(), "' takes");
  }
  if (const std::vector<std::string> groups = GroupsWith(at, word); !groups.empty()) {
    return absl::StrCat("'", word, "' is a command of: ", absl::StrJoin(groups, ", "));
  }
  const std::string nearest = NearestWord(word, commands);
  return absl::StrCat("'", at.get_name(), "' has no command '", word, "'",
                      nearest.empty() ? absl::StrCat("; it has ", absl::StrJoin(commands, ", "))
                                      : Suggestion(nearest));
}

// Finds the option of this name in the command or in a group that contains it.
const CLI::Option* FindOption(const CLI::App& at, const std::string& name) {
  for (const CLI::App* app = &at; app != nullptr; app = app->get_parent()) {
    if (const CLI::Option* option = app->get_option_no_throw(name)) return option;
  }
  return nullptr;
}

// Explains the value of a flag: other options are texts with checks of their own.
std::string ExplainConversion(const CLI::App& at, const std::string& message) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(absl::StripPrefix(message, "Could not convert: "), absl::MaxSplits(" = ", 1));
  const CLI::Option* const option = FindOption(at, parts.first);
  return absl::StrCat(option == nullptr ? parts.first : NameAsGiven(*option), ": '", parts.second,
                      "' is neither true nor false");
}

// A deprecated name of a command or option. Deprecated names are never reused.
struct OldName {
  absl::string_view group;  // The commands before it; may be empty.
  absl::string_view old;
  absl::string_view now;
};

constexpr OldName kOldNames[] = {
    {"", "dead-letters", "subscriptions dead-letters"},
    {"", "replay", "subscriptions replay"},
    {"", "seek", "subscriptions seek"},
    {"", "snapshots", "subscriptions snapshots"},
    {"links", "disable", "pause"},
    {"links", "enable", "resume"},
    {"links create", "--disabled", "--paused"},
    {"links update", "--disable", "--pause"},
    {"links update", "--enable", "--resume"},
    {"routes create", "--disabled", "--paused"},
    {"routes update", "--disable", "--pause"},
    {"routes update", "--enable", "--resume"},
};

// If the word at `at` is an old name, replaces it by the new one, which may be several words.
void ReplaceOldName(absl::string_view group, size_t at, std::vector<std::string>& words) {
  for (const OldName& name : kOldNames) {
    if (name.group != group || name.old != words[at]) continue;
    const std::vector<std::string> now = absl::StrSplit(name.now, ' ');
    words[at] = now.front();
    words.insert(words.begin() + static_cast<ptrdiff_t>(at) + 1, now.begin() + 1, now.end());
    return;
  }
}

bool TakesNextWord(const CLI::App& at, const std::string& option) {
  const CLI::Option* const known = FindOption(at, option);
  return known != nullptr && known->get_items_expected_min() > 0;
}

// Replaces old names of commands, and of options of the last command.
void ReplaceOldNames(const CLI::App& app, std::vector<std::string>& words) {
  const CLI::App* command = &app;
  std::string group;
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    ReplaceOldName(group, i, words);
    if (absl::StartsWith(words[i], "-")) {
      if (TakesNextWord(*command, words[i])) ++i;
      continue;
    }
    const std::vector<const CLI::App*> next = command->get_subcommands(
        [&word = words[i]](const CLI::App* candidate) { return candidate->check_name(word); });
    if (next.empty()) continue;
    command = next.front();
    absl::StrAppend(&group, group.empty() ? "" : " ", words[i]);
  }
}

}  // namespace

std::vector<std::string> CommandLineWords(const CLI::App& app, int argc, const char* const* argv) {
  std::vector<std::string> words;
  bool options = true;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view word = argv[i];
    options = options && word != "--";
    if (options && absl::StartsWith(word, "--") && word.find('=') == word.size() - 1) {
      words.emplace_back(word.substr(0, word.size() - 1));
      words.emplace_back();
    } else {
      words.emplace_back(word);
    }
  }
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  ReplaceOldNames(app, words);
  return words;
}

std::string ExplainParseError(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& at = Deepest(app);
  const std::string message = error.what();
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  if (!unknown.empty() && (Is<CLI::ExtrasError>(error) || Is<CLI::RequiredError>(error))) {
    return ExplainUnknownWord(at, unknown.front());
  }
  if (message == "A subcommand is required") {
    return absl::StrCat("'", at.get_name(),
                        "' needs a command: ", absl::StrJoin(SubcommandNames(at), ", "));
  }
  if (Is<CLI::ConversionError>(error)) return ExplainConversion(at, message);
  const std::string name = message.substr(0, message.find(':'));
  if (Is<CLI::RequiredError>(error)) {
    return absl::StrCat(message.substr(0, message.find(' ')), " is missing");
  }
  if (Is<CLI::ExcludesError>(error)) {
    const size_t middle = message.find(" excludes ");
    if (middle != std::string::npos) {
      return absl::StrCat(message.substr(0, middle), " and ", message.substr(middle + 10),
                          " exclude each other");
    }
  }
  if (Is<CLI::ArgumentMismatch>(error)) {
    if (absl::EndsWith(message, " missing")) return absl::StrCat(name, ": its value is missing");
    if (absl::StrContains(message, "flag override")) {
      return absl::StrCat(message.substr(0, message.find(' ')), " takes no value");
    }
    if (absl::StrContains(message, "received"))
      return absl::StrCat(name, " is given more than once");
  }
  return message;
}

std::string NameAsGiven(const CLI::Option& option) {
  const std::string& variable = option.get_envname();
  const char* const value = variable.empty() ? nullptr : std::getenv(variable.c_str());
  const bool from_environment =
      value != nullptr && option.results() == std::vector<std::string>{value};
  return from_environment ? variable : option.get_name();
}

}  // namespace eventhub::cli

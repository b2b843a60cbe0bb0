#include "client/cli/input/event_flags.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/command.h"
#include "proto/wire/event_rules.h"

namespace eventhub::cli {

absl::StatusOr<std::pair<std::string, std::string>> ParseAttribute(absl::string_view text) {
  std::pair<std::string, std::string> pair = absl::StrSplit(text, absl::MaxSplits('=', 1));
  const std::string& name = pair.first;
  if (name.empty() || name.size() == text.size()) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not NAME=VALUE"));
  }
  if (!wire::IsAttributeName(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", name, "' is not a valid attribute name: only a-z and 0-9 are allowed"));
  }
  return pair;
}

CLI::Option* AddAttributeOption(CLI::App& command, std::vector<std::string>* attributes) {
  return command.add_option("--attribute", *attributes, "An extension attribute; may be repeated")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseAttributes(
    const std::vector<std::string>& attributes) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& attribute : attributes) {
    auto pair = ParseAttribute(attribute);
    if (!pair.ok()) return UsageError(absl::StrCat("--attribute: ", pair.status().message()));
    pairs.push_back(*std::move(pair));
  }
  return pairs;
}

}  // namespace eventhub::cli

#include "client/cli/event_flags.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/command.h"

namespace eventhub::cli {

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
    std::pair<std::string, std::string> pair = absl::StrSplit(attribute, absl::MaxSplits('=', 1));
    if (pair.first.empty() || pair.first.size() == attribute.size()) {
      return UsageError(absl::StrCat("--attribute: '", attribute, "' is not NAME=VALUE"));
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace eventhub::cli

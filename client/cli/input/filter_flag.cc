#include "client/cli/input/filter_flag.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/filter_json.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

absl::StatusOr<std::optional<client::Filter>> ParseFilterOrNone(absl::string_view text) {
  if (text == "none") return std::nullopt;
  ASSIGN_OR_RETURN(v1::Filter filter, ParseFilter(text));
  return client::Filter(std::move(filter));
}

}  // namespace

void AddFilterOption(CLI::App& command, std::optional<std::optional<client::Filter>>* filter,
                     const std::string& what) {
  AddParsedOption(command, "--filter", filter, ParseFilterOrNone,
                  absl::StrCat(what,
                               ": an expression (CloudEvents SQL) or a filter in JSON; see "
                               "eventhub filter --help. Or none"),
                  "FILTER");
}

}  // namespace eventhub::cli

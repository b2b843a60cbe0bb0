#include "client/cli/run/event_environment.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/input/json_values.h"
#include "client/cli/input/units.h"
#include "proto/json/timestamp.h"
#include "storage/base/environment_names.h"

namespace eventhub::cli {
namespace {

std::string AttributeText(const v1::AttributeValue& value) {
  const Json json = AttributeJson(value);
  if (json.is_null()) return "";
  return json.is_string() ? json.get<std::string>() : json.dump();
}

std::string AttributeVariable(absl::string_view name) {
  std::string variable = absl::StrCat("ATTR_", absl::AsciiStrToUpper(name));
  std::replace_if(
      variable.begin(), variable.end(),
      [](char c) { return !absl::ascii_isalnum(static_cast<unsigned char>(c)); }, '_');
  return variable;
}

}  // namespace

std::vector<std::string> BaseEnvironment(const std::string& address,
                                         const std::string& subscription) {
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const absl::string_view text = *variable;
    // If this process itself runs for an event, its variables describe that event: they are
    // dropped. Settings such as those of TLS are passed on.
    const bool settings = IsSettingVariable(text.substr(0, text.find('=')));
    const bool address = absl::StartsWith(text, "EVENTHUB_ADDRESS=");
    if (!absl::StartsWith(text, kEnvironmentPrefix) || (settings && !address)) {
      environment.emplace_back(text);
    }
  }
  environment.push_back(absl::StrCat(kEnvironmentPrefix, "ADDRESS=", address));
  environment.push_back(absl::StrCat(kEnvironmentPrefix, "SUBSCRIPTION=", subscription));
  return environment;
}

void AppendEventEnvironment(const v1::Event& event, const json::Position& position,
                            std::vector<std::string>* environment) {
  const auto add = [environment](absl::string_view name, absl::string_view value) {
    environment->push_back(absl::StrCat(kEnvironmentPrefix, name, "=", value));
  };
  add("ID", event.id());
  add("SOURCE", event.source());
  add("TYPE", event.type());
  add("SUBJECT", event.subject());
  add("TIME", event.has_time() ? FormatMoment(json::FromTimestamp(event.time())) : "");
  add("KEY", event.partition_key());
  add("CONTENT_TYPE", event.data_content_type());
  add("SCHEMA", event.data_schema());
  add("PARTITION", absl::StrCat(position.partition));
  add("OFFSET", absl::StrCat(position.offset));
  add("APPEND_TIME", FormatMoment(position.append_time));
  add("ATTEMPT", absl::StrCat(position.attempt));
  add("REDELIVERED", position.redelivered ? "true" : "false");
  add("REPLAYED", position.replayed ? "true" : "false");
  for (const auto& [name, value] : event.attributes()) {
    add(AttributeVariable(name), AttributeText(value));
  }
}

}  // namespace eventhub::cli

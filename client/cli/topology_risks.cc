#include "client/cli/topology_risks.h"

#include <cstdint>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "client/cli/json.h"
#include "client/cli/units.h"

namespace eventhub::cli {
namespace {

using Kind = client::TopologyChange::Kind;
using Action = client::TopologyChange::Action;

Json ParseValue(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// Not set: no limit, as for 0 bytes.
absl::Duration AgeOf(const std::string& value) {
  const Json json = ParseValue(value);
  absl::Duration age;
  if (!json.is_string() || !absl::ParseDuration(json.get<std::string>(), &age)) {
    return absl::InfiniteDuration();
  }
  return age;
}

uint64_t BytesOf(const std::string& value) {
  const Json json = ParseValue(value);
  uint64_t bytes = 0;
  if (json.is_number_unsigned()) bytes = json.get<uint64_t>();
  if (json.is_string() && !absl::SimpleAtoi(json.get<std::string>(), &bytes)) bytes = 0;
  return bytes == 0 ? std::numeric_limits<uint64_t>::max() : bytes;
}

bool IsTrue(const std::string& value) {
  const Json json = ParseValue(value);
  return json.is_boolean() && json.get<bool>();
}

std::string RiskOfTopic(const client::FieldChange& field) {
  const std::string& from = field.old_value;
  const std::string& to = field.new_value;
  if (field.path == "partitions") {
    return "moves keys: the next events of a key may go to another partition than those before";
  }
  absl::string_view retention = field.path;
  if (!absl::ConsumePrefix(&retention, "retention.")) return "";
  if (retention == "max_age" && AgeOf(to) < AgeOf(from)) {
    return absl::StrCat("deletes events appended more than ", FormatExactAge(AgeOf(to)), " ago");
  }
  if (retention == "max_bytes" && BytesOf(to) < BytesOf(from)) {
    return absl::StrCat("deletes the oldest events beyond ", FormatExactBytes(BytesOf(to)));
  }
  if (retention == "none" && IsTrue(to)) return "deletes all its events";
  const bool waits_less =
      (retention == "keep_until_acked" && IsTrue(from) && !IsTrue(to)) ||
      (retention == "keep_until_acked_max_bytes" && BytesOf(to) < BytesOf(from));
  return waits_less ? "deletes events that subscriptions have not acked yet" : "";
}

std::string RiskOfDeletion(Kind kind) {
  switch (kind) {
    case Kind::kTopic:
      return "deletes the topic with all its events";
    case Kind::kSubscription:
      return "forgets what is acked, and its snapshots and dead letters";
    case Kind::kLink:
      return "forgets how far the link is";
    case Kind::kRoute:
    case Kind::kUnknown:
      break;
  }
  return "";
}

std::string RiskOfUpdate(Kind kind, const client::FieldChange& field) {
  if (kind == Kind::kTopic) return RiskOfTopic(field);
  if (kind == Kind::kRoute && absl::StartsWith(field.path, "partition_key")) {
    return "moves keys: the next copies may go to other partitions than those before";
  }
  return "";
}

}  // namespace

std::vector<std::string> RisksOf(const client::TopologyChange& change) {
  std::vector<std::string> risks;
  const auto add = [&risks](std::string risk) {
    if (!risk.empty()) risks.push_back(std::move(risk));
  };
  if (change.action == Action::kDelete) add(RiskOfDeletion(change.kind));
  if (change.action == Action::kUpdate) {
    for (const client::FieldChange& field : change.fields) add(RiskOfUpdate(change.kind, field));
  }
  return risks;
}

}  // namespace eventhub::cli

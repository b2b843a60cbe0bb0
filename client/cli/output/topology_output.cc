#include "client/cli/output/topology_output.h"

#include <google/protobuf/util/json_util.h>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/input/filter_json.h"
#include "client/cli/input/topology_fields.h"
#include "client/cli/input/units.h"
#include "client/cli/output/terminal.h"

namespace eventhub::cli {
namespace {

using Kind = client::TopologyChange::Kind;
using Action = client::TopologyChange::Action;
using google::protobuf::FieldDescriptor;

const char* KindWord(Kind kind) {
  switch (kind) {
    case Kind::kTopic:
      return "topic";
    case Kind::kSubscription:
      return "subscription";
    case Kind::kRoute:
      return "route";
    case Kind::kLink:
      return "link";
    case Kind::kUnknown:
      break;
  }
  return "unknown";
}

const char* ActionWord(Action action) {
  switch (action) {
    case Action::kCreate:
      return "create";
    case Action::kUpdate:
      return "update";
    case Action::kDelete:
      return "delete";
    case Action::kUnknown:
      break;
  }
  return "unknown";
}

std::string FilterOfJson(const std::string& json) {
  v1::Filter filter;
  if (!google::protobuf::util::JsonStringToMessage(json, &filter).ok()) return json;
  return FilterText(filter);
}

std::string StartOfJson(const std::string& json) {
  v1::StartPosition start;
  if (!google::protobuf::util::JsonStringToMessage(json, &start).ok()) return json;
  return StartWord(start);
}

// Returns `"x"` for {"string":"x"}; likewise for integers and booleans.
std::string AttributeText(const Json& value) {
  static constexpr absl::string_view kPlain[] = {"string", "integer", "boolean"};
  if (!value.is_object() || value.size() != 1) return value.dump();
  const auto [type, plain] = *value.items().begin();
  return absl::c_linear_search(kPlain, type) ? plain.dump() : value.dump();
}

// Formats a list of topic names, or a map of attributes, on one line.
std::string FlowText(const Json& value) {
  std::vector<std::string> items;
  for (const auto& [key, item] : value.items()) {
    items.push_back(value.is_array() ? item.get<std::string>()
                                     : absl::StrCat(key, ": ", AttributeText(item)));
  }
  const std::string text = absl::StrJoin(items, ", ");
  return value.is_array() ? absl::StrCat("[", text, "]") : absl::StrCat("{", text, "}");
}

bool IsNames(const Json& value) {
  return value.is_array() &&
         absl::c_all_of(value, [](const Json& item) { return item.is_string(); });
}

// Formats a JSON value as it is written in a file.
std::string ValueText(const FieldDescriptor* field, const std::string& json) {
  if (json.empty()) return "not set";
  const Json value = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded() || field == nullptr) return json;
  if (field->message_type() == v1::Filter::descriptor()) return FilterOfJson(json);
  if (field->message_type() == v1::StartPosition::descriptor()) return StartOfJson(json);
  if (IsNames(value) || (field->is_map() && value.is_object())) return FlowText(value);
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  absl::Duration duration;
  uint64_t number = 0;
  if (field->message_type() != nullptr && field->message_type()->name() == "Duration" &&
      absl::ParseDuration(text, &duration)) {
    return FormatExactAge(duration);
  }
  if (IsSize(*field) && absl::SimpleAtoi(text, &number)) return FormatExactBytes(number);
  if (field->enum_type() != nullptr) {
    const auto* word = field->enum_type()->FindValueByName(text);
    if (word != nullptr) return EnumWord(*word);
  }
  return text;
}

std::string RenderChange(const client::TopologyChange& change, const Risks& risks) {
  const char* const sign = change.action == Action::kCreate   ? "+"
                           : change.action == Action::kDelete ? "-"
                                                              : "~";
  std::string out = absl::StrCat(sign, " ", KindWord(change.kind), " ", change.name, "\n");
  for (const client::FieldChange& field : change.fields) {
    const FieldDescriptor* setting = FindSetting(KindWord(change.kind), field.path);
    const std::string to = ValueText(setting, field.new_value);
    absl::StrAppend(&out, "    ", field.path, ": ",
                    Printable(change.action == Action::kUpdate
                                  ? absl::StrCat(ValueText(setting, field.old_value), " -> ", to)
                                  : to),
                    "\n");
  }
  for (const std::string& risk : risks) absl::StrAppend(&out, "  ! ", risk, "\n");
  return out;
}

Json ChangeJson(const client::TopologyChange& change, const Risks& risks) {
  Json fields = Json::array();
  const auto value = [](const std::string& json) {
    return json.empty() ? Json(nullptr) : Json::parse(json, nullptr, /*allow_exceptions=*/false);
  };
  for (const client::FieldChange& field : change.fields) {
    fields.push_back(
        {{"path", field.path}, {"old", value(field.old_value)}, {"new", value(field.new_value)}});
  }
  return {{"kind", KindWord(change.kind)},
          {"action", ActionWord(change.action)},
          {"name", change.name},
          {"fields", fields},
          {"risks", risks}};
}

}  // namespace

Json ApplyJson(const client::ApplyResult& result, const PlanRisks& risks, bool dry_run) {
  Json changes = Json::array();
  for (const auto& change : result.changes) changes.push_back(ChangeJson(change, risks.Of(change)));
  Json unnamed = Json::array();
  for (const auto& change : result.unnamed) {
    unnamed.push_back({{"kind", KindWord(change.kind)}, {"name", change.name}});
  }
  return {
      {"dry_run", dry_run},
      {"changes", changes},
      {"unnamed", unnamed},
      {"error", result.status.ok() ? Json(nullptr) : Json(std::string(result.status.message()))}};
}

std::string RenderApply(const client::ApplyResult& result, const PlanRisks& risks,
                        absl::string_view tense) {
  std::string out;
  uint64_t counts[4] = {};
  for (const client::TopologyChange& change : result.changes) {
    absl::StrAppend(&out, RenderChange(change, risks.Of(change)));
    ++counts[static_cast<size_t>(change.action)];
  }
  if (!result.unnamed.empty()) {
    std::vector<std::string> names;
    for (const auto& change : result.unnamed) {
      names.push_back(absl::StrCat(KindWord(change.kind), " ", change.name));
    }
    absl::StrAppend(&out, "left alone because no file names them: ", absl::StrJoin(names, ", "),
                    "\n");
  }
  if (result.changes.empty()) return absl::StrCat(out, "no changes\n");
  std::vector<std::string> sums;
  const auto sum = [&](Action action, const char* word) {
    const uint64_t count = counts[static_cast<size_t>(action)];
    if (count > 0) sums.push_back(absl::StrCat(FormatCount(count), " ", word));
  };
  sum(Action::kCreate, "created");
  sum(Action::kUpdate, "updated");
  sum(Action::kDelete, "deleted");
  return absl::StrCat(out, tense, absl::StrJoin(sums, ", "), "\n");
}

}  // namespace eventhub::cli

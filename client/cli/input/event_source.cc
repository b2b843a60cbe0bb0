#include "client/cli/input/event_source.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proto/json/event_json.h"
#include "proto/json/json_slice.h"
#include "proto/json/timestamp.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

uint64_t ColumnOf(absl::string_view field) {
  uint64_t column = 0;
  return absl::SimpleAtoi(field, &column) ? column : 0;
}

std::optional<std::string> FindColumn(absl::string_view line, uint64_t column) {
  for (const absl::string_view word :
       absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty())) {
    if (--column == 0) return std::string(word);
  }
  return std::nullopt;
}

// Returns text without its quotes, and numbers and booleans as written.
std::optional<std::string> FindPath(absl::string_view data, absl::string_view path) {
  for (const absl::string_view name : absl::StrSplit(path, '.')) {
    const absl::StatusOr<std::vector<json::JsonMember>> members = json::SliceJsonObject(data);
    if (!members.ok()) return std::nullopt;
    // Of duplicate members the last one wins, as in most JSON parsers.
    const auto member = std::find_if(members->rbegin(), members->rend(),
                                     [name](const json::JsonMember& m) { return m.name == name; });
    if (member == members->rend()) return std::nullopt;
    data = member->value;
  }
  if (absl::StartsWith(data, "\"")) return json::JsonText(data);
  if (absl::StartsWith(data, "{") || absl::StartsWith(data, "[") || data == "null") {
    return std::nullopt;
  }
  return std::string(data);
}

void FillIfEmpty(absl::string_view value, std::string* field) {
  if (field->empty()) field->assign(value.data(), value.size());
}

}  // namespace

absl::string_view JsonLineHint(absl::string_view line) {
  switch (json::FindJsonLineFault(line)) {
    case json::JsonLineFault::kArray:
      return "each line is one event, not an array of them; jq -c '.[]' writes them so";
    case json::JsonLineFault::kUnfinishedObject:
      return "the line ends before its object does: each line is one event; jq -c . writes them so";
    case json::JsonLineFault::kOther:
      break;
  }
  return "";
}

EventSource::EventSource(EventTemplate event_template)
    : template_(std::move(event_template)), key_column_(ColumnOf(template_.key_field)) {}

absl::StatusOr<v1::Event> EventSource::FromLine(absl::string_view line) {
  ++count_;
  v1::Event event;
  if (template_.json_input) {
    ASSIGN_OR_RETURN(event, json::ParseEvent(line));
  } else {
    event = FromText(line);
  }
  FillIn(event);
  if (!template_.key_field.empty() && event.partition_key().empty()) {
    ASSIGN_OR_RETURN(*event.mutable_partition_key(), FindKey(line, event));
  }
  return event;
}

v1::Event EventSource::FromText(absl::string_view line) const {
  v1::Event event;
  *event.mutable_time() = json::ToTimestamp(Clock::System().Now());
  event.set_data(line.data(), line.size());
  return event;
}

void EventSource::FillIn(v1::Event& event) const {
  if (event.id().empty()) event.set_id(absl::StrCat(template_.id_prefix, count_));
  FillIfEmpty(template_.type, event.mutable_type());
  FillIfEmpty(template_.source, event.mutable_source());
  FillIfEmpty(template_.subject, event.mutable_subject());
  FillIfEmpty(template_.content_type, event.mutable_data_content_type());
  FillIfEmpty(template_.key, event.mutable_partition_key());
  if (template_.deliver_at) *event.mutable_deliver_at() = json::ToTimestamp(*template_.deliver_at);
  if (template_.deliver_after) {
    const absl::Duration delay = *template_.deliver_after;
    google::protobuf::Duration& proto = *event.mutable_deliver_after();
    proto.set_seconds(absl::ToInt64Seconds(delay));
    proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(delay % absl::Seconds(1))));
  }
  for (const auto& [name, value] : template_.attributes) {
    v1::AttributeValue& attribute = (*event.mutable_attributes())[name];
    if (attribute.value_case() == v1::AttributeValue::VALUE_NOT_SET) attribute.set_string(value);
  }
}

absl::StatusOr<std::string> EventSource::FindKey(absl::string_view line,
                                                 const v1::Event& event) const {
  const absl::string_view text = template_.json_input ? absl::string_view(event.data()) : line;
  std::optional<std::string> key =
      key_column_ > 0 ? FindColumn(text, key_column_) : FindPath(text, template_.key_field);
  if (key.has_value()) return *std::move(key);
  return absl::InvalidArgumentError(
      key_column_ > 0
          ? absl::StrCat("no column ", key_column_, " to take the key from")
          : absl::StrCat("no text or number at '", template_.key_field, "' of JSON data"));
}

}  // namespace eventhub::cli

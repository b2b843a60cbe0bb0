#include "client/cli/input/cloudevents_json.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/input/json_slice.h"
#include "client/cli/input/units.h"
#include "proto/wire/event_rules.h"
#include "proto/wire/utf8.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

// Invalid UTF-8 cannot come from the hub, which refuses it; it must not stop a reader either.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// application/json, text/json and everything with the suffix +json; parameters do not matter.
bool IsJsonType(absl::string_view content_type) {
  const std::string type = absl::AsciiStrToLower(
      absl::StripAsciiWhitespace(content_type.substr(0, content_type.find(';'))));
  return absl::EndsWith(type, "/json") || absl::EndsWith(type, "+json");
}

bool IsTextType(absl::string_view content_type) {
  return absl::StartsWithIgnoreCase(content_type, "text/");
}

// Whether JSON data can stand in a line as it is, and is the same when it is cut out again.
bool FitsLine(absl::string_view data) {
  return data.find_first_of("\r\n") == absl::string_view::npos && IsJsonValue(data);
}

// The members that say where an event is; they are no attributes.
constexpr absl::string_view kPartition = "hub_partition";
constexpr absl::string_view kOffset = "hub_offset";
constexpr absl::string_view kAppendTime = "hub_append_time";
constexpr absl::string_view kDeliveryAttempt = "hub_delivery_attempt";
constexpr absl::string_view kRedelivered = "hub_redelivered";
constexpr absl::string_view kReplayed = "hub_replayed";

bool IsPositionMember(absl::string_view name) {
  constexpr absl::string_view kMembers[] = {kPartition,       kOffset,      kAppendTime,
                                            kDeliveryAttempt, kRedelivered, kReplayed};
  return std::find(std::begin(kMembers), std::end(kMembers), name) != std::end(kMembers);
}

// The members but for the data.
Json HeaderJson(const v1::Event& event, const std::optional<Position>& position) {
  Json json = {{"specversion", "1.0"}};
  json["id"] = event.id();
  json["source"] = event.source();
  json["type"] = event.type();
  if (!event.subject().empty()) json["subject"] = event.subject();
  if (event.has_time()) json["time"] = FormatMoment(FromTimestamp(event.time()));
  if (!event.partition_key().empty()) json["partitionkey"] = event.partition_key();
  if (!event.data_schema().empty()) json["dataschema"] = event.data_schema();
  std::vector<std::pair<std::string, Json>> attributes;
  for (const auto& [name, value] : event.attributes()) {
    attributes.emplace_back(name, AttributeJson(value));
  }
  std::sort(attributes.begin(), attributes.end());
  for (auto& [name, value] : attributes) json[name] = std::move(value);
  if (position.has_value()) {
    json[std::string(kPartition)] = position->partition;
    json[std::string(kOffset)] = position->offset;
    json[std::string(kAppendTime)] = FormatMoment(position->append_time);
    if (position->attempt > 0) {
      json[std::string(kDeliveryAttempt)] = position->attempt;
      json[std::string(kRedelivered)] = position->redelivered;
      json[std::string(kReplayed)] = position->replayed;
    }
  }
  if (!event.data_content_type().empty()) json["datacontenttype"] = event.data_content_type();
  return json;
}

absl::Status BadMember(absl::string_view name, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("member '", name, "' ", problem));
}

// The functions below take values as they are written.

bool IsString(absl::string_view value) { return absl::StartsWith(value, "\""); }

absl::Status SetString(absl::string_view name, absl::string_view value, std::string* field) {
  std::optional<std::string> text = JsonText(value);
  if (!text) {
    return BadMember(name, IsString(value) ? "is not Unicode text" : "is not a string");
  }
  *field = *std::move(text);
  return absl::OkStatus();
}

absl::Status SetTime(absl::string_view name, absl::string_view value, v1::Event* event) {
  std::string text;
  RETURN_IF_ERROR(SetString(name, value, &text));
  const absl::StatusOr<absl::Time> time = ParseTimestamp(text);
  if (!time.ok()) return BadMember(name, absl::StrCat("is ", time.status().message()));
  *event->mutable_time() = ToTimestamp(*time);
  return absl::OkStatus();
}

absl::Status SetInteger(absl::string_view name, absl::string_view value,
                        v1::AttributeValue* attribute) {
  if (value.find_first_not_of("-0123456789") != absl::string_view::npos) {
    return BadMember(name, "is neither a string, nor a boolean, nor an integer");
  }
  int32_t integer = 0;
  if (!absl::SimpleAtoi(value, &integer)) return BadMember(name, "does not fit 32 bits");
  attribute->set_integer(integer);
  return absl::OkStatus();
}

absl::Status SetAttribute(const std::string& name, absl::string_view value, v1::Event* event) {
  if (!wire::IsAttributeName(name)) {
    return BadMember(name, "is not the name of an attribute: it is of a-z and 0-9 alone");
  }
  v1::AttributeValue attribute;
  if (value == "true" || value == "false") {
    attribute.set_boolean(value == "true");
  } else if (IsString(value)) {
    RETURN_IF_ERROR(SetString(name, value, attribute.mutable_string()));
  } else {
    RETURN_IF_ERROR(SetInteger(name, value, &attribute));
  }
  (*event->mutable_attributes())[name] = std::move(attribute);
  return absl::OkStatus();
}

absl::Status SetMember(const std::string& name, absl::string_view value, v1::Event* event) {
  if (name == "id") return SetString(name, value, event->mutable_id());
  if (name == "source") return SetString(name, value, event->mutable_source());
  if (name == "type") return SetString(name, value, event->mutable_type());
  if (name == "subject") return SetString(name, value, event->mutable_subject());
  if (name == "time") return SetTime(name, value, event);
  if (name == "partitionkey") return SetString(name, value, event->mutable_partition_key());
  if (name == "datacontenttype") return SetString(name, value, event->mutable_data_content_type());
  if (name == "dataschema") return SetString(name, value, event->mutable_data_schema());
  if (IsPositionMember(name)) return absl::OkStatus();
  if (name == "specversion") {
    return JsonText(value) == "1.0" ? absl::OkStatus() : BadMember(name, "is not \"1.0\"");
  }
  return SetAttribute(name, value, event);
}

absl::Status SetBase64(absl::string_view value, v1::Event* event) {
  const std::optional<std::string> text = JsonText(value);
  if (!text || !absl::Base64Unescape(*text, event->mutable_data())) {
    return BadMember("data_base64", "is not Base64");
  }
  return absl::OkStatus();
}

absl::Status SetData(absl::string_view value, v1::Event* event) {
  // The format implies JSON where it names no content type.
  if (event->data_content_type().empty()) event->set_data_content_type("application/json");
  if (IsString(value) && !IsJsonType(event->data_content_type())) {
    return SetString("data", value, event->mutable_data());
  }
  event->set_data(value.data(), value.size());
  return absl::OkStatus();
}

}  // namespace

Json AttributeJson(const v1::AttributeValue& value) {
  switch (value.value_case()) {
    case v1::AttributeValue::kBoolean:
      return value.boolean();
    case v1::AttributeValue::kInteger:
      return value.integer();
    case v1::AttributeValue::kString:
      return value.string();
    case v1::AttributeValue::kBinary:
      return absl::Base64Escape(value.binary());
    case v1::AttributeValue::kUri:
      return value.uri();
    case v1::AttributeValue::kUriRef:
      return value.uri_ref();
    case v1::AttributeValue::kTimestamp:
      return FormatMoment(FromTimestamp(value.timestamp()));
    case v1::AttributeValue::VALUE_NOT_SET:
      break;
  }
  return nullptr;
}

void AppendEventJson(const v1::Event& event, const std::optional<Position>& position,
                     std::string* line) {
  const std::string& data = event.data();
  const std::string& type = event.data_content_type();
  Json json = HeaderJson(event, position);
  if (data.empty()) {
    line->append(Dump(json));
    return;
  }
  if ((type.empty() || IsJsonType(type)) && FitsLine(data)) {
    line->append(Dump(json));
    line->pop_back();
    absl::StrAppend(line, ",\"data\":", data, "}");
    return;
  }
  if (IsTextType(type) && !IsJsonType(type) && wire::IsUtf8(data)) {
    json["data"] = data;
  } else {
    json["data_base64"] = absl::Base64Escape(data);
  }
  line->append(Dump(json));
}

absl::StatusOr<v1::Event> ParseEventJson(absl::string_view line) {
  ASSIGN_OR_RETURN(const std::vector<JsonMember> members, SliceJsonObject(line));
  v1::Event event;
  std::optional<absl::string_view> data;
  std::optional<absl::string_view> base64;
  std::set<absl::string_view> seen;
  for (const JsonMember& member : members) {
    if (!seen.insert(member.name).second) {
      return BadMember(member.name, "is there more than once");
    }
    if (member.name == "data") {
      data = member.value;
    } else if (member.name == "data_base64") {
      base64 = member.value;
    } else if (member.value != "null") {  // As if it was not there, by CloudEvents.
      RETURN_IF_ERROR(SetMember(member.name, member.value, &event));
    }
  }
  if (data && base64) return BadMember("data", "excludes 'data_base64'");
  if (data) RETURN_IF_ERROR(SetData(*data, &event));
  if (base64) RETURN_IF_ERROR(SetBase64(*base64, &event));
  return event;
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

}  // namespace eventhub::cli

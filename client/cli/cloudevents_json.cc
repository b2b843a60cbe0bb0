#include "client/cli/cloudevents_json.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/units.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

// Invalid UTF-8 cannot come from the hub, which refuses it; it must not stop a reader either.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The library writes values out by recursion.
constexpr int kMaxNesting = 1000;

// Of valid JSON.
bool NestsTooDeep(absl::string_view json) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxNesting) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
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

// Whether it can stand in a line of JSON as it is. The library takes a NUL for the end of its
// input, and passes over a byte order mark.
bool IsJson(absl::string_view text) {
  return !absl::StrContains(text, '\0') && !absl::StartsWith(text, "\xEF\xBB\xBF") &&
         Json::accept(text);
}

bool IsUtf8(absl::string_view text) {
  try {
    Json(text).dump();
    return true;
  } catch (const Json::exception&) {  // The library has no other way to ask.
    return false;
  }
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
    json["partition"] = position->partition;
    json["offset"] = position->offset;
    json["appendtime"] = FormatMoment(position->append_time);
    if (position->attempt > 0) json["deliveryattempt"] = position->attempt;
  }
  if (!event.data_content_type().empty()) json["datacontenttype"] = event.data_content_type();
  return json;
}

absl::Status BadMember(absl::string_view name, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("member '", name, "' ", problem));
}

absl::Status SetString(const std::string& name, const Json& value, std::string* field) {
  if (!value.is_string()) return BadMember(name, "is not a string");
  *field = value.get<std::string>();
  return absl::OkStatus();
}

absl::Status SetTime(const std::string& name, const Json& value, v1::Event* event) {
  std::string text;
  RETURN_IF_ERROR(SetString(name, value, &text));
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return BadMember(name, "is not an RFC 3339 timestamp");
  }
  *event->mutable_time() = ToTimestamp(time);
  return absl::OkStatus();
}

// Large unsigned numbers do not fit the library's signed ones, nor its comparisons.
bool FitsInt32(const Json& number) {
  constexpr std::numeric_limits<int32_t> kLimits;
  if (number.is_number_unsigned()) return number.get<uint64_t>() <= uint64_t{kLimits.max()};
  return number.get<int64_t>() >= kLimits.min();
}

absl::Status SetAttribute(const std::string& name, const Json& value, v1::Event* event) {
  v1::AttributeValue attribute;
  if (value.is_string()) {
    attribute.set_string(value.get<std::string>());
  } else if (value.is_boolean()) {
    attribute.set_boolean(value.get<bool>());
  } else if (value.is_number_integer()) {
    if (!FitsInt32(value)) return BadMember(name, "does not fit 32 bits");
    attribute.set_integer(value.get<int32_t>());
  } else {
    return BadMember(name, "is neither a string, nor a boolean, nor an integer");
  }
  (*event->mutable_attributes())[name] = std::move(attribute);
  return absl::OkStatus();
}

absl::Status SetMember(const std::string& name, const Json& value, v1::Event* event) {
  if (name == "id") return SetString(name, value, event->mutable_id());
  if (name == "source") return SetString(name, value, event->mutable_source());
  if (name == "type") return SetString(name, value, event->mutable_type());
  if (name == "subject") return SetString(name, value, event->mutable_subject());
  if (name == "time") return SetTime(name, value, event);
  if (name == "partitionkey") return SetString(name, value, event->mutable_partition_key());
  if (name == "datacontenttype") return SetString(name, value, event->mutable_data_content_type());
  if (name == "dataschema") return SetString(name, value, event->mutable_data_schema());
  if (name == "partition" || name == "offset" || name == "appendtime" ||
      name == "deliveryattempt") {
    return absl::OkStatus();
  }
  if (name == "specversion") {
    return value == "1.0" ? absl::OkStatus() : BadMember(name, "is not \"1.0\"");
  }
  return SetAttribute(name, value, event);
}

absl::Status SetData(const Json& json, v1::Event* event) {
  const auto data = json.find("data");
  const auto base64 = json.find("data_base64");
  if (base64 != json.end()) {
    if (data != json.end()) return BadMember("data", "excludes 'data_base64'");
    std::string bytes;
    if (!base64->is_string() || !absl::Base64Unescape(base64->get<std::string>(), &bytes)) {
      return BadMember("data_base64", "is not Base64");
    }
    event->set_data(std::move(bytes));
  } else if (data != json.end()) {
    // The format implies JSON where it names no content type.
    if (event->data_content_type().empty()) event->set_data_content_type("application/json");
    const bool text = data->is_string() && !IsJsonType(event->data_content_type());
    event->set_data(text ? data->get<std::string>() : Dump(*data));
  }
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
  if ((type.empty() || IsJsonType(type)) && IsJson(data)) {
    line->append(Dump(json));
    line->pop_back();
    line->append(",\"data\":");
    const size_t begin = line->size();
    line->append(data);
    // Within JSON strings these are escaped, so here they are white space between tokens.
    std::replace_if(
        line->begin() + static_cast<std::ptrdiff_t>(begin), line->end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
    line->push_back('}');
    return;
  }
  if (IsTextType(type) && !IsJsonType(type) && IsUtf8(data)) {
    json["data"] = data;
  } else {
    json["data_base64"] = absl::Base64Escape(data);
  }
  line->append(Dump(json));
}

absl::StatusOr<v1::Event> ParseEventJson(absl::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  // The library would take a NUL for the end of the line.
  if (json.is_discarded() || absl::StrContains(line, '\0')) {
    return absl::InvalidArgumentError("not valid JSON");
  }
  if (NestsTooDeep(line)) return absl::InvalidArgumentError("nests more than 1,000 levels deep");
  if (!json.is_object()) return absl::InvalidArgumentError("not a JSON object");
  v1::Event event;
  for (const auto& [name, value] : json.items()) {
    // CloudEvents allows null for an attribute that is not set.
    if (name == "data" || name == "data_base64" || value.is_null()) continue;
    RETURN_IF_ERROR(SetMember(name, value, &event));
  }
  RETURN_IF_ERROR(SetData(json, &event));
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

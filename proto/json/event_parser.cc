// ParseEvent: an event from its JSON form.
#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/json/event_json.h"
#include "proto/json/event_writer.h"
#include "proto/json/json_slice.h"
#include "proto/json/timestamp.h"
#include "proto/wire/event_rules.h"

namespace eventhub::json {
namespace {

// All functions below take values as they are written.

absl::Status BadMember(absl::string_view name, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("member '", name, "' ", problem));
}

bool IsString(absl::string_view value) { return absl::StartsWith(value, "\""); }

bool IsPositionMember(absl::string_view name) {
  constexpr absl::string_view kMembers[] = {kPartition,       kOffset,      kAppendTime,
                                            kDeliveryAttempt, kRedelivered, kReplayed};
  return std::find(std::begin(kMembers), std::end(kMembers), name) != std::end(kMembers);
}

absl::Status SetString(absl::string_view name, absl::string_view value, std::string* field) {
  std::optional<std::string> text = JsonText(value);
  if (!text) return BadMember(name, IsString(value) ? "is not Unicode text" : "is not a string");
  *field = *std::move(text);
  return absl::OkStatus();
}

absl::Status SetTimestamp(absl::string_view name, absl::string_view text,
                          google::protobuf::Timestamp* field) {
  const absl::StatusOr<absl::Time> time = ParseTimestamp(text);
  if (!time.ok()) return BadMember(name, absl::StrCat("is ", time.status().message()));
  *field = ToTimestamp(*time);
  return absl::OkStatus();
}

absl::Status SetTime(absl::string_view name, absl::string_view value, v1::Event* event) {
  std::string text;
  if (absl::Status status = SetString(name, value, &text); !status.ok()) return status;
  return SetTimestamp(name, text, event->mutable_time());
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
  v1::AttributeValue attribute;
  absl::Status status;
  if (value == "true" || value == "false") {
    attribute.set_boolean(value == "true");
  } else if (IsString(value)) {
    status = SetString(name, value, attribute.mutable_string());
  } else {
    status = SetInteger(name, value, &attribute);
  }
  if (status.ok()) (*event->mutable_attributes())[name] = std::move(attribute);
  return status;
}

// Gives an attribute, which was read as a string, its type.
absl::Status SetType(const std::string& name, absl::string_view type, v1::Event* event) {
  const auto found = event->mutable_attributes()->find(name);
  if (found == event->mutable_attributes()->end() ||
      found->second.value_case() != v1::AttributeValue::kString) {
    return BadMember(kTypes, absl::StrCat("names '", name, "', which is not a string here"));
  }
  v1::AttributeValue& attribute = found->second;
  std::string text = std::move(*attribute.mutable_string());
  if (type == TypeName(v1::AttributeValue::kUri)) {
    attribute.set_uri(std::move(text));
  } else if (type == TypeName(v1::AttributeValue::kUriRef)) {
    attribute.set_uri_ref(std::move(text));
  } else if (type == TypeName(v1::AttributeValue::kTimestamp)) {
    return SetTimestamp(name, text, attribute.mutable_timestamp());
  } else if (type != TypeName(v1::AttributeValue::kBinary)) {
    return BadMember(kTypes, absl::StrCat("has an unknown type: '", type, "'"));
  } else if (!absl::Base64Unescape(text, attribute.mutable_binary())) {
    return BadMember(name, "is not Base64");
  }
  return absl::OkStatus();
}

absl::Status SetBase64(absl::string_view value, v1::Event* event) {
  const std::optional<std::string> text = JsonText(value);
  if (!text || !absl::Base64Unescape(*text, event->mutable_data())) {
    return BadMember("data_base64", "is not Base64");
  }
  return absl::OkStatus();
}

absl::Status SetData(absl::string_view value, bool untyped, v1::Event* event) {
  // The format implies JSON where it names no content type.
  const bool implied = event->data_content_type().empty();
  if (implied && !untyped) event->set_data_content_type("application/json");
  if (IsString(value) && !implied && !IsJsonType(event->data_content_type())) {
    return SetString("data", value, event->mutable_data());
  }
  event->set_data(value.data(), value.size());
  return absl::OkStatus();
}

// Collects the members of one event, whose order means nothing.
class EventParser {
 public:
  absl::StatusOr<v1::Event> Parse(absl::string_view line) {
    absl::StatusOr<std::vector<JsonMember>> members = SliceJsonObject(line);
    if (!members.ok()) return members.status();
    if (absl::Status status = CheckNames(*members); !status.ok()) return status;
    for (const JsonMember& member : *members) {
      if (absl::Status status = Take(member); !status.ok()) return status;
    }
    if (absl::Status status = Finish(); !status.ok()) return status;
    return std::move(event_);
  }

 private:
  static absl::Status CheckNames(const std::vector<JsonMember>& members) {
    std::vector<absl::string_view> names;
    names.reserve(members.size());
    for (const JsonMember& member : members) names.push_back(member.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice == names.end()) return absl::OkStatus();
    return BadMember(*twice, "is given more than once");
  }

  absl::Status Take(const JsonMember& member) {
    const std::string& name = member.name;
    const absl::string_view value = member.value;
    if (name == "data") {
      data_ = value;
      return absl::OkStatus();
    }
    if (value == "null") return absl::OkStatus();  // As if it was absent, by CloudEvents.
    if (name == "data_base64") {
      base64_ = value;
    } else if (name == kTypes) {
      types_ = value;
    } else if (name == kAttributes) {
      attributes_ = value;
    } else if (name == kMessage) {
      message_ = value;
    } else if (name == kUntyped) {
      untyped_ = value == "true";
    } else if (!IsPositionMember(name)) {
      return SetMember(name, value);
    }
    return absl::OkStatus();
  }

  absl::Status SetMember(const std::string& name, absl::string_view value) {
    const auto set = [&](std::string* field) { return SetString(name, value, field); };
    if (name == "id") return set(event_.mutable_id());
    if (name == "source") return set(event_.mutable_source());
    if (name == "type") return set(event_.mutable_type());
    if (name == "subject") return set(event_.mutable_subject());
    if (name == "time") return SetTime(name, value, &event_);
    if (name == "partitionkey") return set(event_.mutable_partition_key());
    if (name == "datacontenttype") return set(event_.mutable_data_content_type());
    if (name == "dataschema") return set(event_.mutable_data_schema());
    if (name == kSpecVersion) {
      return JsonText(value) == "1.0" ? absl::OkStatus() : BadMember(name, "is not \"1.0\"");
    }
    if (!wire::IsAttributeName(name)) {
      return BadMember(name, "is not a valid attribute name: only a-z and 0-9 are allowed");
    }
    return SetAttribute(name, value, &event_);
  }

  absl::Status Finish() {
    if (!message_.empty()) return TakeMessage();
    if (data_ && base64_) return BadMember("data", "excludes 'data_base64'");
    absl::Status status = ForEachMember(
        kAttributes, attributes_, [this](const std::string& name, absl::string_view value) {
          if (value == "null") return absl::OkStatus();
          if (event_.attributes().contains(name)) {
            return BadMember(kAttributes, absl::StrCat("has '", name, "' twice"));
          }
          return SetAttribute(name, value, &event_);
        });
    status.Update(
        ForEachMember(kTypes, types_, [this](const std::string& name, absl::string_view value) {
          return SetType(name, JsonText(value).value_or(""), &event_);
        }));
    if (data_ && status.ok()) status = SetData(*data_, untyped_, &event_);
    if (base64_ && status.ok()) status = SetBase64(*base64_, &event_);
    return status;
  }

  absl::Status TakeMessage() {
    const std::optional<std::string> text = JsonText(message_);
    std::string encoded;
    if (!text || !absl::Base64Unescape(*text, &encoded))
      return BadMember(kMessage, "is not Base64");
    if (!event_.ParseFromString(encoded)) return BadMember(kMessage, "is not an encoded event");
    return absl::OkStatus();
  }

  // Calls `set` with each member of the object `value`, if there is one.
  template <typename Set>
  static absl::Status ForEachMember(absl::string_view name, absl::string_view value,
                                    const Set& set) {
    if (value.empty()) return absl::OkStatus();
    const absl::StatusOr<std::vector<JsonMember>> members = SliceJsonObject(value);
    if (!members.ok()) return BadMember(name, "is not a JSON object");
    for (const JsonMember& member : *members) {
      if (absl::Status status = set(member.name, member.value); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  v1::Event event_;
  std::optional<absl::string_view> data_;
  std::optional<absl::string_view> base64_;
  absl::string_view types_;
  absl::string_view attributes_;
  absl::string_view message_;
  bool untyped_ = false;
};

}  // namespace

absl::StatusOr<v1::Event> ParseEvent(absl::string_view line) { return EventParser().Parse(line); }

}  // namespace eventhub::json

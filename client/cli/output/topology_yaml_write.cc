// Implements WriteTopology.
#include <yaml-cpp/yaml.h>

#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/input/filter_json.h"
#include "client/cli/input/topology_fields.h"
#include "client/cli/input/topology_yaml.h"
#include "client/cli/input/units.h"
#include "proto/json/timestamp.h"

namespace eventhub::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Whether a YAML parser, this one or another, may read the text as another type.
bool IsAmbiguousScalar(const std::string& text) {
  static constexpr std::array<absl::string_view, 9> kWords = {"true", "false", "yes", "no", "on",
                                                              "off",  "null",  "y",   "n"};
  const std::string lower = absl::AsciiStrToLower(text);
  double number = 0;
  return std::find(kWords.begin(), kWords.end(), lower) != kWords.end() ||
         absl::SimpleAtod(text, &number);
}

void WriteText(const std::string& text, YAML::Emitter& out) {
  if (IsAmbiguousScalar(text)) out << YAML::DoubleQuoted;
  out << text;
}

void WriteJson(const nlohmann::json& json, YAML::Emitter& out) {
  if (json.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, value] : json.items()) {
      out << YAML::Key << key << YAML::Value;
      WriteJson(value, out);
    }
    out << YAML::EndMap;
  } else if (json.is_array()) {
    out << YAML::BeginSeq;
    for (const auto& item : json) WriteJson(item, out);
    out << YAML::EndSeq;
  } else {
    WriteText(json.get<std::string>(), out);  // Filters contain only strings.
  }
}

void WriteFilter(const v1::Filter& filter, YAML::Emitter& out) {
  // Only an invalid expression begins like JSON, and would be read back as JSON.
  if (filter.has_sql()) {
    WriteText(filter.sql(), out);
  } else {
    WriteJson(nlohmann::json::parse(FilterJson(filter)), out);
  }
}

void WriteMessage(const Message& message, YAML::Emitter& out);

void WriteAttribute(const v1::AttributeValue& value, YAML::Emitter& out) {
  if (value.has_boolean()) {
    out << value.boolean();
  } else if (value.has_integer()) {
    out << value.integer();
  } else if (value.has_string()) {
    out << YAML::DoubleQuoted << value.string();
  } else {
    WriteMessage(value, out);
  }
}

void WriteAttributes(const Message& message, const FieldDescriptor& field, YAML::Emitter& out) {
  std::map<std::string, const v1::AttributeValue*> sorted;
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    sorted[entry.GetReflection()->GetString(entry, entry.GetDescriptor()->map_key())] =
        &static_cast<const v1::AttributeValue&>(
            entry.GetReflection()->GetMessage(entry, entry.GetDescriptor()->map_value()));
  }
  out << YAML::BeginMap;
  for (const auto& [name, value] : sorted) {
    out << YAML::Key << name << YAML::Value;
    WriteAttribute(*value, out);
  }
  out << YAML::EndMap;
}

void WriteMessageValue(const Message& value, YAML::Emitter& out) {
  const std::string& type = value.GetDescriptor()->full_name();
  if (type == "eventhub.v1.Filter") {
    WriteFilter(static_cast<const v1::Filter&>(value), out);
  } else if (type == "eventhub.v1.StartPosition") {
    out << StartWord(static_cast<const v1::StartPosition&>(value));
  } else if (type == "google.protobuf.Duration") {
    const auto& duration = static_cast<const google::protobuf::Duration&>(value);
    out << FormatExactAge(absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos()));
  } else if (type == "google.protobuf.Timestamp") {
    out << FormatMoment(
        json::FromTimestamp(static_cast<const google::protobuf::Timestamp&>(value)));
  } else {
    WriteMessage(value, out);
  }
}

void WriteNumber(uint64_t number, const FieldDescriptor& field, YAML::Emitter& out) {
  if (IsSize(field)) {
    out << FormatExactBytes(number);
  } else {
    out << number;
  }
}

void WriteValue(const Message& message, const FieldDescriptor& field, YAML::Emitter& out) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      out << reflection.GetBool(message, &field);
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      WriteNumber(reflection.GetUInt32(message, &field), field, out);
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      WriteNumber(reflection.GetUInt64(message, &field), field, out);
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      out << reflection.GetInt32(message, &field);
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      out << reflection.GetInt64(message, &field);
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      out << EnumWord(*reflection.GetEnum(message, &field));
      break;
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = reflection.GetString(message, &field);
      const bool bytes = field.type() == FieldDescriptor::TYPE_BYTES;
      WriteText(bytes ? absl::Base64Escape(text) : text, out);
      break;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      WriteMessageValue(reflection.GetMessage(message, &field), out);
      break;
    default:
      out << YAML::Null;  // The contract has no other types.
  }
}

void WriteMessage(const Message& message, YAML::Emitter& out) {
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  out << YAML::BeginMap;
  for (const FieldDescriptor* field : fields) {
    if (IsSetByHub(*field)) continue;
    out << YAML::Key << field->name() << YAML::Value;
    if (field->is_map()) {
      WriteAttributes(message, *field, out);
    } else if (!field->is_repeated()) {
      WriteValue(message, *field, out);
    } else {
      const bool texts = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
      if (texts) out << YAML::Flow;
      out << YAML::BeginSeq;
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        if (texts) {
          WriteText(reflection.GetRepeatedString(message, field, i), out);
        } else {
          WriteMessageValue(reflection.GetRepeatedMessage(message, field, i), out);
        }
      }
      out << YAML::EndSeq;
    }
  }
  out << YAML::EndMap;
}

}  // namespace

std::string WriteTopology(const v1::Topology& topology) {
  if (topology.ByteSizeLong() == 0) return "";
  YAML::Emitter out;
  WriteMessage(topology, out);
  return absl::StrCat(out.c_str(), "\n");
}

}  // namespace eventhub::cli

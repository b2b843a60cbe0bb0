// Implements TopologyReader. Reads by reflection, so that new fields of the contract are known at
// once.
#include "client/cli/input/topology_yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/cli/input/filter_json.h"
#include "client/cli/input/places.h"
#include "client/cli/input/topology_fields.h"
#include "client/cli/input/units.h"
#include "proto/json/timestamp.h"
#include "proto/wire/utf8.h"
#include "server/filter/filter.h"
#include "storage/base/nearest_word.h"

namespace eventhub::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// More than any valid filter. Bounds the recursion, because aliases may form a cycle.
constexpr int kMaxYamlDepth = 100;

bool IsPlain(const YAML::Node& node) { return node.IsScalar() && node.Tag() != "!"; }

std::string TypeName(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a sequence";
  if (node.IsNull()) return "null";
  return absl::StrCat("'", node.Scalar(), "'");
}

// Converts a scalar to JSON: a plain `true` or `false` becomes a boolean, everything else text.
nlohmann::json ScalarJson(const YAML::Node& node) {
  if (IsPlain(node)) {
    if (node.Scalar() == "true") return true;
    if (node.Scalar() == "false") return false;
  }
  return node.Scalar();
}

nlohmann::json ToJson(const YAML::Node& node, int depth) {
  if (depth > kMaxYamlDepth || node.IsNull()) return nullptr;
  if (node.IsMap()) {
    nlohmann::json json = nlohmann::json::object();
    for (const auto& entry : node) {
      json[entry.first.IsScalar() ? entry.first.Scalar() : ""] = ToJson(entry.second, depth + 1);
    }
    return json;
  }
  if (!node.IsSequence()) return ScalarJson(node);
  nlohmann::json json = nlohmann::json::array();
  for (const auto& item : node) json.push_back(ToJson(item, depth + 1));
  return json;
}

// Returns the node of a fault in a filter; `place` is like `filter.all[0].exact`.
YAML::Node NodeAt(YAML::Node node, absl::string_view place) {
  place.remove_prefix(std::min(place.find_first_of(".["), place.size()));
  while (!place.empty()) {
    const bool index = place.front() == '[';
    place.remove_prefix(1);
    const size_t end = std::min(place.find_first_of(".[]"), place.size());
    const std::string step(place.substr(0, end));
    place.remove_prefix(index ? std::min(end + 1, place.size()) : end);
    size_t number = 0;
    YAML::Node next;
    if (index && node.IsSequence() && absl::SimpleAtoi(step, &number) && number < node.size()) {
      next.reset(node[number]);
    } else if (!index && node.IsMap() && node[step].IsDefined()) {
      next.reset(node[step]);
    } else {
      break;
    }
    node.reset(next);
  }
  return node;
}

// Reads one document of a file into messages.
class DocumentReader {
 public:
  DocumentReader(const std::string& file, std::vector<std::string>& faults, Places& places)
      : file_(file), faults_(faults), places_(places) {}

  void ReadMessage(const YAML::Node& node, Message& message) {
    if (!node.IsMap()) return Fault(node, absl::StrCat(TypeName(node), " is not a mapping"));
    const Descriptor& type = *message.GetDescriptor();
    std::set<const FieldDescriptor*> seen;
    for (const auto& entry : node) {
      const FieldDescriptor* field =
          entry.first.IsScalar() ? type.FindFieldByName(entry.first.Scalar()) : nullptr;
      if (field == nullptr) {
        UnknownKey(entry.first, type);
      } else if (!seen.insert(field).second) {
        Fault(entry.first, absl::StrCat("'", field->name(), "' is given more than once"));
      } else if (IsSetByHub(*field)) {
        Fault(entry.first, absl::StrCat("'", field->name(), "' is set by the hub"));
      } else if (IsOneofTaken(message, *field)) {
        Fault(entry.first,
              absl::StrCat("'", field->name(), "' excludes '",
                           message.GetReflection()
                               ->GetOneofFieldDescriptor(message, field->containing_oneof())
                               ->name(),
                           "'"));
      } else {
        ReadField(entry.second, *field, message);
      }
    }
  }

 private:
  std::string Place(const YAML::Mark& mark) const {
    return absl::StrCat(file_, ":", mark.line + 1, ":", mark.column + 1);
  }

  void Fault(const YAML::Node& node, absl::string_view what) {
    faults_.push_back(absl::StrCat(Place(node.Mark()), ": ", what));
  }

  static bool IsOneofTaken(const Message& message, const FieldDescriptor& field) {
    return field.real_containing_oneof() != nullptr &&
           message.GetReflection()->HasOneof(message, field.containing_oneof());
  }

  void UnknownKey(const YAML::Node& key, const Descriptor& type) {
    if (!key.IsScalar()) return Fault(key, absl::StrCat(TypeName(key), " is not a key"));
    std::vector<std::string> known;
    for (int i = 0; i < type.field_count(); ++i) {
      if (!IsSetByHub(*type.field(i))) known.push_back(type.field(i)->name());
    }
    const std::string nearest = NearestWord(key.Scalar(), known);
    Fault(key,
          absl::StrCat("unknown key '", key.Scalar(), "'; ",
                       nearest.empty() ? absl::StrCat("the keys are ", absl::StrJoin(known, ", "))
                                       : absl::StrCat("did you mean '", nearest, "'?")));
  }

  void ReadField(const YAML::Node& node, const FieldDescriptor& field, Message& message) {
    if (field.is_map()) return ReadMap(node, field, message);
    if (!field.is_repeated()) return ReadValue(node, field, message);
    if (node.IsNull()) return;  // All items are commented out.
    if (!node.IsSequence()) {
      return Fault(
          node, absl::StrCat("'", field.name(), "' is ", TypeName(node), ", and not a sequence"));
    }
    for (const auto& item : node) ReadValue(item, field, message);
  }

  // Reads `set_attributes`, the only map: names and attribute values.
  void ReadMap(const YAML::Node& node, const FieldDescriptor& field, Message& message) {
    if (!node.IsMap()) {
      return Fault(node,
                   absl::StrCat("'", field.name(), "' is ", TypeName(node), ", and not a mapping"));
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        Fault(entry.first, absl::StrCat(TypeName(entry.first), " is not a name"));
        continue;
      }
      if (!seen.insert(entry.first.Scalar()).second) {
        Fault(entry.first, absl::StrCat("'", entry.first.Scalar(), "' is given more than once"));
        continue;
      }
      Message& item = *message.GetReflection()->AddMessage(&message, &field);
      item.GetReflection()->SetString(&item, item.GetDescriptor()->map_key(), entry.first.Scalar());
      Message& value =
          *item.GetReflection()->MutableMessage(&item, item.GetDescriptor()->map_value());
      ReadAttribute(entry.second, static_cast<v1::AttributeValue&>(value));
    }
  }

  void ReadAttribute(const YAML::Node& node, v1::AttributeValue& value) {
    int32_t integer = 0;
    if (!node.IsScalar()) {
      ReadMessage(node, value);
    } else if (IsPlain(node) && (node.Scalar() == "true" || node.Scalar() == "false")) {
      value.set_boolean(node.Scalar() == "true");
    } else if (IsPlain(node) && absl::SimpleAtoi(node.Scalar(), &integer) &&
               absl::StrCat(integer) == node.Scalar()) {  // `007` is text.
      value.set_integer(integer);
    } else {
      value.set_string(node.Scalar());
    }
  }

  void ReadValue(const YAML::Node& node, const FieldDescriptor& field, Message& message) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const auto& reflection = *message.GetReflection();
      Message& value = field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                           : *reflection.MutableMessage(&message, &field);
      ReadMessageValue(node, field, value);
    } else if (!node.IsScalar()) {
      Fault(node, absl::StrCat("'", field.name(), "' is ", TypeName(node), ", and not ",
                               ExpectedType(field)));
    } else {
      Check(node, field, SetScalar(node, field, message));
    }
  }

  void Check(const YAML::Node& node, const FieldDescriptor& field, const absl::Status& status) {
    if (!status.ok()) Fault(node, absl::StrCat("'", field.name(), "': ", status.message()));
  }

  void ReadMessageValue(const YAML::Node& node, const FieldDescriptor& field, Message& value) {
    const std::string& type = field.message_type()->full_name();
    if (type == "eventhub.v1.Filter") return ReadFilter(node, static_cast<v1::Filter&>(value));
    if (type == "google.protobuf.Duration" || type == "google.protobuf.Timestamp") {
      if (!node.IsScalar()) {
        return Fault(node, absl::StrCat("'", field.name(), "' is ", TypeName(node), ", and not ",
                                        ExpectedType(field)));
      }
      return Check(node, field, SetTimeValue(node.Scalar(), value));
    }
    if (type == "eventhub.v1.StartPosition" && node.IsScalar()) {
      return Check(node, field, SetStart(node.Scalar(), static_cast<v1::StartPosition&>(value)));
    }
    ReadMessage(node, value);
    if (field.is_repeated() && node.IsMap()) CheckName(node, field, value);
  }

  // Reports an object without a name, or with the name of an earlier one.
  void CheckName(const YAML::Node& node, const FieldDescriptor& field, const Message& object) {
    const FieldDescriptor* name_field = object.GetDescriptor()->FindFieldByName("name");
    if (name_field == nullptr) return;
    const std::string name = object.GetReflection()->GetString(object, name_field);
    if (name.empty()) return Fault(node, "'name' is missing");
    const auto [place, added] =
        places_.emplace(std::vector<std::string>{field.name(), name, ""}, Place(node.Mark()));
    if (added) return NotePlaces(node, field.name(), name, "");
    Fault(node,
          absl::StrCat("'", name, "' of ", field.name(), " is already defined: ", place->second));
  }

  // Records the places of the fields, which have been checked against the contract.
  void NotePlaces(const YAML::Node& node, const std::string& list, const std::string& name,
                  const std::string& path) {
    for (const auto& entry : node) {
      const std::string& key = entry.first.Scalar();
      const std::string field = path.empty() ? key : absl::StrCat(path, ".", key);
      places_[{list, name, field}] = Place(entry.second.Mark());
      // No setting is nested deeper, and aliases may form a cycle.
      if (path.empty() && entry.second.IsMap()) NotePlaces(entry.second, list, name, field);
    }
  }

  void ReadFilter(const YAML::Node& node, v1::Filter& filter) {
    absl::StatusOr<v1::Filter> parsed =
        node.IsScalar() ? ParseFilter(node.Scalar()) : ParseFilterJson(ToJson(node, 0).dump());
    absl::Status status = parsed.status();
    if (status.ok()) status = CompileFilter(*parsed).status();
    if (status.ok()) {
      filter = *std::move(parsed);
      return;
    }
    // Translate the hub's field names to those of the file.
    const std::string message =
        absl::StrReplaceAll(status.message(), {{".filters[", "["}, {".negation", ".not"}});
    Fault(NodeAt(node, absl::string_view(message).substr(0, message.find(':'))), message);
  }

  static absl::Status SetStart(const std::string& text, v1::StartPosition& start) {
    const auto place = ParseStart(text, absl::InfinitePast());
    // A duration back from now would mean a different position at each run.
    if (!place.ok() || place->timestamp == absl::InfinitePast()) {
      if (!place.ok() || place->kind == client::StartPosition::Kind::kTimestamp) {
        return absl::InvalidArgumentError(
            absl::StrCat("'", text,
                         "' is not earliest, retained, latest, an offset, or a time like "
                         "2026-01-31T12:00:00Z"));
      }
    }
    switch (place->kind) {
      case client::StartPosition::Kind::kEarliest:
        start.set_earliest(true);
        break;
      case client::StartPosition::Kind::kLatest:
        start.set_latest(true);
        break;
      case client::StartPosition::Kind::kOffset:
        start.set_offset(place->offset);
        break;
      case client::StartPosition::Kind::kTimestamp:
        *start.mutable_timestamp() = json::ToTimestamp(place->timestamp);
        break;
      case client::StartPosition::Kind::kRetained:
        start.set_retained(true);
        break;
    }
    return absl::OkStatus();
  }

  static absl::Status SetTimeValue(const std::string& text, Message& value) {
    if (value.GetDescriptor()->full_name() == "google.protobuf.Timestamp") {
      const auto time = ParseMoment(text, absl::InfinitePast());
      if (!time.ok() || *time == absl::InfinitePast()) {
        return absl::InvalidArgumentError(
            absl::StrCat("'", text, "' is not a time; write it like 2026-01-31T12:00:00Z"));
      }
      static_cast<google::protobuf::Timestamp&>(value) = json::ToTimestamp(*time);
      return absl::OkStatus();
    }
    const auto duration = ParseDelay(text);
    if (!duration.ok()) return duration.status();
    auto& proto = static_cast<google::protobuf::Duration&>(value);
    proto.set_seconds(absl::ToInt64Seconds(*duration));
    proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(*duration % absl::Seconds(1))));
    return absl::OkStatus();
  }

  static absl::StatusOr<uint64_t> ParseNumber(const std::string& text, const FieldDescriptor& field,
                                              uint64_t max) {
    if (!IsSize(field)) return ParseCount(text, 0, max);
    const auto bytes = ParseBytes(text);
    if (bytes.ok() && *bytes > max) {
      return absl::InvalidArgumentError(absl::StrCat("'", text, "' is too large"));
    }
    return bytes;
  }

  static absl::Status SetScalar(const YAML::Node& node, const FieldDescriptor& field,
                                Message& message) {
    const std::string& text = node.Scalar();
    const auto& reflection = *message.GetReflection();
    const auto number = [&](uint64_t max) { return ParseNumber(text, field, max); };
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!IsPlain(node) || (text != "true" && text != "false")) {
          return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not true or false"));
        }
        reflection.SetBool(&message, &field, text == "true");
        return absl::OkStatus();
      case FieldDescriptor::CPPTYPE_UINT32: {
        const auto value = number(std::numeric_limits<uint32_t>::max());
        if (value.ok()) reflection.SetUInt32(&message, &field, static_cast<uint32_t>(*value));
        return value.status();
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        const auto value = number(std::numeric_limits<uint64_t>::max());
        if (value.ok()) reflection.SetUInt64(&message, &field, *value);
        return value.status();
      }
      case FieldDescriptor::CPPTYPE_INT32: {
        int32_t value = 0;
        if (!absl::SimpleAtoi(text, &value)) break;
        reflection.SetInt32(&message, &field, value);
        return absl::OkStatus();
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        int64_t value = 0;
        if (!absl::SimpleAtoi(text, &value)) break;
        reflection.SetInt64(&message, &field, value);
        return absl::OkStatus();
      }
      case FieldDescriptor::CPPTYPE_ENUM:
        return SetEnum(text, field, message);
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string value = text;
        if (field.type() == FieldDescriptor::TYPE_BYTES && !absl::Base64Unescape(text, &value)) {
          return absl::InvalidArgumentError("is not Base64");
        }
        if (field.is_repeated()) {
          reflection.AddString(&message, &field, value);
        } else {
          reflection.SetString(&message, &field, value);
        }
        return absl::OkStatus();
      }
      default:
        break;
    }
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not ", ExpectedType(field)));
  }

  static absl::Status SetEnum(const std::string& text, const FieldDescriptor& field,
                              Message& message) {
    std::vector<std::string> words;
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      const auto& value = *field.enum_type()->value(i);
      if (value.number() == 0) continue;
      words.push_back(EnumWord(value));
      if (text == words.back() || text == value.name()) {
        message.GetReflection()->SetEnum(&message, &field, &value);
        return absl::OkStatus();
      }
    }
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is not one of: ", absl::StrJoin(words, ", ")));
  }

  const std::string& file_;
  std::vector<std::string>& faults_;
  Places& places_;
};

// Returns the position after `text`, which is UTF-8, as `:LINE:COLUMN`. Columns count characters.
std::string EndOf(absl::string_view text) {
  const auto line = std::count(text.begin(), text.end(), '\n') + 1;
  const absl::string_view last = text.substr(text.rfind('\n') + 1);
  const auto characters =
      std::count_if(last.begin(), last.end(), [](char c) { return (c & 0xC0) != 0x80; });
  return absl::StrCat(":", line, ":", characters + 1);
}

}  // namespace

std::string TopologyReader::PlaceOf(const std::string& list, const std::string& name,
                                    std::string path) const {
  for (;;) {
    const auto place = places_.find({list, name, path});
    if (place != places_.end()) return place->second;
    if (path.empty()) return "";
    const size_t end = path.find_last_of(".[");
    path.resize(end == std::string::npos ? 0 : end);
  }
}

void TopologyReader::Read(const std::string& name, const std::string& text) {
  // The YAML library does not check this. Later checks do, but cannot name the place.
  const absl::string_view valid = absl::string_view(text).substr(0, wire::Utf8Prefix(text));
  if (valid.size() < text.size()) {
    faults_.push_back(absl::StrCat(name, EndOf(valid), ": is not UTF-8"));
    return;
  }
  // The library reports errors by exceptions.
  try {
    for (const YAML::Node& document : YAML::LoadAll(text)) {
      if (document.IsNull()) continue;
      DocumentReader(name, faults_, places_).ReadMessage(document, topology_);
    }
  } catch (const YAML::Exception& error) {
    faults_.push_back(absl::StrCat(name, ":", error.mark.line + 1, ":", error.mark.column + 1,
                                   ": is not YAML: ", error.msg));
  }
}

}  // namespace eventhub::cli

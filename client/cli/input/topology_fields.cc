#include "client/cli/input/topology_fields.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/input/units.h"
#include "eventhub/v1/topology.pb.h"
#include "proto/json/timestamp.h"

namespace eventhub::cli {

std::string EnumWord(const google::protobuf::EnumValueDescriptor& value) {
  // The value 0 of each enum is named with the prefix of the enum and UNSPECIFIED.
  const std::string& zero = value.type()->FindValueByNumber(0)->name();
  const absl::string_view prefix = absl::StripSuffix(zero, "UNSPECIFIED");
  return absl::AsciiStrToLower(absl::StripPrefix(value.name(), prefix));
}

std::string StartWord(const v1::StartPosition& start) {
  switch (start.position_case()) {
    case v1::StartPosition::kLatest:
      return "latest";
    case v1::StartPosition::kRetained:
      return "retained";
    case v1::StartPosition::kOffset:
      return absl::StrCat(start.offset());
    case v1::StartPosition::kTimestamp:
      return FormatMoment(json::FromTimestamp(start.timestamp()));
    case v1::StartPosition::kEarliest:
    case v1::StartPosition::POSITION_NOT_SET:
      break;
  }
  return "earliest";
}

bool IsSize(const google::protobuf::FieldDescriptor& field) {
  return absl::EndsWith(field.name(), "_bytes") || absl::StartsWith(field.name(), "bytes_");
}

bool IsSetByHub(const google::protobuf::FieldDescriptor& field) {
  return field.name() == "create_time" || field.name() == "update_time";
}

const google::protobuf::FieldDescriptor* FindSetting(absl::string_view kind,
                                                     absl::string_view path) {
  // `topics`, `subscriptions`, …
  const auto* field = v1::Topology::descriptor()->FindFieldByName(absl::StrCat(kind, "s"));
  for (const absl::string_view step : absl::StrSplit(path, '.')) {
    if (field == nullptr || field->message_type() == nullptr) return nullptr;
    field = field->message_type()->FindFieldByName(std::string(step));
  }
  return field;
}

std::string ExpectedType(const google::protobuf::FieldDescriptor& field) {
  using Field = google::protobuf::FieldDescriptor;
  switch (field.cpp_type()) {
    case Field::CPPTYPE_BOOL:
      return "true or false";
    case Field::CPPTYPE_STRING:
      return "a text";
    case Field::CPPTYPE_ENUM:
      return "a word";
    case Field::CPPTYPE_MESSAGE:
      return field.message_type()->name() == "Duration"    ? "a duration like 7d"
             : field.message_type()->name() == "Timestamp" ? "a time"
                                                           : "a mapping";
    default:
      return IsSize(field) ? "a size like 10GiB" : "a number";
  }
}

}  // namespace eventhub::cli

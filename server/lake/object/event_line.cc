#include "server/lake/object/event_line.h"

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "proto/json/event_json.h"
#include "proto/json/event_writer.h"
#include "proto/json/json_slice.h"
#include "proto/json/timestamp.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"
#include "proto/wire/utf8.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

using google::protobuf::Timestamp;
using v1::AttributeValue;
using v1::Event;
using wire::WireType;

constexpr absl::string_view kCorrelationId = "correlationid";

// Whether a time can be written as RFC 3339.
bool IsPlainTime(absl::string_view bytes) {
  int64_t seconds = 0;
  int64_t nanos = 0;
  wire::FieldReader field(bytes);
  while (field.Next()) {
    if (field.Is(Timestamp::kSecondsFieldNumber, WireType::kVarint)) {
      seconds = static_cast<int64_t>(field.value());
    } else if (field.Is(Timestamp::kNanosFieldNumber, WireType::kVarint)) {
      nanos = static_cast<int64_t>(field.value());
    } else {
      return false;
    }
  }
  return field.ok() && nanos >= 0 && nanos < 1'000'000'000 &&
         json::IsTimestamp(absl::FromUnixSeconds(seconds));
}

struct ScannedAttribute {
  absl::string_view name;
  absl::string_view text;  // If it is a string.
  bool plain = true;
};

// Whether the value is one of the types that are known, and nothing else.
bool IsPlainValue(absl::string_view bytes, absl::string_view* text) {
  int members = 0;
  wire::FieldReader field(bytes);
  while (field.Next()) {
    ++members;
    switch (field.number()) {
      case AttributeValue::kBooleanFieldNumber:
      case AttributeValue::kIntegerFieldNumber:
        if (field.type() != WireType::kVarint) return false;
        break;
      case AttributeValue::kStringFieldNumber:
        *text = field.type() == WireType::kBytes ? field.bytes() : "";
        [[fallthrough]];
      case AttributeValue::kUriFieldNumber:
      case AttributeValue::kUriRefFieldNumber:
        if (field.type() != WireType::kBytes || !wire::IsUtf8(field.bytes())) return false;
        break;
      case AttributeValue::kBinaryFieldNumber:
        if (field.type() != WireType::kBytes) return false;
        break;
      case AttributeValue::kTimestampFieldNumber:
        if (field.type() != WireType::kBytes || !IsPlainTime(field.bytes())) return false;
        break;
      default:
        return false;
    }
  }
  return field.ok() && members == 1;
}

ScannedAttribute ScanAttribute(absl::string_view entry) {
  ScannedAttribute attribute;
  bool has_value = false;
  wire::FieldReader field(entry);
  while (field.Next()) {
    if (field.Is(wire::kEntryName)) {
      attribute.name = field.bytes();
    } else if (field.Is(wire::kEntryValue)) {
      has_value = true;
      attribute.plain &= IsPlainValue(field.bytes(), &attribute.text);
    } else {
      attribute.plain = false;
    }
  }
  attribute.plain &= field.ok() && has_value && wire::IsUtf8(attribute.name);
  return attribute;
}

struct Scan {
  EventKeys keys;
  // Whether JSON says everything: no field is unknown, and each has a value that JSON has.
  bool plain = true;
};

Scan ScanEvent(absl::string_view encoded) {
  Scan scan;
  wire::FieldReader field(encoded);
  while (field.Next()) {
    if (field.type() != WireType::kBytes) {
      scan.plain = false;
      continue;
    }
    const absl::string_view bytes = field.bytes();
    switch (field.number()) {
      case Event::kIdFieldNumber:
        scan.keys.id = bytes;
        break;
      case Event::kTypeFieldNumber:
        scan.keys.type = bytes;
        break;
      case Event::kSubjectFieldNumber:
        scan.keys.subject = bytes;
        break;
      case Event::kSourceFieldNumber:
      case Event::kPartitionKeyFieldNumber:
      case Event::kDataContentTypeFieldNumber:
      case Event::kDataSchemaFieldNumber:
        break;
      case Event::kTimeFieldNumber:
        scan.plain &= IsPlainTime(bytes);
        continue;
      case Event::kAttributesFieldNumber: {
        const ScannedAttribute attribute = ScanAttribute(bytes);
        scan.plain &= attribute.plain;
        if (attribute.name == kCorrelationId) scan.keys.correlation_id = attribute.text;
        continue;
      }
      case Event::kDataFieldNumber:
        continue;
      default:
        scan.plain = false;
        continue;
    }
    scan.plain &= wire::IsUtf8(bytes);
  }
  scan.plain &= field.ok();
  return scan;
}

// What people and engines should see of an event that JSON cannot express.
Event Presentable(absl::string_view encoded, const EventKeys& keys) {
  Event event;
  if (!event.ParseFromArray(encoded.data(), static_cast<int>(encoded.size()))) {
    event.Clear();
    const auto copy = [](absl::string_view text) { return std::string(text); };
    event.set_id(copy(keys.id));
    event.set_type(copy(keys.type));
    event.set_subject(copy(keys.subject));
  }
  if (event.has_time() && !IsPlainTime(event.time().SerializeAsString())) event.clear_time();
  auto& attributes = *event.mutable_attributes();
  for (auto at = attributes.begin(); at != attributes.end();) {
    absl::string_view text;
    at = IsPlainValue(at->second.SerializeAsString(), &text) ? std::next(at) : attributes.erase(at);
  }
  return event;
}

json::AppendOptions OptionsFor(const EventPosition& position) {
  json::AppendOptions options;
  options.position = json::Position{.partition = position.partition,
                                    .offset = position.offset,
                                    .append_time = absl::FromUnixMicros(position.append_micros)};
  options.exact = true;
  return options;
}

// Parses a time as AppendEventLine() writes it.
bool ParseMicros(absl::string_view text, int64_t* micros) {
  int64_t seconds = 0;
  int32_t nanos = 0;
  if (!json::ParseWrittenTimestamp(text, &seconds, &nanos) || nanos % 1000 != 0) return false;
  *micros = seconds * 1'000'000 + nanos / 1000;
  return true;
}

// Reads a decimal number that ends with `end`.
bool TakeNumber(absl::string_view* text, char end, int64_t* number) {
  const size_t size = text->find(end);
  if (size == absl::string_view::npos || !absl::SimpleAtoi(text->substr(0, size), number)) {
    return false;
  }
  text->remove_prefix(size + 1);
  return true;
}

}  // namespace

EventKeys KeysOf(absl::string_view encoded) { return ScanEvent(encoded).keys; }

EventKeys AppendEventLine(const EventPosition& position, absl::string_view encoded,
                          std::string* to) {
  const Scan scan = ScanEvent(encoded);
  const json::AppendOptions options = OptionsFor(position);
  if (!scan.plain || !json::AppendEncodedEvent(encoded, options, to)) {
    json::AppendEvent(Presentable(encoded, scan.keys), options, to);
    to->pop_back();  // The brace.
    absl::StrAppend(to, ",\"", json::kMessage, "\":\"", absl::Base64Escape(encoded), "\"}");
  }
  to->push_back('\n');
  return scan.keys;
}

absl::StatusOr<LineKeys> KeysOfLine(absl::string_view line) {
  ASSIGN_OR_RETURN(const std::vector<json::JsonMember> members, json::SliceJsonObject(line));
  LineKeys keys;
  for (const json::JsonMember& member : members) {
    std::string* const key = member.name == "id"             ? &keys.id
                             : member.name == "type"         ? &keys.type
                             : member.name == "subject"      ? &keys.subject
                             : member.name == kCorrelationId ? &keys.correlation_id
                                                             : nullptr;
    if (key != nullptr) {
      *key = json::JsonText(member.value).value_or("");
    } else if (member.name == json::kMessage || member.name == json::kTypes) {
      // A text that is not the attribute, or is of another type than it seems.
      ASSIGN_OR_RETURN(const std::string encoded, EncodedOf(line));
      const EventKeys exact = KeysOf(encoded);
      const auto copy = [](absl::string_view text) { return std::string(text); };
      return LineKeys{copy(exact.id), copy(exact.type), copy(exact.subject),
                      copy(exact.correlation_id)};
    }
  }
  return keys;
}

std::optional<EventPosition> PositionOf(absl::string_view line) {
  // Within a string of JSON, a quotation mark has a backslash. Attributes may have these names, but
  // are written in alphabetical order.
  constexpr absl::string_view kPartition = ",\"hub_partition\":";
  constexpr absl::string_view kOffset = "\"hub_offset\":";
  constexpr absl::string_view kAppendTime = "\"hub_append_time\":\"";
  for (size_t at = line.find(kPartition); at != absl::string_view::npos;
       at = line.find(kPartition, at + 1)) {
    absl::string_view rest = line.substr(at + kPartition.size());
    int64_t partition = 0;
    EventPosition position;
    if (!TakeNumber(&rest, ',', &partition) || partition < 0 || partition > UINT32_MAX ||
        !absl::ConsumePrefix(&rest, kOffset) || !TakeNumber(&rest, ',', &position.offset) ||
        !absl::ConsumePrefix(&rest, kAppendTime)) {
      continue;
    }
    if (!ParseMicros(rest.substr(0, rest.find('"')), &position.append_micros)) return std::nullopt;
    position.partition = static_cast<uint32_t>(partition);
    return position;
  }
  return std::nullopt;
}

absl::StatusOr<std::string> EncodedOf(absl::string_view line) {
  if (absl::StrContains(line, "\"hub_message\":")) {
    ASSIGN_OR_RETURN(const std::vector<json::JsonMember> members, json::SliceJsonObject(line));
    const auto message = std::find_if(members.begin(), members.end(), [](const auto& member) {
      return member.name == json::kMessage;
    });
    if (message != members.end()) {
      const std::optional<std::string> text = json::JsonText(message->value);
      std::string encoded;
      if (!text || !absl::Base64Unescape(*text, &encoded)) {
        return absl::InvalidArgumentError("member 'hub_message' is not Base64");
      }
      return encoded;
    }
  }
  ASSIGN_OR_RETURN(const Event event, json::ParseEvent(line));
  return event.SerializeAsString();
}

absl::StatusOr<v1::Event> EventOf(absl::string_view line) { return json::ParseEvent(line); }

}  // namespace eventhub::lake

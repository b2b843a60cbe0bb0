#include "proto/json/event_json.h"

#include <algorithm>

#include "proto/json/event_writer.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"

namespace eventhub::json {
namespace {

using google::protobuf::Timestamp;
using v1::AttributeValue;
using v1::Event;
using wire::WireType;

// The functions below agree with protobuf's parser: the last of repeated fields holds, and messages
// are merged.

bool MergeTimestamp(absl::string_view bytes, TimestampView* time) {
  wire::FieldReader field(bytes);
  while (field.Next()) {
    if (field.Is(Timestamp::kSecondsFieldNumber, WireType::kVarint)) {
      time->seconds = static_cast<int64_t>(field.value());
    } else if (field.Is(Timestamp::kNanosFieldNumber, WireType::kVarint)) {
      time->nanos = static_cast<int32_t>(field.value());
    }
  }
  return field.ok();
}

// The last member of the oneof holds.
bool MergeAttributeValue(absl::string_view bytes, AttributeView* view) {
  wire::FieldReader field(bytes);
  while (field.Next()) {
    const bool is_bytes = field.type() == WireType::kBytes;
    const bool is_varint = field.type() == WireType::kVarint;
    switch (field.number()) {
      case AttributeValue::kBooleanFieldNumber:
        if (!is_varint) continue;
        view->number = field.value() != 0 ? 1 : 0;
        break;
      case AttributeValue::kIntegerFieldNumber:
        if (!is_varint) continue;
        view->number = static_cast<int32_t>(field.value());
        break;
      case AttributeValue::kStringFieldNumber:
      case AttributeValue::kBinaryFieldNumber:
      case AttributeValue::kUriFieldNumber:
      case AttributeValue::kUriRefFieldNumber:
        if (!is_bytes) continue;
        view->text = field.bytes();
        break;
      case AttributeValue::kTimestampFieldNumber:
        if (!is_bytes) continue;
        if (view->type != AttributeValue::kTimestamp) view->time = {};
        if (!MergeTimestamp(field.bytes(), &view->time)) return false;
        break;
      default:
        continue;
    }
    view->type = static_cast<AttributeValue::ValueCase>(field.number());
  }
  return field.ok();
}

// An entry of the map; the last one of a name holds.
bool AddAttribute(absl::string_view entry, EventFields* fields) {
  AttributeView view;
  wire::FieldReader field(entry);
  while (field.Next()) {
    if (field.Is(wire::kEntryName)) view.name = field.bytes();
    if (field.Is(wire::kEntryValue) && !MergeAttributeValue(field.bytes(), &view)) return false;
  }
  if (!field.ok()) return false;
  const auto same = std::find_if(fields->attributes.begin(), fields->attributes.end(),
                                 [&view](const auto& other) { return other.name == view.name; });
  if (same != fields->attributes.end()) {
    *same = view;
  } else {
    fields->attributes.push_back(view);
  }
  return true;
}

absl::string_view* TextField(uint32_t number, EventFields* fields) {
  switch (number) {
    case Event::kIdFieldNumber:
      return &fields->id;
    case Event::kSourceFieldNumber:
      return &fields->source;
    case Event::kTypeFieldNumber:
      return &fields->type;
    case Event::kSubjectFieldNumber:
      return &fields->subject;
    case Event::kPartitionKeyFieldNumber:
      return &fields->partition_key;
    case Event::kDataContentTypeFieldNumber:
      return &fields->data_content_type;
    case Event::kDataSchemaFieldNumber:
      return &fields->data_schema;
    case Event::kDataFieldNumber:
      return &fields->data;
    default:
      return nullptr;
  }
}

bool ReadFields(absl::string_view encoded, EventFields* fields) {
  wire::FieldReader field(encoded);
  while (field.Next()) {
    if (field.type() != WireType::kBytes) continue;
    if (field.number() == Event::kAttributesFieldNumber) {
      if (!AddAttribute(field.bytes(), fields)) return false;
    } else if (field.number() == Event::kTimeFieldNumber) {
      fields->has_time = true;
      if (!MergeTimestamp(field.bytes(), &fields->time)) return false;
    } else if (absl::string_view* text = TextField(field.number(), fields)) {
      *text = field.bytes();
    }
  }
  return field.ok();
}

}  // namespace

void AppendEvent(const v1::Event& event, const AppendOptions& options, std::string* to) {
  EventFields fields;
  fields.id = event.id();
  fields.source = event.source();
  fields.type = event.type();
  fields.subject = event.subject();
  fields.partition_key = event.partition_key();
  fields.data_content_type = event.data_content_type();
  fields.data_schema = event.data_schema();
  fields.data = event.data();
  fields.has_time = event.has_time();
  if (fields.has_time) fields.time = {event.time().seconds(), event.time().nanos()};
  for (const auto& [name, value] : event.attributes()) {
    fields.attributes.push_back(ViewOf(name, value));
  }
  WriteEvent(fields, options, to);
}

bool AppendEncodedEvent(absl::string_view encoded, const AppendOptions& options, std::string* to) {
  EventFields fields;
  if (!ReadFields(encoded, &fields)) return false;
  WriteEvent(fields, options, to);
  return true;
}

void AppendAttribute(const v1::AttributeValue& value, std::string* to) {
  WriteAttribute(ViewOf("", value), to);
}

}  // namespace eventhub::json

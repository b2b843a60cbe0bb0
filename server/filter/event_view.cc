#include "server/filter/event_view.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "eventhub/v1/event.pb.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"

namespace eventhub {
namespace {

using filter::AttributeSet;
using filter::Value;
using filter::ValueType;
using google::protobuf::Timestamp;
using v1::AttributeValue;
using v1::Event;
using wire::WireType;

constexpr absl::string_view kSpecVersion = "specversion";

constexpr std::pair<absl::string_view, uint32_t> kFieldNames[] = {
    {"id", Event::kIdFieldNumber},
    {"source", Event::kSourceFieldNumber},
    {"type", Event::kTypeFieldNumber},
    {"subject", Event::kSubjectFieldNumber},
    {"time", Event::kTimeFieldNumber},
    {"partitionkey", Event::kPartitionKeyFieldNumber},
    {"datacontenttype", Event::kDataContentTypeFieldNumber},
    {"dataschema", Event::kDataSchemaFieldNumber},
};

// Merges an encoded google.protobuf.Timestamp into `*value`, as protobuf does.
bool MergeTimestamp(absl::string_view bytes, Value* value) {
  const bool merge = value->type() == ValueType::kTimestamp;
  int64_t seconds = merge ? value->seconds() : 0;
  int32_t nanos = merge ? value->nanos() : 0;
  wire::FieldReader field(bytes);
  while (field.Next()) {
    if (field.Is(Timestamp::kSecondsFieldNumber, WireType::kVarint)) {
      seconds = static_cast<int64_t>(field.value());
    } else if (field.Is(Timestamp::kNanosFieldNumber, WireType::kVarint)) {
      nanos = static_cast<int32_t>(field.value());
    }
  }
  *value = Value::Timestamp(seconds, nanos);
  return field.ok();
}

// Merges an encoded AttributeValue into `*value`: the last member of the oneof wins.
bool MergeAttributeValue(absl::string_view bytes, Value* value) {
  wire::FieldReader field(bytes);
  while (field.Next()) {
    if (field.type() == WireType::kVarint) {
      if (field.number() == AttributeValue::kBooleanFieldNumber) {
        *value = Value::Boolean(field.value() != 0);
      } else if (field.number() == AttributeValue::kIntegerFieldNumber) {
        *value = Value::Integer(static_cast<int32_t>(field.value()));
      }
      continue;
    }
    if (field.type() != WireType::kBytes) continue;
    switch (field.number()) {
      case AttributeValue::kStringFieldNumber:
      case AttributeValue::kUriFieldNumber:
      case AttributeValue::kUriRefFieldNumber:
        *value = Value::String(field.bytes());
        break;
      case AttributeValue::kBinaryFieldNumber:
        *value = Value::Binary(field.bytes());
        break;
      case AttributeValue::kTimestampFieldNumber:
        if (!MergeTimestamp(field.bytes(), value)) return false;
        break;
      default:
        break;
    }
  }
  return field.ok();
}

// The name in an entry of the map `attributes`.
bool ReadName(absl::string_view entry, absl::string_view* name) {
  wire::FieldReader field(entry);
  while (field.Next()) {
    if (field.Is(wire::kEntryName)) *name = field.bytes();
  }
  return field.ok();
}

// The value in an entry; missing if it has none.
bool ReadValue(absl::string_view entry, Value* value) {
  *value = Value();
  wire::FieldReader field(entry);
  while (field.Next()) {
    if (field.Is(wire::kEntryValue) && !MergeAttributeValue(field.bytes(), value)) return false;
  }
  return field.ok();
}

}  // namespace

uint32_t filter::AttributeSet::Add(absl::string_view name) {
  const auto known = std::find(names_.begin(), names_.end(), name);
  if (known != names_.end()) return static_cast<uint32_t>(known - names_.begin());
  const auto slot = static_cast<uint32_t>(names_.size());
  names_.emplace_back(name);
  const auto* const field = std::find_if(std::begin(kFieldNames), std::end(kFieldNames),
                                         [name](const auto& entry) { return entry.first == name; });
  if (field != std::end(kFieldNames)) {
    slot_of_field_[field->second] = static_cast<int32_t>(slot);
  } else if (name == kSpecVersion) {
    spec_version_ = static_cast<int32_t>(slot);
  } else {
    extensions_.push_back(slot);
  }
  return slot;
}

Value EventView::Find(absl::string_view name) const {
  AttributeSet wanted;
  wanted.Add(name);
  Value value;
  return Read(wanted, &value) ? value : Value();
}

bool EventView::Read(const AttributeSet& wanted, Value* values) const {
  std::fill_n(values, wanted.size(), Value());
  for (const uint32_t required :
       {Event::kIdFieldNumber, Event::kSourceFieldNumber, Event::kTypeFieldNumber}) {
    if (const int32_t slot = wanted.slot_of_field_[required]; slot >= 0) {
      values[slot] = Value::String("");
    }
  }
  if (wanted.spec_version_ >= 0) values[wanted.spec_version_] = Value::String("1.0");

  wire::FieldReader field(encoded_);
  while (field.Next()) {
    const uint32_t number = field.number();
    if (field.type() != WireType::kBytes || number > Event::kAttributesFieldNumber) continue;
    const absl::string_view bytes = field.bytes();
    if (number == Event::kAttributesFieldNumber) {
      if (wanted.extensions_.empty()) continue;
      absl::string_view name;
      if (!ReadName(bytes, &name)) return false;
      for (const uint32_t slot : wanted.extensions_) {
        if (wanted.names_[slot] == name && !ReadValue(bytes, &values[slot])) return false;
      }
      continue;
    }
    const int32_t slot = wanted.slot_of_field_[number];
    if (slot < 0) continue;
    if (number == Event::kTimeFieldNumber) {
      if (!MergeTimestamp(bytes, &values[slot])) return false;
    } else {
      // In proto3 an empty optional attribute is absent.
      values[slot] =
          bytes.empty() && number > Event::kTypeFieldNumber ? Value() : Value::String(bytes);
    }
  }
  if (!field.ok()) return false;
  if (const int32_t slot = wanted.slot_of_field_[Event::kTimeFieldNumber];
      slot >= 0 && !time_text_.empty()) {
    values[slot] = Value::String(time_text_);
  }
  return true;
}

}  // namespace eventhub

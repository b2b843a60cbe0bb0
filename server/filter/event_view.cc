#include "server/filter/event_view.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/core/wire.h"

namespace eventhub {
namespace {

using filter::AttributeSet;
using filter::Value;
using filter::ValueType;

// The fields of Event; see event.proto.
enum Field : uint32_t {
  kId = 1,
  kSource = 2,
  kType = 3,
  kSubject = 4,
  kTime = 5,
  kPartitionKey = 6,
  kDataContentType = 7,
  kDataSchema = 8,
  kAttributes = 9,
};

// The fields of AttributeValue.
enum ValueField : uint32_t {
  kBoolean = 1,
  kInteger = 2,
  kString = 3,
  kBinary = 4,
  kUri = 5,
  kUriRef = 6,
  kTimestamp = 7,
};

constexpr absl::string_view kSpecVersion = "specversion";

constexpr std::pair<absl::string_view, Field> kFieldNames[] = {
    {"id", kId},
    {"source", kSource},
    {"type", kType},
    {"subject", kSubject},
    {"time", kTime},
    {"partitionkey", kPartitionKey},
    {"datacontenttype", kDataContentType},
    {"dataschema", kDataSchema},
};

// Merges an encoded google.protobuf.Timestamp into `*value`, as protobuf does.
bool MergeTimestamp(absl::string_view bytes, Value* value) {
  const bool merge = value->type() == ValueType::kTimestamp;
  uint64_t numbers[3] = {0, merge ? static_cast<uint64_t>(value->seconds()) : 0,
                         merge ? static_cast<uint64_t>(value->nanos()) : 0};
  WireReader reader(bytes);
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type)) return false;
    const bool known = field <= 2 && type == WireType::kVarint;
    if (known ? !reader.ReadVarint(&numbers[field]) : !reader.Skip(type)) return false;
  }
  *value = Value::Timestamp(static_cast<int64_t>(numbers[1]), static_cast<int32_t>(numbers[2]));
  return true;
}

// Merges an encoded AttributeValue into `*value`: the last member of the oneof holds.
bool MergeAttributeValue(absl::string_view bytes, Value* value) {
  WireReader reader(bytes);
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type)) return false;
    if (type == WireType::kVarint && field <= kInteger) {
      uint64_t number;
      if (!reader.ReadVarint(&number)) return false;
      *value = field == kBoolean ? Value::Boolean(number != 0)
                                 : Value::Integer(static_cast<int32_t>(number));
      continue;
    }
    if (type != WireType::kBytes || field < kString || field > kTimestamp) {
      if (!reader.Skip(type)) return false;
      continue;
    }
    absl::string_view text;
    if (!reader.ReadBytes(&text)) return false;
    if (field == kTimestamp) {
      if (!MergeTimestamp(text, value)) return false;
    } else {
      *value = field == kBinary ? Value::Binary(text) : Value::String(text);
    }
  }
  return true;
}

// The name in an entry of the map `attributes`.
bool ReadName(absl::string_view entry, absl::string_view* name) {
  WireReader reader(entry);
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type)) return false;
    const bool known = field == 1 && type == WireType::kBytes;
    if (known ? !reader.ReadBytes(name) : !reader.Skip(type)) return false;
  }
  return true;
}

// The value in an entry; missing if it has none.
bool ReadValue(absl::string_view entry, Value* value) {
  *value = Value();
  WireReader reader(entry);
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    absl::string_view bytes;
    if (!reader.ReadTag(&field, &type)) return false;
    if (field != 2 || type != WireType::kBytes) {
      if (!reader.Skip(type)) return false;
    } else if (!reader.ReadBytes(&bytes) || !MergeAttributeValue(bytes, value)) {
      return false;
    }
  }
  return true;
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
  for (const uint32_t field : {kId, kSource, kType}) {
    if (const int32_t slot = wanted.slot_of_field_[field]; slot >= 0) {
      values[slot] = Value::String("");
    }
  }
  if (wanted.spec_version_ >= 0) values[wanted.spec_version_] = Value::String("1.0");

  WireReader reader(encoded_);
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type)) return false;
    if (type != WireType::kBytes || field > kAttributes) {
      if (!reader.Skip(type)) return false;
      continue;
    }
    absl::string_view bytes;
    if (!reader.ReadBytes(&bytes)) return false;
    if (field == kAttributes) {
      if (wanted.extensions_.empty()) continue;
      absl::string_view name;
      if (!ReadName(bytes, &name)) return false;
      for (const uint32_t slot : wanted.extensions_) {
        if (wanted.names_[slot] == name && !ReadValue(bytes, &values[slot])) return false;
      }
      continue;
    }
    const int32_t slot = wanted.slot_of_field_[field];
    if (slot < 0) continue;
    if (field == kTime) {
      if (!MergeTimestamp(bytes, &values[slot])) return false;
    } else {
      // In proto3 an empty optional attribute is one that is not there.
      values[slot] = bytes.empty() && field > kType ? Value() : Value::String(bytes);
    }
  }
  if (const int32_t slot = wanted.slot_of_field_[kTime]; slot >= 0 && !time_text_.empty()) {
    values[slot] = Value::String(time_text_);
  }
  return true;
}

}  // namespace eventhub

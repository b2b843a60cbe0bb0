#include "server/core/event/event_scanner.h"

#include <xxhash.h>

#include "absl/strings/str_cat.h"
#include "eventhub/v1/event.pb.h"
#include "proto/wire/event_rules.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"
#include "proto/wire/utf8.h"
#include "server/core/base/errors.h"

namespace eventhub {
namespace {

using google::protobuf::Timestamp;
using v1::AttributeValue;
using v1::Event;

constexpr uint32_t kLastField = Event::kDeliverAfterFieldNumber;

absl::string_view NameOf(uint32_t field) {
  const auto* const found = Event::descriptor()->FindFieldByNumber(static_cast<int>(field));
  return found == nullptr ? absl::string_view() : absl::string_view(found->name());
}

// Why an event is refused. The texts are static, so the scan itself builds no strings.
struct Fault {
  uint32_t field;
  const char* problem;  // Null: no fault.
};

constexpr Fault kNoFault = {0, nullptr};
constexpr const char* kMalformed = "is not well-formed protobuf";

// A google.protobuf.Timestamp or Duration; both have the same encoding.
struct Seconds {
  int64_t seconds = 0;
  int32_t nanos = 0;

  // Merges the fields in `bytes`, as protobuf merges a repeated occurrence of the field.
  bool Merge(absl::string_view bytes) {
    wire::FieldReader field(bytes);
    while (field.Next()) {
      if (field.Is(Timestamp::kSecondsFieldNumber, wire::WireType::kVarint)) {
        seconds = static_cast<int64_t>(field.value());
      } else if (field.Is(Timestamp::kNanosFieldNumber, wire::WireType::kVarint)) {
        nanos = static_cast<int32_t>(field.value());
      }
    }
    return field.ok();
  }

  absl::Duration value() const { return absl::Seconds(seconds) + absl::Nanoseconds(nanos); }
};

const char* CheckTimestamp(absl::string_view bytes, Seconds* time) {
  if (!time->Merge(bytes)) return kMalformed;
  // Years 1 to 9999, the range that timestamp.proto defines.
  if (time->seconds < -62135596800 || time->seconds > 253402300799) {
    return "is out of the range of a timestamp";
  }
  if (time->nanos < 0 || time->nanos > 999999999) return "has nanoseconds out of range";
  return nullptr;
}

// Checks the encoding and the range of a timestamp.
const char* CheckTimestamp(absl::string_view bytes) {
  Seconds time;
  return CheckTimestamp(bytes, &time);
}

// The fields of an event that delay it.
struct DelayFields {
  bool at = false;
  bool after = false;
  Seconds time;

  const char* TakeAt(absl::string_view bytes) {
    if (after) return "cannot be set together with deliver_after";
    at = true;
    return CheckTimestamp(bytes, &time);
  }

  const char* TakeAfter(absl::string_view bytes) {
    if (at) return "cannot be set together with deliver_at";
    after = true;
    if (!time.Merge(bytes)) return kMalformed;
    if (time.seconds < 0 || time.nanos < 0) return "is negative";
    // About 10,000 years, the range that duration.proto defines.
    if (time.seconds > 315576000000) return "is out of the range of a duration";
    if (time.nanos > 999999999) return "has nanoseconds out of range";
    return nullptr;
  }
};

// Checks an AttributeValue.
const char* CheckAttributeValue(absl::string_view bytes) {
  wire::FieldReader field(bytes);
  while (field.Next()) {
    if (field.type() != wire::WireType::kBytes) continue;
    switch (field.number()) {
      case AttributeValue::kStringFieldNumber:
      case AttributeValue::kUriFieldNumber:
      case AttributeValue::kUriRefFieldNumber:
        if (!wire::IsUtf8(field.bytes())) return "has a value that is not UTF-8";
        break;
      case AttributeValue::kTimestampFieldNumber:
        if (const char* problem = CheckTimestamp(field.bytes())) return problem;
        break;
      default:
        break;
    }
  }
  return field.ok() ? nullptr : kMalformed;
}

// The attributes that concern the sealing of an event's data.
struct SealMarks {
  bool subject = false;
  bool sealed = false;
};

// Checks an entry of the map `attributes`.
const char* CheckAttribute(absl::string_view bytes, EventRules rules, SealMarks* marks) {
  wire::FieldReader field(bytes);
  absl::string_view name;
  while (field.Next()) {
    if (field.Is(wire::kEntryName)) {
      name = field.bytes();
      if (!wire::IsUtf8(name)) return "has a name that is not UTF-8";
    } else if (field.Is(wire::kEntryValue)) {
      if (const char* problem = CheckAttributeValue(field.bytes())) return problem;
    }
  }
  if (!field.ok()) return kMalformed;
  if (name.empty()) return "has an attribute without a name";
  if (name.size() > wire::kMaxAttributeNameBytes) return "has a name of more than 256 bytes";
  if (rules == EventRules::kPublished && !wire::IsAttributeName(name)) {
    return "has a name with characters other than a-z and 0-9";
  }
  if (wire::IsReservedName(name)) return "has the name of an attribute that has its own field";
  // Nearly all names are told apart by their first letter.
  if (name.front() == kSubjectAttribute.front()) {
    marks->subject |= name == kSubjectAttribute;
    marks->sealed |= name == kSealedAttribute;
  }
  return nullptr;
}

const char* CheckString(absl::string_view value) {
  if (value.size() > wire::kMaxStringAttributeBytes) return "has more than 1024 bytes";
  if (!wire::IsUtf8(value)) return "is not UTF-8";
  return nullptr;
}

// The properties of an event that the hub needs.
struct Essentials {
  absl::string_view type;
  absl::string_view key;  // Empty: none.
  DelayFields delay;
  SealMarks marks;
  bool has_data = false;
};

const char* TooManyAttributes(EventRules rules) {
  return rules == EventRules::kPublished ? "has more than 256 entries"
                                         : "has more than 512 entries";
}

// Checks one event. As in protobuf, the last occurrence of a singular field counts, but every
// occurrence is checked.
Fault CheckEvent(absl::string_view bytes, EventRules rules, Essentials* event) {
  const size_t max_attributes =
      rules == EventRules::kPublished ? wire::kMaxAttributes : kMaxStoredAttributes;
  wire::FieldReader field(bytes);
  bool present[Event::kTypeFieldNumber + 1] = {};
  size_t attributes = 0;
  while (field.Next()) {
    const uint32_t number = field.number();
    if (field.type() != wire::WireType::kBytes || number > kLastField) continue;
    const absl::string_view value = field.bytes();
    const char* problem = nullptr;
    switch (number) {
      case Event::kDataFieldNumber:
        event->has_data = !value.empty();
        break;
      case Event::kTimeFieldNumber:
        problem = CheckTimestamp(value);
        break;
      case Event::kAttributesFieldNumber:
        problem = ++attributes > max_attributes ? TooManyAttributes(rules)
                                                : CheckAttribute(value, rules, &event->marks);
        break;
      case Event::kPartitionKeyFieldNumber:
        event->key = value;
        problem = CheckString(value);
        break;
      case Event::kDeliverAtFieldNumber:
        problem = event->delay.TakeAt(value);
        break;
      case Event::kDeliverAfterFieldNumber:
        problem = event->delay.TakeAfter(value);
        break;
      default:
        if (number <= Event::kTypeFieldNumber) present[number] = !value.empty();
        if (number == Event::kTypeFieldNumber) event->type = value;
        problem = CheckString(value);
    }
    if (problem != nullptr) return {number, problem};
  }
  if (!field.ok()) return {field.number(), kMalformed};
  for (const uint32_t required :
       {Event::kIdFieldNumber, Event::kSourceFieldNumber, Event::kTypeFieldNumber}) {
    if (!present[required]) return {required, "is required"};
  }
  return kNoFault;
}

}  // namespace

absl::Status ScanEvents(absl::string_view region, size_t max_event_bytes, bool keys,
                        EventScan* scan, EventRules rules) {
  wire::FieldReader field(region);
  absl::string_view last_type;
  while (field.Next()) {
    if (!field.Is(wire::kEventsField)) return InvalidEvent(scan->count, "", kMalformed);
    const absl::string_view event = field.bytes();
    const auto begin = static_cast<uint32_t>(field.before().size());
    const auto bytes = static_cast<uint32_t>(field.field().size());
    if (event.size() > max_event_bytes) {
      return InvalidEvent(scan->count, "",
                          absl::StrCat("has ", event.size(), " bytes; the topic accepts at most ",
                                       max_event_bytes));
    }
    Essentials essentials;
    const Fault fault = CheckEvent(event, rules, &essentials);
    if (fault.problem != nullptr) {
      return InvalidEvent(scan->count, NameOf(fault.field), fault.problem);
    }
    const DelayFields& delay = essentials.delay;
    if (delay.at || delay.after) {
      scan->delays.push_back({scan->count, begin, bytes, delay.after, delay.time.value()});
    }
    if (essentials.has_data && essentials.marks.subject) {
      scan->subjects.push_back({scan->count, begin, bytes});
    }
    if (essentials.has_data && essentials.marks.sealed) {
      if (!scan->sealed.has_value()) scan->sealed = scan->count;
      scan->types.Add(kSealedMark);
    }
    ++scan->count;
    if (essentials.type != last_type && !scan->types.any()) {
      last_type = essentials.type;
      scan->types.Add(HashOfType(last_type));
    }
    const absl::string_view key = essentials.key;
    if (!key.empty()) ++scan->keyed;
    if (keys) {
      scan->events.push_back({begin, bytes, !key.empty(), key.empty() ? 0 : wire::HashOfKey(key)});
    }
  }
  if (!field.ok()) return InvalidEvent(scan->count, "", kMalformed);
  return absl::OkStatus();
}

uint32_t HashOfType(absl::string_view type) {
  return static_cast<uint32_t>(XXH3_64bits(type.data(), type.size()));
}

}  // namespace eventhub

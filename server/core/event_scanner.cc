#include "server/core/event_scanner.h"

#include <xxhash.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "server/core/errors.h"
#include "server/core/utf8.h"
#include "server/core/wire.h"

namespace eventhub {
namespace {

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
  kData = 10,
  kDeliverAt = kDeliverAtField,
  kDeliverAfter = kDeliverAfterField,
};

const char* NameOf(uint32_t field) {
  static constexpr const char* kNames[] = {"",
                                           "id",
                                           "source",
                                           "type",
                                           "subject",
                                           "time",
                                           "partition_key",
                                           "data_content_type",
                                           "data_schema",
                                           "attributes",
                                           "data",
                                           "deliver_at",
                                           "deliver_after"};
  return field <= kDeliverAfter ? kNames[field] : "";
}

// Why an event is refused. Static texts, so that the scan itself builds no strings.
struct Fault {
  uint32_t field;
  const char* problem;  // Null: there is no fault.
};

constexpr Fault kNoFault = {0, nullptr};
constexpr const char* kMalformed = "is not well-formed protobuf";

// A google.protobuf.Timestamp or Duration: they are encoded alike.
struct Seconds {
  int64_t seconds = 0;
  int32_t nanos = 0;

  // Takes over the fields that are in `bytes`, as protobuf merges a field that is there twice.
  bool Merge(absl::string_view bytes) {
    WireReader reader(bytes);
    uint64_t values[3] = {0, static_cast<uint64_t>(seconds), static_cast<uint64_t>(nanos)};
    while (!reader.AtEnd()) {
      uint32_t field;
      WireType type;
      if (!reader.ReadTag(&field, &type)) return false;
      const bool known = field <= 2 && type == WireType::kVarint;
      if (known ? !reader.ReadVarint(&values[field]) : !reader.Skip(type)) return false;
    }
    seconds = static_cast<int64_t>(values[1]);
    nanos = static_cast<int32_t>(values[2]);
    return true;
  }

  absl::Duration value() const { return absl::Seconds(seconds) + absl::Nanoseconds(nanos); }
};

const char* CheckTimestamp(absl::string_view bytes, Seconds* time) {
  if (!time->Merge(bytes)) return kMalformed;
  // Years 1 to 9999, as timestamp.proto has it.
  if (time->seconds < -62135596800 || time->seconds > 253402300799) {
    return "is out of the range of a timestamp";
  }
  if (time->nanos < 0 || time->nanos > 999999999) return "has nanoseconds out of range";
  return nullptr;
}

// The fields of the message and its range.
const char* CheckTimestamp(absl::string_view bytes) {
  Seconds time;
  return CheckTimestamp(bytes, &time);
}

// What an event says of when it is to be appended.
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
    // Some 10,000 years, as duration.proto has it.
    if (time.seconds > 315576000000) return "is out of the range of a duration";
    if (time.nanos > 999999999) return "has nanoseconds out of range";
    return nullptr;
  }
};

// Checks an AttributeValue.
const char* CheckAttributeValue(absl::string_view bytes) {
  WireReader reader(bytes);
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type)) return kMalformed;
    if (type != WireType::kBytes || field < 3 || field > 7) {
      if (!reader.Skip(type)) return kMalformed;
      continue;
    }
    absl::string_view value;
    if (!reader.ReadBytes(&value)) return kMalformed;
    if (field == 7) {
      if (const char* problem = CheckTimestamp(value)) return problem;
    } else if (field != 4 && !IsUtf8(value)) {
      return "has a value that is not UTF-8";
    }
  }
  return nullptr;
}

// Whether CloudEvents has an attribute of that name, or its JSON format a member, that an extension
// would hide.
bool IsReservedName(absl::string_view name) {
  static constexpr absl::string_view kReserved[] = {
      "data",   "data_base64", "datacontenttype", "dataschema", "id",  "partitionkey",
      "source", "specversion", "subject",         "time",       "type"};
  return std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved);
}

bool IsCloudEventsName(absl::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

// Checks an entry of the map `attributes`.
const char* CheckAttribute(absl::string_view bytes, EventRules rules) {
  WireReader reader(bytes);
  absl::string_view name;
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type)) return kMalformed;
    if (type != WireType::kBytes || field > 2) {
      if (!reader.Skip(type)) return kMalformed;
      continue;
    }
    absl::string_view value;
    if (!reader.ReadBytes(&value)) return kMalformed;
    if (field == 1) {
      name = value;
      if (!IsUtf8(name)) return "has a name that is not UTF-8";
    } else if (const char* problem = CheckAttributeValue(value)) {
      return problem;
    }
  }
  if (name.empty()) return "has an attribute without a name";
  if (name.size() > kMaxAttributeNameBytes) return "has a name of more than 256 bytes";
  if (rules == EventRules::kPublished && !IsCloudEventsName(name)) {
    return "has a name that is not of a-z and 0-9 alone";
  }
  if (IsReservedName(name)) return "has the name of an attribute with a field of its own";
  return nullptr;
}

const char* CheckString(absl::string_view value) {
  if (value.size() > kMaxStringAttributeBytes) return "has more than 1024 bytes";
  if (!IsUtf8(value)) return "is not UTF-8";
  return nullptr;
}

// What the hub needs to know of one event.
struct Essentials {
  absl::string_view type;
  absl::string_view key;  // Empty: none.
  DelayFields delay;
};

const char* TooManyAttributes(EventRules rules) {
  return rules == EventRules::kPublished ? "has more than 256 entries"
                                         : "has more than 512 entries";
}

// Checks one event. As in protobuf, the last of repeated singular fields holds, but all of them are
// checked.
Fault CheckEvent(absl::string_view bytes, EventRules rules, Essentials* event) {
  const size_t max_attributes =
      rules == EventRules::kPublished ? kMaxAttributes : kMaxStoredAttributes;
  WireReader reader(bytes);
  bool present[kType + 1] = {};
  size_t attributes = 0;
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type)) return {0, kMalformed};
    if (type != WireType::kBytes || field > kDeliverAfter) {
      if (!reader.Skip(type)) return {field, kMalformed};
      continue;
    }
    absl::string_view value;
    if (!reader.ReadBytes(&value)) return {field, kMalformed};
    const char* problem = nullptr;
    switch (field) {
      case kData:
        break;
      case kTime:
        problem = CheckTimestamp(value);
        break;
      case kAttributes:
        problem =
            ++attributes > max_attributes ? TooManyAttributes(rules) : CheckAttribute(value, rules);
        break;
      case kPartitionKey:
        event->key = value;
        problem = CheckString(value);
        break;
      case kDeliverAt:
        problem = event->delay.TakeAt(value);
        break;
      case kDeliverAfter:
        problem = event->delay.TakeAfter(value);
        break;
      default:
        if (field <= kType) present[field] = !value.empty();
        if (field == kType) event->type = value;
        problem = CheckString(value);
    }
    if (problem != nullptr) return {field, problem};
  }
  for (const uint32_t field : {kId, kSource, kType}) {
    if (!present[field]) return {field, "is required"};
  }
  return kNoFault;
}

}  // namespace

absl::Status ScanEvents(absl::string_view region, size_t max_event_bytes, bool keys,
                        EventScan* scan, EventRules rules) {
  WireReader reader(region);
  absl::string_view last_type;
  while (!reader.AtEnd()) {
    const char* const start = reader.position();
    uint32_t field;
    WireType type;
    absl::string_view event;
    if (!reader.ReadTag(&field, &type) || field != kEventsField || type != WireType::kBytes ||
        !reader.ReadBytes(&event)) {
      return InvalidEvent(scan->count, "", kMalformed);
    }
    if (event.size() > max_event_bytes) {
      return InvalidEvent(
          scan->count, "",
          absl::StrCat("has ", event.size(), " bytes; the topic takes at most ", max_event_bytes));
    }
    Essentials essentials;
    const Fault fault = CheckEvent(event, rules, &essentials);
    if (fault.problem != nullptr) {
      return InvalidEvent(scan->count, NameOf(fault.field), fault.problem);
    }
    const DelayFields& delay = essentials.delay;
    if (delay.at || delay.after) {
      scan->delays.push_back({scan->count, static_cast<uint32_t>(start - region.data()),
                              static_cast<uint32_t>(reader.position() - start), delay.after,
                              delay.time.value()});
    }
    ++scan->count;
    if (essentials.type != last_type && !scan->types.any()) {
      last_type = essentials.type;
      scan->types.Add(HashOfType(last_type));
    }
    const absl::string_view key = essentials.key;
    if (!key.empty()) ++scan->keyed;
    if (keys) {
      scan->events.push_back({static_cast<uint32_t>(start - region.data()),
                              static_cast<uint32_t>(reader.position() - start), !key.empty(),
                              key.empty() ? 0 : XXH64(key.data(), key.size(), 0)});
    }
  }
  return absl::OkStatus();
}

uint64_t HashOfKey(absl::string_view key) { return XXH64(key.data(), key.size(), 0); }

uint32_t HashOfType(absl::string_view type) {
  return static_cast<uint32_t>(XXH3_64bits(type.data(), type.size()));
}

uint32_t PartitionOfKey(absl::string_view key, uint32_t partitions) {
  return static_cast<uint32_t>(HashOfKey(key) % partitions);
}

}  // namespace eventhub

// Writes the members of an event, given as views of what an event has.
#pragma once

#include <cstdint>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"
#include "proto/json/event_json.h"

namespace eventhub::json {

struct TimestampView {
  int64_t seconds = 0;
  int32_t nanos = 0;
};

struct AttributeView {
  absl::string_view name;
  v1::AttributeValue::ValueCase type = v1::AttributeValue::VALUE_NOT_SET;
  int64_t number = 0;  // A boolean or an integer.
  absl::string_view text;
  TimestampView time;
};

struct EventFields {
  absl::string_view id;
  absl::string_view source;
  absl::string_view type;
  absl::string_view subject;
  absl::string_view partition_key;
  absl::string_view data_content_type;
  absl::string_view data_schema;
  absl::string_view data;
  bool has_time = false;
  TimestampView time;
  absl::InlinedVector<AttributeView, 8> attributes;  // Each name once, in any order.
};

AttributeView ViewOf(absl::string_view name, const v1::AttributeValue& value);

// Sorts the attributes, and appends the event.
void WriteEvent(EventFields& fields, const AppendOptions& options, std::string* to);

void WriteAttribute(const AttributeView& attribute, std::string* to);

// application/json, text/json and all with the suffix +json; parameters do not matter.
bool IsJsonType(absl::string_view content_type);

// The types of attributes that are strings in JSON, by their names in CloudEvents; empty for
// others.
absl::string_view TypeName(v1::AttributeValue::ValueCase type);

// The members that are not attributes.
inline constexpr absl::string_view kSpecVersion = "specversion";
inline constexpr absl::string_view kPartition = "hub_partition";
inline constexpr absl::string_view kOffset = "hub_offset";
inline constexpr absl::string_view kAppendTime = "hub_append_time";
inline constexpr absl::string_view kDeliveryAttempt = "hub_delivery_attempt";
inline constexpr absl::string_view kRedelivered = "hub_redelivered";
inline constexpr absl::string_view kReplayed = "hub_replayed";
inline constexpr absl::string_view kAttributes = "hub_attributes";
inline constexpr absl::string_view kTypes = "hub_types";
inline constexpr absl::string_view kUntyped = "hub_untyped";
inline constexpr absl::string_view kMessage = "hub_message";

}  // namespace eventhub::json

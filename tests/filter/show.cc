#include "tests/filter/show.h"

namespace eventhub {

using filter::Value;
using filter::ValueType;

std::string Show(const Value& value) {
  switch (value.type()) {
    case ValueType::kMissing:
      return "missing";
    case ValueType::kBoolean:
      return value.boolean() ? "boolean true" : "boolean false";
    case ValueType::kInteger:
      return "integer " + std::to_string(value.integer());
    case ValueType::kString:
      return "string " + std::string(value.text());
    case ValueType::kBinary:
      return "binary " + std::string(value.text());
    case ValueType::kTimestamp:
      return "timestamp " + std::to_string(value.seconds()) + "." + std::to_string(value.nanos());
  }
  return "";
}

namespace {

std::string ShowString(const std::string& text) {
  return text.empty() ? "missing" : "string " + text;
}

std::string ShowTime(const google::protobuf::Timestamp& time) {
  return Show(Value::Timestamp(time.seconds(), time.nanos()));
}

}  // namespace

std::string ShowAttribute(const v1::Event& event, const std::string& name) {
  if (name == "id") return "string " + event.id();
  if (name == "source") return "string " + event.source();
  if (name == "type") return "string " + event.type();
  if (name == "specversion") return "string 1.0";
  if (name == "subject") return ShowString(event.subject());
  if (name == "partitionkey") return ShowString(event.partition_key());
  if (name == "datacontenttype") return ShowString(event.data_content_type());
  if (name == "dataschema") return ShowString(event.data_schema());
  if (name == "time") return event.has_time() ? ShowTime(event.time()) : "missing";
  const auto found = event.attributes().find(name);
  if (found == event.attributes().end()) return "missing";
  const v1::AttributeValue& value = found->second;
  switch (value.value_case()) {
    case v1::AttributeValue::kBoolean:
      return Show(Value::Boolean(value.boolean()));
    case v1::AttributeValue::kInteger:
      return Show(Value::Integer(value.integer()));
    case v1::AttributeValue::kString:
      return Show(Value::String(value.string()));
    case v1::AttributeValue::kBinary:
      return Show(Value::Binary(value.binary()));
    case v1::AttributeValue::kUri:
      return Show(Value::String(value.uri()));
    case v1::AttributeValue::kUriRef:
      return Show(Value::String(value.uri_ref()));
    case v1::AttributeValue::kTimestamp:
      return ShowTime(value.timestamp());
    case v1::AttributeValue::VALUE_NOT_SET:
      break;
  }
  return "missing";
}

}  // namespace eventhub

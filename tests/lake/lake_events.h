// Events for tests of the lake: plain ones, random ones, hostile ones.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/v1/event.pb.h"
#include "server/lake/object/object_plan.h"

namespace eventhub::lake {

inline LakeTopic TestTopic(const std::string& name = "orders", uint32_t id = 7) {
  return {.identity = {.hub = "hub-1", .id = id}, .name = name, .directory = "topic=" + name};
}

inline v1::Event PlainEvent(int64_t number) {
  v1::Event event;
  event.set_id(absl::StrCat("id-", number));
  event.set_source("/shop/orders");
  event.set_type(number % 3 == 0 ? "order.paid" : "order.placed");
  event.set_subject(absl::StrCat("order/", number / 10));
  event.set_data_content_type("application/json");
  event.set_data(absl::StrCat(R"({"number":)", number, R"(,"total":"12.50"})"));
  (*event.mutable_attributes())["correlationid"].set_string(absl::StrCat("c-", number / 5));
  return event;
}

// Random events, many of which are odd: every type of attribute, data of all kinds, fields of later
// versions, invalid UTF-8, and bytes that are not an event.
class HostileEvents {
 public:
  explicit HostileEvents(std::mt19937_64& random) : random_(random) {}

  // An encoded message that protobuf accepts.
  std::string Next() {
    clean_ = OneIn(2);
    v1::Event event;
    event.set_id(Text(24));
    event.set_source(Text(24));
    event.set_type(OneIn(4) ? Text(12) : absl::StrCat("type.", Below(5)));
    if (OneIn(2)) event.set_subject(Text(16));
    if (OneIn(2)) event.set_partition_key(Text(8));
    if (OneIn(4)) event.set_data_schema(Text(16));
    if (OneIn(2)) SetTime(event.mutable_time());
    for (uint64_t i = Below(6); i > 0; --i) AddAttribute(&event);
    SetData(&event);
    std::string encoded = event.SerializeAsString();
    if (OneIn(8))
      encoded += std::string(
          "\xa2\x06\x03"
          "abc",
          6);                                                  // Field 100.
    if (OneIn(16)) encoded += std::string("\x9a\x06\x00", 3);  // Field 99, empty.
    return encoded;
  }

  // What is no message.
  std::string Garbage() {
    std::string bytes(Below(64), '\0');
    for (char& c : bytes) c = static_cast<char>(random_());
    return bytes;
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  std::string Text(size_t max) {
    static const char* const kParts[] = {
        "a",    "Z", "0",          " ",          "/",  "\u00e4", "\u2028", ",",  "{",   "\u20ac",
        "\x7f", ":", "\U0001F600", "hub_offset", "\"", "\\",     "\n",     "\t", "\x01"};
    constexpr uint64_t kClean = 14;  // JSON has them as they are.
    std::string text;
    for (uint64_t i = 1 + Below(max); i > 0; --i) {
      text += kParts[Below(clean_ ? kClean : sizeof(kParts) / sizeof(kParts[0]))];
    }
    return text;
  }

  std::string Bytes(size_t max) {
    std::string bytes(Below(max), '\0');
    for (char& c : bytes) c = static_cast<char>(random_());
    return bytes;
  }

  void SetTime(google::protobuf::Timestamp* time) {
    time->set_seconds(OneIn(6) ? static_cast<int64_t>(random_())
                               : 1'700'000'000 + int64_t(Below(1'000'000)));
    time->set_nanos(OneIn(6) ? -5 : static_cast<int32_t>(Below(1'000'000'000)));
  }

  void AddAttribute(v1::Event* event) {
    static const char* const kNames[] = {
        "correlationid", "causationid",     "traceparent", "a",   "b9",          "hub_partition",
        "hub_offset",    "hub_append_time", "data",        "x_y", "specversion", "hub_types"};
    v1::AttributeValue& value =
        (*event->mutable_attributes())[kNames[Below(sizeof(kNames) / sizeof(kNames[0]))]];
    switch (Below(8)) {
      case 0:
        return value.set_boolean(OneIn(2));
      case 1:
        return value.set_integer(static_cast<int32_t>(random_()));
      case 2:
        return value.set_binary(Bytes(20));
      case 3:
        return value.set_uri(Text(12));
      case 4:
        return value.set_uri_ref(Text(12));
      case 5:
        return SetTime(value.mutable_timestamp());
      case 6:
        return;  // No value.
      default:
        return value.set_string(Text(20));
    }
  }

  void SetData(v1::Event* event) {
    static const char* const kTypes[] = {"", "application/json", "text/plain", "application/x-a",
                                         "application/vnd.a+json; charset=utf-8"};
    static const char* const kData[] = {
        "",
        "{}",
        R"({"a":1.10,"b":[null,"\u00e4",12345678901234567890123]})",
        " {} ",
        "{\"a\":\n1}",
        "nope",
        R"("text")",
        "1",
        R"({"hub_partition":1,"hub_message":"x"})",
        R"({"x":0,"hub_partition":9,"hub_offset":9,"hub_append_time":"2026-01-01T00:00:00Z"})"};
    event->set_data_content_type(kTypes[Below(sizeof(kTypes) / sizeof(kTypes[0]))]);
    event->set_data(OneIn(3) ? Bytes(200) : kData[Below(sizeof(kData) / sizeof(kData[0]))]);
  }

  bool clean_ = false;  // Whether texts need no escapes.
  std::mt19937_64& random_;
};

}  // namespace eventhub::lake

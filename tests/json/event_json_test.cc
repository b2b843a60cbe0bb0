// Events as CloudEvents JSON, and back.
#include "proto/json/event_json.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/json/timestamp.h"

namespace eventhub::json {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;

const Position kPosition{3, 17, absl::FromUnixSeconds(1'800'000'000)};

v1::Event MinimalEvent() {
  v1::Event event;
  event.set_id("1");
  event.set_source("/s");
  event.set_type("t");
  return event;
}

std::string ToJson(const v1::Event& event) {
  std::string line;
  AppendEvent(event, {.position = kPosition}, &line);
  return line;
}

TEST(EventJson, WritesMembersInFixedOrder) {
  v1::Event event = MinimalEvent();
  event.set_partition_key("k");
  event.set_data(R"({"a": 1})");
  EXPECT_EQ(ToJson(event),
            R"({"specversion":"1.0","id":"1","source":"/s","type":"t","partitionkey":"k",)"
            R"("hub_partition":3,"hub_offset":17,"hub_append_time":"2027-01-15T08:00:00Z",)"
            R"("data":{"a": 1}})");
}

TEST(EventJson, WritesDeliveryOfConsumer) {
  Position delivered = kPosition;
  delivered.attempt = 2;
  delivered.redelivered = true;
  std::string line;
  AppendEvent(MinimalEvent(), {.position = delivered}, &line);
  EXPECT_THAT(line,
              HasSubstr(R"("hub_append_time":"2027-01-15T08:00:00Z","hub_delivery_attempt":2,)"
                        R"("hub_redelivered":true,"hub_replayed":false})"));
  const auto back = ParseEvent(line);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(back->attributes().empty());
}

// A JSON round trip preserves values exactly.
TEST(EventJson, RoundTrips) {
  v1::Event event = MinimalEvent();
  event.set_subject("sub");
  *event.mutable_time() = ToTimestamp(absl::FromUnixMillis(1'800'000'000'123));
  event.set_partition_key("k\"\n");
  event.set_data_content_type("application/json");
  event.set_data_schema("https://example.com/schema");
  (*event.mutable_attributes())["flag"].set_boolean(true);
  (*event.mutable_attributes())["count"].set_integer(-7);
  (*event.mutable_attributes())["trace"].set_string("Grüße");
  event.set_data(R"({"big":18446744073709551615,"deep":[1,{"x":null}]})");
  const absl::StatusOr<v1::Event> back = ParseEvent(ToJson(event));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(MessageDifferencer::Equals(event, *back)) << back->DebugString();
}

TEST(EventJson, NonJsonDataRoundTrips) {
  for (const char* type : {"text/plain", "application/octet-stream", "application/json"}) {
    for (const auto& data : {std::string("plain"), std::string("\xff\x00\n", 3)}) {
      v1::Event event = MinimalEvent();
      event.set_data_content_type(type);
      event.set_data(data);
      const absl::StatusOr<v1::Event> back = ParseEvent(ToJson(event));
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(back->data(), data) << type;
      EXPECT_EQ(ToJson(event).find('\n'), std::string::npos) << "one line";
    }
  }
}

TEST(EventJson, DataResemblingJsonDoesNotBreakLine) {
  for (const auto& data : {std::string("{}\0}", 4), std::string("{}\0", 3),
                           std::string("\xEF\xBB\xBF{}"), std::string("\0", 1)}) {
    for (const char* type : {"", "application/json"}) {
      v1::Event event = MinimalEvent();
      event.set_data_content_type(type);
      event.set_data(data);
      EXPECT_THAT(ToJson(event), HasSubstr("\"data_base64\":"));
      const absl::StatusOr<v1::Event> back = ParseEvent(ToJson(event));
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(back->data(), data);
    }
  }
}

TEST(EventJson, RejectsTrailingBytes) {
  const std::string line = R"({"id":"1"})";
  EXPECT_TRUE(ParseEvent(line).ok());
  for (const auto& more : {std::string("\0", 1), std::string("\0{}", 3), std::string(" x")}) {
    EXPECT_EQ(ParseEvent(line + more).status().message(), "not valid JSON");
  }
}

// A line cannot contain line breaks, and data cut out of it has no surrounding white space.
TEST(EventJson, EncodesMultiLineDataAsBase64) {
  for (const char* data : {"{\n  \"a\": 1\n}", "{\r}", "{}\n", " {}", "1\t"}) {
    v1::Event event = MinimalEvent();
    event.set_data_content_type("application/json");
    event.set_data(data);
    EXPECT_THAT(ToJson(event), HasSubstr("\"data_base64\":"));
    EXPECT_EQ(ParseEvent(ToJson(event))->data(), data);
  }
}

TEST(EventJson, KeepsDataAsWritten) {
  for (const char* data :
       {R"({"a":0.1234567890123456789,"key":993143214321423154315154321,"price":1.10})",
        R"({ "b" : 1,"a" : -0.0e-00 , "b":[ ] })", "1e999", "-0", "null", R"("\u00e9\/\ud800")"}) {
    const auto event = ParseEvent(absl::StrCat(R"({"id":"1","data": )", data, " \t}"));
    ASSERT_TRUE(event.ok()) << data << event.status();
    EXPECT_EQ(event->data(), data);
    EXPECT_THAT(ToJson(*event), HasSubstr(absl::StrCat("\"data\":", data)));
  }
}

// Attributes may have any name that CloudEvents does not use itself, and none is mistaken for the
// event's position.
TEST(EventJson, AttributesDoNotCollideWithPosition) {
  v1::Event event = MinimalEvent();
  for (const char* name : {"partition", "offset", "appendtime", "deliveryattempt", "hub"}) {
    (*event.mutable_attributes())[name].set_string("own");
  }
  const auto back = ParseEvent(ToJson(event));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(MessageDifferencer::Equals(event, *back)) << back->DebugString();
  for (const char* name : {"hub_topic", "MyExt", "example-extension", "é", ""}) {
    EXPECT_THAT(ParseEvent(absl::StrCat(R"({")", name, R"(":"x"})")).status().ToString(),
                HasSubstr("is not a valid attribute name"));
  }
}

TEST(EventJson, ExtremeTimesRoundTrip) {
  for (const char* time : {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000001Z",
                           "1969-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"}) {
    const auto event =
        ParseEvent(absl::StrCat(R"({"id":"1","source":"/s","type":"t","time":")", time, "\"}"));
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_THAT(ToJson(*event), HasSubstr(absl::StrCat("\"time\":\"", time, "\"")));
  }
}

TEST(EventJson, ImpliesContentTypeOfJsonData) {
  const auto event =
      ParseEvent(R"({"specversion":"1.0","id":"1","source":"/s","type":"t","data":"text"})");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->data_content_type(), "application/json");
  EXPECT_EQ(event->data(), "\"text\"");
}

TEST(EventJson, AcceptsDeepNesting) {
  const std::string data = absl::StrCat(std::string(100'000, '['), std::string(100'000, ']'));
  const auto event = ParseEvent(absl::StrCat(R"({"id":"1","data":)", data, "}"));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->data(), data);
  EXPECT_THAT(ToJson(*event), HasSubstr("\"data\":[[["));
}

TEST(EventJson, NamesInvalidMember) {
  const std::pair<const char*, const char*> cases[] = {
      {"{", "not valid JSON"},
      {"[]", "not a JSON object"},
      {R"({"id":1})", "'id'"},
      {R"({"specversion":"0.3"})", "'specversion'"},
      {R"({"time":"noon"})", "'time'"},
      {R"({"n":2147483648})", "'n'"},
      {R"({"n":18446744073709551615})", "'n'"},
      {R"({"n":1.5})", "'n'"},
      {R"({"n":{}})", "'n'"},
      {R"({"n":1e2})", "'n'"},
      {R"({"n":1,"n":1})", "'n' is given more than once"},
      {R"({"subject":"\ud800"})", "'subject'"},
      {R"({"time":"infinite-future"})", "'time'"},
      {R"({"time":"9999-12-31T23:59:59-01:00"})", "'time'"},
      {R"({"time":"2026-01-31T12:00:00.0000000001Z"})", "'time'"},
      {R"({"data_base64":"***"})", "'data_base64'"},
      {R"({"data":1,"data_base64":"AA=="})", "'data'"},
  };
  for (const auto& [line, message] : cases) {
    const absl::Status status = ParseEvent(line).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << line;
  }
}

std::string ToExactJson(const v1::Event& event) {
  std::string line;
  AppendEvent(event, {.exact = true}, &line);
  return line;
}

v1::Event EventOfAllTypes() {
  v1::Event event = MinimalEvent();
  auto& attributes = *event.mutable_attributes();
  attributes["boolean"].set_boolean(false);
  attributes["integer"].set_integer(INT32_MIN);
  attributes["string"].set_string("");
  attributes["binary"].set_binary(std::string("\x00\xff", 2));
  attributes["uri"].set_uri("urn:x");
  attributes["uriref"].set_uri_ref("../x");
  *attributes["timestamp"].mutable_timestamp() = ToTimestamp(absl::FromUnixNanos(1));
  event.set_data("{}");
  return event;
}

TEST(EventJson, PlainFormHasNoTypes) {
  const auto back = ParseEvent(ToJson(EventOfAllTypes()));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->attributes().at("binary").string(), "AP8=");
  EXPECT_EQ(back->attributes().at("uri").string(), "urn:x");
  EXPECT_EQ(back->attributes().at("uriref").string(), "../x");
  EXPECT_EQ(back->attributes().at("timestamp").string(), "1970-01-01T00:00:00.000000001Z");
  EXPECT_EQ(back->data_content_type(), "application/json");
}

TEST(EventJson, ExactFormKeepsTypes) {
  const std::string line = ToExactJson(EventOfAllTypes());
  EXPECT_THAT(line, HasSubstr(R"("hub_types":{"binary":"Binary","timestamp":"Timestamp",)"
                              R"("uri":"URI","uriref":"URI-reference"},"hub_untyped":true,)"
                              R"("data":{}})"));
  const auto back = ParseEvent(line);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(MessageDifferencer::Equals(EventOfAllTypes(), *back)) << back->DebugString();
}

TEST(EventJson, ExactFormOfPlainEventIsPlainForm) {
  v1::Event event = MinimalEvent();
  event.set_data_content_type("application/json");
  event.set_data("[1]");
  (*event.mutable_attributes())["a"].set_string("b");
  std::string plain;
  AppendEvent(event, {}, &plain);
  EXPECT_EQ(ToExactJson(event), plain);
}

// Such names are refused when published, but a topic may have them from before.
TEST(EventJson, KeepsAttributesNamedLikeMembersApart) {
  v1::Event event = MinimalEvent();
  for (const char* name : {"id", "data", "hub_offset", "hub_types", "Tenant\"Id", ""}) {
    (*event.mutable_attributes())[name].set_string("own");
  }
  (*event.mutable_attributes())["time"].set_uri("urn:x");
  const auto back = ParseEvent(ToExactJson(event));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(MessageDifferencer::Equals(event, *back)) << back->DebugString();
}

TEST(EventJson, NamesInvalidTypes) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"hub_types":[]})", "'hub_types' is not a JSON object"},
      {R"({"hub_types":{"a":"URI"}})", "names 'a'"},
      {R"({"a":1,"hub_types":{"a":"URI"}})", "names 'a'"},
      {R"({"a":"1","hub_types":{"a":"Float"}})", "unknown type: 'Float'"},
      {R"({"a":"1","hub_types":{"a":"Timestamp"}})", "'a'"},
      {R"({"a":"*","hub_types":{"a":"Binary"}})", "'a' is not Base64"},
      {R"({"a":"1","hub_attributes":{"a":"2"}})", "has 'a' twice"},
      {R"({"hub_attributes":{"a":{}}})", "'a'"},
  };
  for (const auto& [line, message] : cases) {
    EXPECT_THAT(std::string(ParseEvent(line).status().message()), HasSubstr(message)) << line;
  }
}

TEST(EventJson, EscapesText) {
  v1::Event event = MinimalEvent();
  event.set_subject(std::string("\b\t\n\v\f\r\"\\/\x00\x1f\x7f", 12) + "é😀");
  EXPECT_THAT(ToJson(event), HasSubstr("\"subject\":\"\\b\\t\\n\\u000b\\f\\r\\\"\\\\/\\u0000"
                                       "\\u001f\x7fé😀\""));
  EXPECT_EQ(ParseEvent(ToJson(event))->subject(), event.subject());
}

TEST(EventJson, BinaryDataOfEverySizeRoundTrips) {
  for (const size_t size : {1, 2, 3, 4, 3071, 3072, 3073, 10'000}) {
    v1::Event event = MinimalEvent();
    event.set_data(std::string(size, '\xfb'));
    EXPECT_EQ(ParseEvent(ToJson(event))->data(), event.data()) << size;
  }
}

// Bytes of an event with fields that are repeated, in any order: what a parser makes of them
// counts.
TEST(EventJson, WritesEncodedEventsLikeMessages) {
  std::mt19937 random(5);
  for (int i = 0; i < 300; ++i) {
    std::string encoded;
    for (int part = 0; part < 3; ++part) {
      v1::Event event = EventOfAllTypes();
      if (random() % 2 == 0) event.set_id(absl::StrCat(random()));
      if (random() % 2 == 0) event.mutable_time()->set_seconds(random());
      if (random() % 2 == 0) event.mutable_time()->set_nanos(static_cast<int>(random() % 1000));
      if (random() % 2 == 0) event.mutable_attributes()->erase("uri");
      if (random() % 2 == 0) (*event.mutable_attributes())["string"].set_integer(7);
      if (random() % 2 == 0) event.set_data(absl::StrCat("[", random(), "]"));
      absl::StrAppend(&encoded, event.SerializeAsString());
    }
    v1::Event event;
    ASSERT_TRUE(event.ParseFromString(encoded));
    std::string expected;
    AppendEvent(event, {.position = kPosition, .exact = true}, &expected);
    std::string line = "before";
    ASSERT_TRUE(AppendEncodedEvent(encoded, {.position = kPosition, .exact = true}, &line));
    EXPECT_EQ(line, "before" + expected);
  }
}

TEST(EventJson, MalformedBytesWriteNothing) {
  const std::string encoded = EventOfAllTypes().SerializeAsString();
  std::string line = "before";
  EXPECT_FALSE(AppendEncodedEvent(encoded.substr(0, encoded.size() - 1), {}, &line));
  EXPECT_EQ(line, "before");
}

// As the event lake writes what no member can say.
TEST(EventJson, TheMessageTakesPrecedence) {
  v1::Event event = MinimalEvent();
  event.mutable_time()->set_nanos(-7);
  const std::string line =
      absl::StrCat(R"({"specversion":"1.0","id":"other","data":{"hub_message":1},"hub_message":")",
                   absl::Base64Escape(event.SerializeAsString()), R"("})");
  const auto parsed = ParseEvent(line);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(MessageDifferencer::Equals(*parsed, event));
  for (const char* bad : {R"({"id":"1","hub_message":"?"})", R"({"id":"1","hub_message":"AAAA"})",
                          R"({"id":"1","hub_message":7})"}) {
    const auto refused = ParseEvent(bad);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("hub_message"));
  }
}

}  // namespace
}  // namespace eventhub::json

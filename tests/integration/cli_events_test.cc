// Events as the command line reads and prints them: CloudEvents JSON, text lines, formats.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/cli/input/cloudevents_json.h"
#include "client/cli/input/event_source.h"
#include "client/cli/input/line_reader.h"
#include "client/cli/output/event_format.h"

namespace eventhub::cli {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;
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
  AppendEventJson(event, kPosition, &line);
  return line;
}

TEST(CliJson, WritesMembersInAFixedOrder) {
  v1::Event event = MinimalEvent();
  event.set_partition_key("k");
  event.set_data(R"({"a": 1})");
  EXPECT_EQ(ToJson(event),
            R"({"specversion":"1.0","id":"1","source":"/s","type":"t","partitionkey":"k",)"
            R"("hub_partition":3,"hub_offset":17,"hub_append_time":"2027-01-15T08:00:00Z",)"
            R"("data":{"a": 1}})");
}

TEST(CliJson, NamesTheDeliveryOfAConsumer) {
  Position delivered = kPosition;
  delivered.attempt = 2;
  delivered.redelivered = true;
  std::string line;
  AppendEventJson(MinimalEvent(), delivered, &line);
  EXPECT_THAT(line,
              HasSubstr(R"("hub_append_time":"2027-01-15T08:00:00Z","hub_delivery_attempt":2,)"
                        R"("hub_redelivered":true,"hub_replayed":false})"));
  const auto back = ParseEventJson(line);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(back->attributes().empty());
}

// A JSON round trip preserves values exactly.
TEST(CliJson, RoundTrip) {
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
  const absl::StatusOr<v1::Event> back = ParseEventJson(ToJson(event));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(MessageDifferencer::Equals(event, *back)) << back->DebugString();
}

TEST(CliJson, RoundTripOfDataThatIsNotJson) {
  for (const char* type : {"text/plain", "application/octet-stream", "application/json"}) {
    for (const auto& data : {std::string("plain"), std::string("\xff\x00\n", 3)}) {
      v1::Event event = MinimalEvent();
      event.set_data_content_type(type);
      event.set_data(data);
      const absl::StatusOr<v1::Event> back = ParseEventJson(ToJson(event));
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(back->data(), data) << type;
      EXPECT_EQ(ToJson(event).find('\n'), std::string::npos) << "one line";
    }
  }
}

TEST(CliJson, DataThatOnlyLooksLikeJsonDoesNotBreakTheLine) {
  for (const auto& data : {std::string("{}\0}", 4), std::string("{}\0", 3),
                           std::string("\xEF\xBB\xBF{}"), std::string("\0", 1)}) {
    for (const char* type : {"", "application/json"}) {
      v1::Event event = MinimalEvent();
      event.set_data_content_type(type);
      event.set_data(data);
      EXPECT_THAT(ToJson(event), HasSubstr("\"data_base64\":"));
      const absl::StatusOr<v1::Event> back = ParseEventJson(ToJson(event));
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(back->data(), data);
    }
  }
}

TEST(CliJson, ALineHasNoMoreThanItsObject) {
  const std::string line = R"({"id":"1"})";
  EXPECT_TRUE(ParseEventJson(line).ok());
  for (const auto& more : {std::string("\0", 1), std::string("\0{}", 3), std::string(" x")}) {
    EXPECT_EQ(ParseEventJson(line + more).status().message(), "not valid JSON");
  }
}

// A line cannot contain line breaks, and data cut out of it has no surrounding white space.
TEST(CliJson, DataThatALineCannotHoldIsBase64) {
  for (const char* data : {"{\n  \"a\": 1\n}", "{\r}", "{}\n", " {}", "1\t"}) {
    v1::Event event = MinimalEvent();
    event.set_data_content_type("application/json");
    event.set_data(data);
    EXPECT_THAT(ToJson(event), HasSubstr("\"data_base64\":"));
    EXPECT_EQ(ParseEventJson(ToJson(event))->data(), data);
  }
}

TEST(CliJson, DataIsKeptAsItIsWritten) {
  for (const char* data :
       {R"({"a":0.1234567890123456789,"key":993143214321423154315154321,"price":1.10})",
        R"({ "b" : 1,"a" : -0.0e-00 , "b":[ ] })", "1e999", "-0", "null", R"("\u00e9\/\ud800")"}) {
    const auto event = ParseEventJson(absl::StrCat(R"({"id":"1","data": )", data, " \t}"));
    ASSERT_TRUE(event.ok()) << data << event.status();
    EXPECT_EQ(event->data(), data);
    EXPECT_THAT(ToJson(*event), HasSubstr(absl::StrCat("\"data\":", data)));
  }
}

// Attributes may have any name that CloudEvents does not use itself, and none is mistaken for the
// event's position.
TEST(CliJson, NoAttributeCollidesWithThePosition) {
  v1::Event event = MinimalEvent();
  for (const char* name : {"partition", "offset", "appendtime", "deliveryattempt", "hub"}) {
    (*event.mutable_attributes())[name].set_string("own");
  }
  const auto back = ParseEventJson(ToJson(event));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(MessageDifferencer::Equals(event, *back)) << back->DebugString();
  for (const char* name : {"hub_topic", "MyExt", "example-extension", "é", ""}) {
    EXPECT_THAT(ParseEventJson(absl::StrCat(R"({")", name, R"(":"x"})")).status().ToString(),
                HasSubstr("is not the name of an attribute"));
  }
}

TEST(CliJson, TimesRoundTripAtBothEndsOfTheirRange) {
  for (const char* time : {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000001Z",
                           "1969-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"}) {
    const auto event =
        ParseEventJson(absl::StrCat(R"({"id":"1","source":"/s","type":"t","time":")", time, "\"}"));
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_THAT(ToJson(*event), HasSubstr(absl::StrCat("\"time\":\"", time, "\"")));
    std::string text;
    EventFormat::Parse("%e")->Append(*event, kPosition, &text);
    EXPECT_EQ(text, time);
  }
}

TEST(CliJson, ImpliesTheContentTypeOfJsonData) {
  const auto event =
      ParseEventJson(R"({"specversion":"1.0","id":"1","source":"/s","type":"t","data":"text"})");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->data_content_type(), "application/json");
  EXPECT_EQ(event->data(), "\"text\"");
}

TEST(CliJson, NestsAsDeepAsItLikes) {
  const std::string data = absl::StrCat(std::string(100'000, '['), std::string(100'000, ']'));
  const auto event = ParseEventJson(absl::StrCat(R"({"id":"1","data":)", data, "}"));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->data(), data);
  EXPECT_THAT(ToJson(*event), HasSubstr("\"data\":[[["));
}

TEST(CliJson, NamesTheMemberThatIsWrong) {
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
      {R"({"n":1,"n":1})", "'n' is there more than once"},
      {R"({"subject":"\ud800"})", "'subject'"},
      {R"({"time":"infinite-future"})", "'time'"},
      {R"({"time":"9999-12-31T23:59:59-01:00"})", "'time'"},
      {R"({"time":"2026-01-31T12:00:00.0000000001Z"})", "'time'"},
      {R"({"data_base64":"***"})", "'data_base64'"},
      {R"({"data":1,"data_base64":"AA=="})", "'data'"},
  };
  for (const auto& [line, message] : cases) {
    const absl::Status status = ParseEventJson(line).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << line;
  }
}

EventTemplate TextTemplate() {
  EventTemplate event;
  event.type = "t";
  event.source = "/s";
  event.content_type = "text/plain";
  event.id_prefix = "line-";
  return event;
}

TEST(CliEventSource, MakesEventsOfTextLines) {
  EventTemplate settings = TextTemplate();
  settings.attributes = {{"env", "test"}};
  settings.key_field = "2";
  EventSource source(settings);
  const auto first = source.FromLine("GET  /index.html 200");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->id(), "line-1");
  EXPECT_EQ(first->partition_key(), "/index.html");
  EXPECT_EQ(first->data(), "GET  /index.html 200");
  EXPECT_EQ(first->attributes().at("env").string(), "test");
  EXPECT_TRUE(first->has_time());
  EXPECT_EQ(source.FromLine("a b")->id(), "line-2");
  EXPECT_EQ(source.FromLine("short").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(CliEventSource, FindsTheKeyInJsonData) {
  EventTemplate settings = TextTemplate();
  settings.key_field = "customer.id";
  EventSource source(settings);
  EXPECT_EQ(source.FromLine(R"({"customer":{"id":"c-1"}})")->partition_key(), "c-1");
  for (const char* token : {"42", "993143214321423154315154321", "1.10", "-0", "1E+400", "true"}) {
    const std::string line = absl::StrCat(R"({"customer": {"x":0, "id": )", token, " }}");
    EXPECT_EQ(source.FromLine(line)->partition_key(), token);
  }
  EXPECT_EQ(source.FromLine(R"({"customer":{"id":"\u00e9"}})")->partition_key(), "é");
  for (const char* line : {"no json", "{}", R"({"customer":"x"})", R"({"customer":{"id":[]}})"}) {
    EXPECT_EQ(source.FromLine(line).status().code(), absl::StatusCode::kInvalidArgument) << line;
  }
}

TEST(CliEventSource, FillsInWhatACloudEventLacks) {
  EventTemplate settings = TextTemplate();
  settings.json_input = true;
  settings.content_type.clear();
  EventSource source(settings);
  const auto event = source.FromLine(R"({"type":"own","data":{"a":1}})");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->type(), "own");
  EXPECT_EQ(event->source(), "/s");
  EXPECT_EQ(event->id(), "line-1");
  EXPECT_FALSE(event->has_time());
}

TEST(CliEventFormat, PrintsFields) {
  v1::Event event = MinimalEvent();
  event.set_data("a\nb");
  std::string out;
  EventFormat::Parse("%p:%o\\t%i %s %t [%k] 100%% %d|%D\\n")->Append(event, kPosition, &out);
  EXPECT_EQ(out, "3:17\t1 /s t [] 100% a\\nb|a\nb\n");
  out.clear();
  EventFormat::Parse("%a %n")->Append(event, kPosition, &out);
  EXPECT_EQ(out, "2027-01-15T08:00:00.000000Z 0");
  EXPECT_FALSE(EventFormat::Parse("%x").ok());
  EXPECT_FALSE(EventFormat::Parse("\\q").ok());
  EXPECT_FALSE(EventFormat::Parse("%").ok());
}

class CliLineReaderTest : public testing::Test {
 protected:
  ~CliLineReaderTest() override {
    close(stop_fd_);
    unlink(path_.c_str());
  }

  std::vector<std::string> LinesOf(const std::string& content) {
    std::ofstream(path_) << content;
    auto reader = LineReader::Open(path_, stop_fd_);
    EXPECT_TRUE(reader.ok()) << reader.status();
    std::vector<std::string> lines;
    while (true) {
      const auto line = (*reader)->Next();
      EXPECT_TRUE(line.ok()) << line.status();
      if (!line.ok() || !line->has_value()) return lines;
      lines.emplace_back(**line);
    }
  }

  const int stop_fd_ = eventfd(0, 0);
  const std::string path_ = testing::TempDir() + "/cli_lines." + std::to_string(getpid());
};

TEST_F(CliLineReaderTest, SplitsLines) {
  EXPECT_THAT(LinesOf(""), ElementsAre());
  EXPECT_THAT(LinesOf("a\n"), ElementsAre("a"));
  EXPECT_THAT(LinesOf("a\r\n\nb"), ElementsAre("a", "", "b"));
  const std::string large(1'000'000, 'x');
  EXPECT_THAT(LinesOf(large + "\nend"), ElementsAre(large, "end"));
}

TEST_F(CliLineReaderTest, StopsWhenAsked) {
  eventfd_write(stop_fd_, 1);
  EXPECT_THAT(LinesOf("a\nb\n"), ElementsAre());
}

TEST_F(CliLineReaderTest, NamesAFileThatIsNotThere) {
  const auto reader = LineReader::Open(path_ + ".none", stop_fd_);
  EXPECT_EQ(reader.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(reader.status().message()), HasSubstr(path_));
}

}  // namespace
}  // namespace eventhub::cli

// Events as the command line reads and prints them: lines and formats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/cli/input/event_source.h"
#include "client/cli/input/line_reader.h"
#include "client/cli/output/event_format.h"
#include "proto/json/event_json.h"
#include "proto/json/timestamp.h"

namespace eventhub::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const json::Position kPosition{3, 17, absl::FromUnixSeconds(1'800'000'000)};

v1::Event MinimalEvent() {
  v1::Event event;
  event.set_id("1");
  event.set_source("/s");
  event.set_type("t");
  return event;
}

EventTemplate TextTemplate() {
  EventTemplate event;
  event.type = "t";
  event.source = "/s";
  event.content_type = "text/plain";
  event.id_prefix = "line-";
  return event;
}

TEST(CliEventSource, MakesEventsFromTextLines) {
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

TEST(CliEventSource, FindsKeyInJsonData) {
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

TEST(CliEventSource, FillsInMissingAttributes) {
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

TEST(CliEventSource, RecognizesPrettyPrintedJson) {
  for (const char* line : {"{", "{ ", "{\"a\": [", "{\"id\": \"1\",", "[", "[{}]", "[ 1 ]"}) {
    EXPECT_THAT(std::string(JsonLineHint(line)), HasSubstr("jq -c")) << line;
  }
  for (const char* line : {"", "{}", "{]", "GET / 200", "\"a\": 1", "}"}) {
    EXPECT_THAT(std::string(JsonLineHint(line)), testing::IsEmpty()) << line;
  }
}

TEST(CliEventFormat, PrintsFields) {
  v1::Event event = MinimalEvent();
  event.set_data("a\nb");
  std::string out;
  EventFormat::Parse("%p:%o\\t%i %s %t [%k] 100%% %d|%D\\n")->Append(event, kPosition, &out);
  EXPECT_EQ(out, "3:17\t1 /s t [] 100% a\\nb|a\nb\n");
  out.clear();
  *event.mutable_time() = json::ToTimestamp(*json::ParseTimestamp("0001-01-01T00:00:00.5Z"));
  EventFormat::Parse("%e")->Append(event, kPosition, &out);
  EXPECT_EQ(out, "0001-01-01T00:00:00.5Z");
  out.clear();
  EventFormat::Parse("%a %n")->Append(event, kPosition, &out);
  EXPECT_EQ(out, "2027-01-15T08:00:00.000000Z 0");
  EXPECT_FALSE(EventFormat::Parse("%x").ok());
  EXPECT_FALSE(EventFormat::Parse("\\q").ok());
  EXPECT_FALSE(EventFormat::Parse("%").ok());
}

// A printed line can be read back as the same event.
TEST(CliEventSource, ReadsPrintedEvents) {
  EventTemplate settings = TextTemplate();
  settings.json_input = true;
  settings.content_type.clear();
  EventSource source(settings);
  const auto event = source.FromLine(R"({"time":"2027-01-15T08:00:00.25Z","data": [1.10 ] })");
  ASSERT_TRUE(event.ok()) << event.status();
  std::string line;
  json::AppendEvent(*event, {.position = kPosition}, &line);
  const auto again = source.FromLine(line);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), event->SerializeAsString());
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

TEST_F(CliLineReaderTest, StopsOnRequest) {
  eventfd_write(stop_fd_, 1);
  EXPECT_THAT(LinesOf("a\nb\n"), ElementsAre());
}

TEST_F(CliLineReaderTest, NamesMissingFile) {
  const auto reader = LineReader::Open(path_ + ".none", stop_fd_);
  EXPECT_EQ(reader.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(reader.status().message()), HasSubstr(path_));
}

}  // namespace
}  // namespace eventhub::cli

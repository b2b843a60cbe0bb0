// JSON that is cut out of a text without being changed, and goes through an event byte for byte.
#include "proto/json/json_slice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/json/event_json.h"

namespace eventhub::json {
namespace {

TEST(JsonSlice, FollowsGrammar) {
  for (const char* text :
       {"0", "-0", "10", "1.50", "-1.0e+07", "1E5", "true", "false", "null", R"("")",
        R"("\"\\\/\b\f\n\r\t\u12aF")", "\"\xF0\x9F\x98\x80\"", "[]", "[ ]", "{ }", "[1 , [ ] ]",
        R"({"a":{"a":[{}]},"":0})", "1e999", R"("\ud800")"}) {
    EXPECT_TRUE(IsJsonValue(text)) << text;
  }
  for (const char* text : {"",
                           " 1",
                           "1\n",
                           "01",
                           "-",
                           "+1",
                           ".5",
                           "1.",
                           "1e",
                           "1e+",
                           "0x10",
                           "NaN",
                           "True",
                           "nul",
                           "truex",
                           "\"",
                           "\"\t\"",
                           R"("\x")",
                           R"("\u12g4")",
                           R"("\u12")",
                           "'a'",
                           "\"\xFF\"",
                           "\"\xED\xA0\x80\"",
                           "[",
                           "]",
                           "[1",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "[1}",
                           "{",
                           "{1:2}",
                           "{a:1}",
                           R"({"a"})",
                           R"({"a":})",
                           R"({"a":1,})",
                           R"({"a":1 "b":2})",
                           "{}{}",
                           "1 2",
                           "\xEF\xBB\xBF{}"}) {
    EXPECT_FALSE(IsJsonValue(text)) << text;
  }
  EXPECT_FALSE(IsJsonValue(absl::string_view("{}\0", 3)));
  EXPECT_FALSE(IsJsonValue(absl::string_view("\"\0\"", 3)));
}

TEST(JsonSlice, ReturnsMembersAsWritten) {
  const auto members =
      SliceJsonObject(" { \"a\" : 1.10 ,\"\\u0062\":[ 1, {\"x\":2} ]\n, \"a\":\"\\n\"} ");
  ASSERT_TRUE(members.ok()) << members.status();
  ASSERT_EQ(members->size(), 3);
  EXPECT_EQ((*members)[0].name, "a");
  EXPECT_EQ((*members)[0].value, "1.10");
  EXPECT_EQ((*members)[1].name, "b");
  EXPECT_EQ((*members)[1].value, R"([ 1, {"x":2} ])");
  EXPECT_EQ((*members)[2].value, R"("\n")");
  EXPECT_THAT(*SliceJsonObject("\xEF\xBB\xBF{}"), testing::IsEmpty());
  EXPECT_EQ(SliceJsonObject("[1]").status().message(), "not a JSON object");
  EXPECT_EQ(SliceJsonObject("{} {}").status().message(), "not valid JSON");
  EXPECT_EQ(SliceJsonObject(R"({"\ud800":1})").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(JsonSlice, ExplainsWhyLineIsNotAnObject) {
  for (const char* line : {"{", "{ ", "{\"a\": [", "{\"a\": \"\\u12", "{\"id\": \"1\","}) {
    EXPECT_EQ(FindJsonLineFault(line), JsonLineFault::kUnfinishedObject) << line;
  }
  for (const char* line : {"[", "[{}]", " [ 1 ]"}) {
    EXPECT_EQ(FindJsonLineFault(line), JsonLineFault::kArray) << line;
  }
  for (const char* line : {"", "{}", "{]", "GET / 200", "\"a\": 1", "}"}) {
    EXPECT_EQ(FindJsonLineFault(line), JsonLineFault::kOther) << line;
  }
}

// A string is read eight bytes at a time.
TEST(JsonSlice, FindsStringEndAtEveryPosition) {
  for (size_t before = 0; before < 20; ++before) {
    const std::string plain(before, 'a');
    EXPECT_TRUE(IsJsonValue(absl::StrCat("\"", plain, "\""))) << before;
    EXPECT_TRUE(IsJsonValue(absl::StrCat("\"", plain, "\\\"", plain, "\""))) << before;
    EXPECT_TRUE(IsJsonValue(absl::StrCat("\"", plain, "\x20\x21\x23\x5b\x5d\x7fé", plain, "\"")));
    EXPECT_FALSE(IsJsonValue(absl::StrCat("\"", plain, "\x1f", plain, "\""))) << before;
    EXPECT_FALSE(IsJsonValue(absl::StrCat("\"", plain, "\"", plain, "\""))) << before;
  }
}

TEST(JsonSlice, ReadsText) {
  EXPECT_EQ(JsonText(R"("a\u00e9\ud83d\ude00\/")"), "aé😀/");
  EXPECT_EQ(JsonText(R"("\udc00")"), std::nullopt);
  EXPECT_EQ(JsonText("1"), std::nullopt);
}

// Writes random JSON texts, and breaks some of them; none has a number beyond a double, or half a
// surrogate pair, for these the library refuses.
class JsonWriter {
 public:
  explicit JsonWriter(uint64_t seed) : random_(seed) {}

  std::string Value(int depth = 0) {
    switch (Below(depth > 4 ? 5 : 8)) {
      case 0:
        return Pick({"true", "false", "null"});
      case 1:
      case 2:
        return Number();
      case 3:
      case 4:
        return String();
      case 5:
        return Sequence("[", "]", [&] { return Value(depth + 1); });
      default:
        return Sequence("{", "}", [&] {
          return absl::StrCat(String(), Space(), ":", Space(), Value(depth + 1));
        });
    }
  }

  std::string Broken() {
    std::string text = Value();
    const size_t at = Below(text.size());
    if (Below(2) == 0) {
      text.erase(at, 1);
    } else {
      text.insert(at, Pick({",", "\"", "]", "}", "0", "\\", " ", "\x01", "\x80", "-"}));
    }
    return text;
  }

 private:
  uint64_t Below(uint64_t end) {
    return std::uniform_int_distribution<uint64_t>(0, end - 1)(random_);
  }

  std::string Pick(const std::vector<std::string>& texts) { return texts[Below(texts.size())]; }

  std::string Space() { return Pick({"", "", " ", "  ", "\t", "\n", "\r\n"}); }

  std::string Digits() {
    std::string digits;
    for (uint64_t i = Below(25) + 1; i > 0; --i)
      digits.push_back(static_cast<char>('0' + Below(10)));
    return digits;
  }

  std::string Number() {
    return absl::StrCat(Pick({"", "-"}), Below(2) == 0 ? "0" : absl::StrCat(Below(9) + 1, Digits()),
                        Below(2) == 0 ? "" : absl::StrCat(".", Digits()),
                        Pick({"", "", "e5", "E+05", "e-007"}));
  }

  std::string String() {
    std::string text = "\"";
    for (uint64_t i = Below(6); i > 0; --i) {
      text += Pick({"a", "é", "😀", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "{", "]", " ", "\x7f"});
    }
    return text + "\"";
  }

  template <typename Item>
  std::string Sequence(const char* begin, const char* end, Item item) {
    std::string text = absl::StrCat(begin, Space());
    for (uint64_t i = Below(4); i > 0; --i) {
      absl::StrAppend(&text, item(), Space(), i > 1 ? "," : "", Space());
    }
    return text + end;
  }

  std::mt19937_64 random_;
};

// The library knows what valid JSON is, but not how it was written.
TEST(JsonSlice, AgreesWithLibrary) {
  JsonWriter writer(7);
  for (int i = 0; i < 5000; ++i) {
    const std::string value = writer.Value();
    EXPECT_TRUE(IsJsonValue(value)) << value;
    const std::string object = absl::StrCat("{\"a\":", writer.Broken(), "}");
    EXPECT_EQ(IsJsonValue(object), nlohmann::json::accept(object)) << object;
  }
}

// What is published as a line, or by another client, is read as a line that publishes the same.
TEST(JsonSlice, DataRoundTripsByteForByte) {
  JsonWriter writer(11);
  for (int i = 0; i < 2000; ++i) {
    const std::string data = writer.Value();
    auto event = ParseEvent(absl::StrCat("{\"data\":", data, "}"));
    ASSERT_TRUE(event.ok()) << data << event.status();
    ASSERT_EQ(event->data(), data);
    for (const char* type : {"application/json", "text/plain", "application/octet-stream"}) {
      event->set_data_content_type(type);
      std::string line;
      AppendEvent(*event, {.position = Position{0, i, absl::UnixEpoch()}}, &line);
      ASSERT_EQ(line.find('\n'), std::string::npos) << line;
      const auto again = ParseEvent(line);
      ASSERT_TRUE(again.ok()) << line << again.status();
      ASSERT_EQ(again->SerializeAsString(), event->SerializeAsString()) << line;
    }
  }
}

}  // namespace
}  // namespace eventhub::json

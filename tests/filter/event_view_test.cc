// EventView reads the same as a protobuf parser, from any valid encoding of an event.
#include "server/filter/event_view.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/filter/cesql_cases.h"
#include "tests/filter/show.h"
#include "tests/server/seeded.h"

namespace eventhub {
namespace {

using filter::AttributeSet;
using filter::Value;

void ExpectAgreement(const std::string& bytes) {
  v1::Event parsed;
  ASSERT_TRUE(parsed.ParseFromString(bytes));
  const EventView view(bytes);
  AttributeSet all;
  for (const char* name :
       {"id", "source", "type", "subject", "time", "partitionkey", "datacontenttype", "dataschema",
        "specversion", "ext", "other", "flag", "none"}) {
    all.Add(name);
  }
  std::vector<Value> values(all.size());
  ASSERT_TRUE(view.Read(all, values.data()));
  for (uint32_t slot = 0; slot < all.size(); ++slot) {
    const std::string& name = all.name(slot);
    EXPECT_EQ(Show(values[slot]), ShowAttribute(parsed, name)) << name;
    EXPECT_EQ(Show(view.Find(name)), ShowAttribute(parsed, name)) << name;
  }
}

TEST(EventView, FindsEveryAttribute) {
  ExpectAgreement(SampleEvent().SerializeAsString());
  ExpectAgreement("");
}

TEST(EventView, AddsAnAttributeOnce) {
  AttributeSet set;
  EXPECT_EQ(set.Add("type"), 0u);
  EXPECT_EQ(set.Add("ext"), 1u);
  EXPECT_EQ(set.Add("type"), 0u);
  EXPECT_EQ(set.Add("ext"), 1u);
  EXPECT_EQ(set.size(), 2u);
}

TEST(EventView, IgnoresData) {
  v1::Event event;
  event.set_data(SampleEvent().SerializeAsString());
  const std::string bytes = event.SerializeAsString();
  EXPECT_TRUE(EventView(bytes).Find("subject").missing());
  EXPECT_TRUE(EventView(bytes).Find("data").missing());
}

TEST(EventView, KeepsTimeAsWritten) {
  const std::string bytes = SampleEvent().SerializeAsString();
  EXPECT_EQ(Show(EventView(bytes, "2026-01-01T01:00:00+01:00").Find("time")),
            "string 2026-01-01T01:00:00+01:00");
}

TEST(EventView, RejectsMalformedEvents) {
  const std::string bytes = SampleEvent().SerializeAsString();
  AttributeSet wanted;
  wanted.Add("ext");
  Value value;
  EXPECT_FALSE(
      EventView(absl::string_view(bytes).substr(0, bytes.size() - 1)).Read(wanted, &value));
  EXPECT_FALSE(EventView("\x4a\x02\x0a\x05").Read(wanted, &value));
  EXPECT_TRUE(EventView("\x0a\x7f").Find("id").missing());
}

// Encodings that protobuf allows but no library writes: repeated and unordered fields, split
// messages, unknown fields, wrong wire types.
class EncodedEvents : public SeededTest {
 protected:
  static void Varint(uint64_t value, std::string* out) {
    for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
    out->push_back(static_cast<char>(value));
  }
  static void Bytes(uint32_t field, const std::string& value, std::string* out) {
    Varint(field << 3 | 2, out);
    Varint(value.size(), out);
    *out += value;
  }
  static void Number(uint32_t field, uint64_t value, std::string* out) {
    Varint(field << 3, out);
    Varint(value, out);
  }

  std::string Text() {
    const char* const texts[] = {"", "a", "ab", "subject", "Grüße"};
    return OneIn(20) ? std::string(static_cast<size_t>(Int(100, 300)), 'x') : texts[Int(0, 4)];
  }

  void Unknown(std::string* out) {
    switch (Int(0, 3)) {
      case 0:
        return Number(static_cast<uint32_t>(Int(1, 40)) + 100, static_cast<uint64_t>(Int(0, 999)),
                      out);
      case 1:
        return Bytes(200, Text(), out);
      case 2:
        Varint(21 << 3 | 1, out);
        *out += "12345678";
        return;
      default:
        Varint(22 << 3 | 5, out);
        *out += "1234";
    }
  }

  std::string Timestamp() {
    std::string time;
    for (int64_t i = Int(0, 3); i > 0; --i) {
      if (OneIn(6)) Unknown(&time);
      const bool seconds = OneIn(2);
      Number(seconds ? 1 : 2, static_cast<uint64_t>(seconds ? Int(-9, 9) : Int(0, 999)), &time);
    }
    return time;
  }

  std::string AttributeValue() {
    std::string value;
    for (int64_t i = Int(0, 3); i > 0; --i) {
      const auto field = static_cast<uint32_t>(Int(1, 7));
      if (OneIn(8)) Unknown(&value);
      // Sometimes with the wrong wire type.
      if ((field <= 2) != OneIn(15)) {
        Number(field, static_cast<uint64_t>(Int(-5, 5)), &value);
      } else {
        Bytes(field, field == 7 ? Timestamp() : Text(), &value);
      }
    }
    return value;
  }

  std::string Entry() {
    const char* const names[] = {"ext", "other", "flag", ""};
    std::string entry;
    for (int64_t i = Int(0, 3); i > 0; --i) {
      if (OneIn(8)) Unknown(&entry);
      if (OneIn(2)) {
        Bytes(1, names[Int(0, 3)], &entry);
      } else {
        Bytes(2, AttributeValue(), &entry);
      }
    }
    return entry;
  }

  std::string Event() {
    std::string event;
    for (int64_t i = Int(0, 16); i > 0; --i) {
      const auto field = static_cast<uint32_t>(Int(1, 10));
      if (OneIn(10)) Unknown(&event);
      if (OneIn(15)) {
        Number(field, static_cast<uint64_t>(Int(0, 999)), &event);
      } else {
        Bytes(field, field == 5 ? Timestamp() : field == 9 ? Entry() : Text(), &event);
      }
    }
    return event;
  }
};

TEST_F(EncodedEvents, AgreeWithParser) {
  for (int i = Steps(20'000); i > 0; --i) {
    const std::string event = Event();
    ExpectAgreement(event);
    ASSERT_FALSE(HasFailure()) << testing::PrintToString(event);
  }
}

}  // namespace
}  // namespace eventhub

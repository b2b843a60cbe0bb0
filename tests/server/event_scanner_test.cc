// The events that the hub accepts: each rule of event.proto, and never more than protobuf's own
// parser accepts.
#include "server/core/event/event_scanner.h"

#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/wire/event_rules.h"
#include "server/core/base/errors.h"
#include "tests/support/events.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using absl::StatusCode;

constexpr size_t kMaxEventBytes = 1 << 20;

absl::Status Scan(absl::string_view region, EventScan* scan = nullptr) {
  EventScan unused;
  return ScanEvents(region, kMaxEventBytes, /*keys=*/true, scan != nullptr ? scan : &unused);
}

absl::Status ScanOne(const v1::Event& event) { return Scan(EncodeEvent(event)); }

// The same for bytes that no protobuf library would produce.
std::string Wrap(absl::string_view event) {
  std::string region = "\x7a";
  size_t size = event.size();
  for (; size >= 0x80; size >>= 7) region.push_back(static_cast<char>(size | 0x80));
  region.push_back(static_cast<char>(size));
  region.append(event.data(), event.size());
  return region;
}

std::string Minimal() { return MakeEvent("i").SerializeAsString(); }

// A refusal that names events[index] and the field.
MATCHER_P2(Names, index, field, "") {
  const std::optional<v1::ErrorDetail> detail = DetailOf(arg);
  *result_listener << arg.ToString();
  std::string path = "events[" + std::to_string(index) + "]";
  if (*field != '\0') path += std::string(".") + field;
  return arg.code() == StatusCode::kInvalidArgument && detail.has_value() &&
         detail->reason() == v1::ErrorDetail::REASON_INVALID_FIELD &&
         detail->event_index() == static_cast<uint32_t>(index) && detail->field() == path &&
         arg.message().find(path) == 0;
}

v1::Event Full() {
  v1::Event event = MakeEvent("id", "key", std::string("\0\xff", 2));
  event.set_subject("subject \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
  event.mutable_time()->set_seconds(1'700'000'000);
  event.mutable_time()->set_nanos(999'999'999);
  event.set_data_content_type("application/json");
  event.set_data_schema("urn:schema");
  auto& attributes = *event.mutable_attributes();
  attributes["boolean"].set_boolean(true);
  attributes["integer"].set_integer(-1);
  attributes["string"].set_string("text");
  attributes["binary"].set_binary(std::string("\xff\xfe", 2));
  attributes["uri"].set_uri("urn:x");
  attributes["uriref"].set_uri_ref("/x");
  attributes["timestamp"].mutable_timestamp()->set_seconds(-1);
  attributes["none"];
  return event;
}

TEST(EventScanner, AcceptsCompleteEvents) {
  EXPECT_THAT(ScanOne(Full()), IsOk());
  EXPECT_THAT(ScanOne(MakeEvent("i")), IsOk());
}

TEST(EventScanner, FindsEventsAndKeys) {
  const std::vector<v1::Event> events = {MakeEvent("a", "key"), MakeEvent("b"), Full()};
  std::string region;
  for (const v1::Event& event : events) region += EncodeEvent(event);
  EventScan scan;
  ASSERT_THAT(Scan(region, &scan), IsOk());
  EXPECT_EQ(scan.count, 3u);
  EXPECT_EQ(scan.keyed, 2u);
  ASSERT_EQ(scan.events.size(), 3u);
  size_t sum = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(scan.events[i].bytes, EncodeEvent(events[i]).size());
    EXPECT_EQ(scan.events[i].keyed, !events[i].partition_key().empty());
    sum += scan.events[i].bytes;
  }
  EXPECT_EQ(sum, region.size());
  EXPECT_EQ(scan.events[0].key_hash, scan.events[2].key_hash);
  EventScan counted;
  ASSERT_THAT(ScanEvents(region, kMaxEventBytes, /*keys=*/false, &counted), IsOk());
  EXPECT_EQ(counted.count, 3u);
  EXPECT_EQ(counted.keyed, 2u);
}

TEST(EventScanner, EmptyRegionHasNoEvents) {
  EventScan scan;
  EXPECT_THAT(Scan("", &scan), IsOk());
  EXPECT_EQ(scan.count, 0u);
}

TEST(EventScanner, RequiresIdSourceAndType) {
  for (const char* field : {"id", "source", "type"}) {
    v1::Event event = MakeEvent("i");
    const auto* descriptor = v1::Event::descriptor()->FindFieldByName(field);
    event.GetReflection()->ClearField(&event, descriptor);
    EXPECT_THAT(Scan(EncodeEvent(Full()) + EncodeEvent(event)), Names(1, field));
    // Present, and empty.
    const std::string empty = {static_cast<char>(descriptor->number() << 3 | 2), 0};
    EXPECT_THAT(Scan(Wrap(event.SerializeAsString() + empty)), Names(0, field));
    // As in protobuf, the last one counts.
    EXPECT_THAT(Scan(Wrap(Minimal() + empty)), Names(0, field));
  }
  EXPECT_THAT(Scan(Wrap("")), Names(0, "id"));
}

TEST(EventScanner, ValidatesStrings) {
  for (const char* field :
       {"id", "source", "type", "subject", "partition_key", "data_content_type", "data_schema"}) {
    const auto* descriptor = v1::Event::descriptor()->FindFieldByName(field);
    v1::Event event = MakeEvent("i");
    const auto set = [&](const std::string& value) {
      event.GetReflection()->SetString(&event, descriptor, value);
    };
    set(std::string(1024, 'x'));
    EXPECT_THAT(ScanOne(event), IsOk()) << field;
    set(std::string(1025, 'x'));
    EXPECT_THAT(ScanOne(event), Names(0, field));
    const std::string bad = {static_cast<char>(descriptor->number() << 3 | 2), 1, '\xff'};
    EXPECT_THAT(Scan(Wrap(Minimal() + bad)), Names(0, field));
    // Even if a later one counts.
    EXPECT_THAT(Scan(Wrap(bad + Minimal())), Names(0, field));
  }
}

TEST(EventScanner, ValidatesUtf8) {
  const auto scan = [](const std::string& text) {
    std::string subject = "\x22";
    subject.push_back(static_cast<char>(text.size()));
    return Scan(Wrap(Minimal() + subject + text)).ok();
  };
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
                           "12345678\xc3\xa4", "1234567\xe2\x82\xac"}) {
    EXPECT_TRUE(scan(good)) << good;
  }
  EXPECT_TRUE(scan(std::string("a\0b", 3)));
  for (const char* bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe2\x82",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "12345678\xff", "1234567\xff", "1234567\xe2\x82"}) {
    EXPECT_FALSE(scan(bad)) << bad;
  }
}

TEST(EventScanner, ValidatesTime) {
  v1::Event event = MakeEvent("i");
  const auto scan = [&](int64_t seconds, int32_t nanos) {
    event.mutable_time()->set_seconds(seconds);
    event.mutable_time()->set_nanos(nanos);
    return ScanOne(event);
  };
  EXPECT_THAT(scan(-62135596800, 0), IsOk());
  EXPECT_THAT(scan(253402300799, 999'999'999), IsOk());
  EXPECT_THAT(scan(-62135596801, 0), Names(0, "time"));
  EXPECT_THAT(scan(253402300800, 0), Names(0, "time"));
  EXPECT_THAT(scan(0, -1), Names(0, "time"));
  EXPECT_THAT(scan(0, 1'000'000'000), Names(0, "time"));
}

TEST(EventScanner, ValidatesAttributes) {
  const auto scan = [](const std::string& name, const std::string& text) {
    v1::Event event = MakeEvent("i");
    (*event.mutable_attributes())[name].set_string(text);
    return ScanOne(event);
  };
  EXPECT_THAT(scan(std::string(256, 'n'), std::string(5000, 'x')), IsOk());
  EXPECT_THAT(scan(std::string(257, 'n'), ""), Names(0, "attributes"));
  EXPECT_THAT(scan("", "text"), Names(0, "attributes"));
  for (const char* name : {"id", "type", "data", "data_base64", "specversion", "partitionkey"}) {
    EXPECT_THAT(scan(name, "text"), Names(0, "attributes")) << name;
  }

  for (const char* name : {"MyExt", "example-extension", "hub_offset", "a.b", "é", " "}) {
    EXPECT_THAT(scan(name, "text"), Names(0, "attributes")) << name;
    v1::Event stored = MakeEvent("i");
    (*stored.mutable_attributes())[name].set_string("text");
    EventScan any;
    EXPECT_THAT(
        ScanEvents(EncodeEvent(stored), kMaxEventBytes, /*keys=*/true, &any, EventRules::kStored),
        IsOk())
        << name;
  }

  v1::Event event = MakeEvent("i");
  for (int i = 0; i < 256; ++i) (*event.mutable_attributes())[std::to_string(i)].set_integer(i);
  EXPECT_THAT(ScanOne(event), IsOk());
  (*event.mutable_attributes())["one too many"].set_integer(0);
  EXPECT_THAT(ScanOne(event), Names(0, "attributes"));

  event = MakeEvent("i");
  (*event.mutable_attributes())["at"].mutable_timestamp()->set_nanos(-1);
  EXPECT_THAT(ScanOne(event), Names(0, "attributes"));
}

TEST(EventScanner, RejectsMalformedAttributeEntries) {
  const auto scan = [](const std::string& entry) {
    std::string field = "\x4a";
    field.push_back(static_cast<char>(entry.size()));
    return Scan(Wrap(Minimal() + field + entry));
  };
  using std::string;
  EXPECT_THAT(scan(string("\x0a\x01n\x12\x00", 5)), IsOk());
  EXPECT_THAT(scan(string("\x0a\x01n", 3)), IsOk());                              // No value.
  EXPECT_THAT(scan(string("\x12\x00", 2)), Names(0, "attributes"));               // No name.
  EXPECT_THAT(scan(string("\x0a\x01\xff\x12\x00", 5)), Names(0, "attributes"));   // Not UTF-8.
  EXPECT_THAT(scan(string("\x0a\x01\xff\x0a\x01n", 6)), Names(0, "attributes"));  // The first.
  EXPECT_THAT(scan(string("\x0a\x01n\x12\x03\x1a\x01\xff", 8)), Names(0, "attributes"));  // Value.
  EXPECT_THAT(scan(string("\x0a\x01n\x12\x03\x22\x01\xff", 8)), IsOk());                  // Binary.
  EXPECT_THAT(scan(string("\x0a\x01n\x12\x02\x1a\x05", 7)), Names(0, "attributes"));  // Cut short.
  EXPECT_THAT(scan(string("\x0a\x05n", 3)), Names(0, "attributes"));
}

TEST(EventScanner, LimitsEventSize) {
  v1::Event event = MakeEvent("i");
  const size_t rest = event.ByteSizeLong();
  event.set_data(std::string(1000 - rest - 3, 'x'));
  ASSERT_EQ(event.ByteSizeLong(), 1000u);
  EventScan scan;
  EXPECT_THAT(ScanEvents(EncodeEvent(event), 1000, false, &scan), IsOk());
  scan = {};
  EXPECT_THAT(ScanEvents(EncodeEvent(event) + EncodeEvent(event), 999, false, &scan), Names(0, ""));
}

TEST(EventScanner, FindsDelays) {
  using std::string;
  // deliver_at of 5 s and, merged into it, 7 ns.
  const string at = Wrap(Minimal() + string("\x5a\x02\x08\x05\x5a\x02\x10\x07", 8));
  const string after = Wrap(Minimal() + string("\x62\x02\x08\x09", 4));
  const string plain = Wrap(Minimal());
  EventScan scan;
  ASSERT_THAT(ScanEvents(plain + at + after, 1000, false, &scan), IsOk());
  EXPECT_EQ(scan.count, 3u);
  ASSERT_EQ(scan.delays.size(), 2u);
  EXPECT_EQ(scan.delays[0].index, 1u);
  EXPECT_EQ(scan.delays[0].begin, plain.size());
  EXPECT_EQ(scan.delays[0].bytes, at.size());
  EXPECT_FALSE(scan.delays[0].relative);
  EXPECT_EQ(scan.delays[0].time, absl::Seconds(5) + absl::Nanoseconds(7));
  EXPECT_TRUE(scan.delays[1].relative);
  EXPECT_EQ(scan.delays[1].time, absl::Seconds(9));
  EXPECT_THAT(Scan(Wrap(Minimal() + string("\x5a\x01\xff", 3))), Names(0, "deliver_at"));
  EXPECT_THAT(Scan(Wrap(Minimal() + string("\x62\x01\xff", 3))), Names(0, "deliver_after"));
}

TEST(EventScanner, AcceptsUnknownFields) {
  using std::string;
  EXPECT_THAT(Scan(Wrap(Minimal() + string("\x68\x01", 2))), IsOk());              // 13, varint.
  EXPECT_THAT(Scan(Wrap(Minimal() + string("\x6a\x01\xff", 3))), IsOk());          // 13, bytes.
  EXPECT_THAT(Scan(Wrap(Minimal() + string("\x6d\x01\x02\x03\x04", 5))), IsOk());  // 13, fixed.
  EXPECT_THAT(Scan(Wrap(Minimal() + string("\x08\x01", 2))), IsOk());              // 1 as a varint.
}

TEST(EventScanner, RejectsMalformedProtobuf) {
  using std::string;
  const string good = EncodeEvent(MakeEvent("i"));
  for (size_t size = 1; size < good.size(); ++size) {
    EXPECT_THAT(Scan(good + good.substr(0, size)), Names(1, "")) << size;
  }
  EXPECT_THAT(Scan("\x0a\x01x"), Names(0, ""));                              // Another field.
  EXPECT_THAT(Scan("\x78\x01"), Names(0, ""));                               // 15 as a varint.
  EXPECT_THAT(Scan(Wrap(Minimal() + string("\x5b\x5c", 2))), Names(0, ""));  // A group.
  EXPECT_THAT(Scan(Wrap(Minimal() + string("\x02\x00", 2))), Names(0, ""));  // Field 0.
  EXPECT_FALSE(Scan(Wrap(Minimal() + string("\x58") + string(10, '\xff'))).ok());  // No end.
  // Lengths and tags of more than five bytes, which protobuf's own parsers refuse.
  EXPECT_FALSE(Scan(Wrap(Minimal() + string("\x52\x80\x80\x80\x80\x80\x00", 7))).ok());
  EXPECT_FALSE(Scan(Wrap(Minimal() + string("\xd8\x80\x80\x80\x80\x00\x01", 7))).ok());
}

// Protobuf parses every accepted event, and every event that protobuf writes is accepted. Mutates
// valid events, from one seed.
TEST(EventScanner, AcceptsNothingThatProtobufRefuses) {
  std::mt19937 random(20'240'517);
  const auto below = [&](size_t n) { return random() % n; };
  v1::Event twice = Full();
  twice.MergeFrom(Full());
  const std::vector<std::string> seeds = {Full().SerializeAsString(), Minimal(),
                                          Full().SerializeAsString() + Minimal(),
                                          twice.SerializeAsString()};
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string bytes = seeds[below(seeds.size())];
    for (size_t n = 1 + below(3); n > 0; --n) {
      const size_t at = below(bytes.size());
      switch (below(5)) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes[at] ^= static_cast<char>(1 << below(8));
          break;
        case 2:
          bytes.erase(at, 1 + below(3));
          break;
        case 3:
          bytes.insert(at, 1 + below(6), below(2) == 0 ? '\x80' : static_cast<char>(random()));
          break;
        case 4:
          bytes += bytes.substr(at, below(20));
          break;
      }
      if (bytes.empty()) bytes = "x";
    }
    const std::string region = Wrap(bytes);
    EventScan scan;
    if (Scan(region, &scan).ok()) {
      ++accepted;
      v1::Event event;
      ASSERT_TRUE(event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
          << testing::PrintToString(bytes);
      v1::EventBatch batch;
      ASSERT_TRUE(batch.ParseFromString(region));
      ASSERT_EQ(batch.events_size(), 1);
      ASSERT_EQ(scan.count, 1u);
      ASSERT_EQ(scan.keyed, event.partition_key().empty() ? 0u : 1u);
      if (scan.keyed > 0) {
        ASSERT_EQ(scan.events[0].key_hash % 1000,
                  wire::PartitionOfKey(event.partition_key(), 1000));
      }
      ASSERT_THAT(Scan(EncodeEvent(event)), IsOk());
    } else {
      ++refused;
    }
  }
  EXPECT_GT(accepted, 5000);
  EXPECT_GT(refused, 5000);
}

}  // namespace
}  // namespace eventhub

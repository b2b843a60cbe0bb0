// The bytes on disk, as client/outbox/FORMAT.md describes them.
#include "client/outbox/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace eventhub::client::outbox {
namespace {

std::string Hex(const std::string& bytes) { return absl::BytesToHexString(bytes); }

const absl::Time kTime = absl::FromUnixMicros(0x0102030405060708);

TEST(OutboxFormatTest, Keys) {
  EXPECT_EQ(Hex(TopicKey(0x01020304)), "7401020304");
  EXPECT_EQ(Hex(Encode(PartKey{1, 0x0102030405060708, 9})),
            "00000001"
            "0102030405060708"
            "00000009");
  EXPECT_EQ(Hex(RefusedKey(1, 2)),
            "00000001"
            "0000000000000002");
  ASSERT_OK_AND_ASSIGN(const PartKey key, ParsePartKey(Encode(PartKey{1, 2, 3})));
  EXPECT_EQ(key, (PartKey{1, 2, 3}));
  ASSERT_OK_AND_ASSIGN(const TopicNumber topic, ParseTopicKey(TopicKey(7)));
  EXPECT_EQ(topic, 7u);
  EXPECT_THAT(ParsePartKey("short"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(OutboxFormatTest, OutboxRecord) {
  const std::string value = Encode(OutboxRecord{"abc"});
  EXPECT_EQ(Hex(value),
            "01000000"
            "616263");
  OutboxRecord read;
  ASSERT_THAT(Decode(value, read), IsOk());
  EXPECT_EQ(read.producer, "abc");
}

TEST(OutboxFormatTest, TopicRecord) {
  const TopicRecord record{.name = "t",
                           .epoch = 1,
                           .base = 2,
                           .head = 3,
                           .head_event = 4,
                           .sealed = 5,
                           .next_event = 0x0102030405060708};
  const std::string value = Encode(record);
  EXPECT_EQ(Hex(value),
            "01000000"
            "0100000000000000"
            "0200000000000000"
            "0300000000000000"
            "0400000000000000"
            "0500000000000000"
            "0807060504030201"
            "74");
  TopicRecord read;
  ASSERT_THAT(Decode(value, read), IsOk());
  EXPECT_EQ(read, record);
}

TEST(OutboxFormatTest, PartHeader) {
  const PartHeader header{.accepted = kTime, .first_event = 2, .events = 3, .span = 4, .bytes = 5};
  const std::string value = Encode(header);
  EXPECT_EQ(Hex(value),
            "01000000"
            "0807060504030201"
            "0200000000000000"
            "03000000"
            "04000000"
            "05000000");
  PartHeader read;
  ASSERT_THAT(Decode(value, read), IsOk());
  EXPECT_EQ(read, header);
}

TEST(OutboxFormatTest, RefusedRecord) {
  const RefusedRecord record{.accepted = kTime,
                             .refused = absl::FromUnixMicros(1),
                             .in_doubt = true,
                             .error = absl::InvalidArgumentError("no"),
                             .event = "e"};
  const std::string value = Encode(record);
  EXPECT_EQ(Hex(value),
            "01000000"
            "0807060504030201"
            "0100000000000000"
            "01000000"
            "03000000"
            "02000000"
            "6e6f"
            "65");
  RefusedRecord read;
  ASSERT_THAT(Decode(value, read), IsOk());
  EXPECT_EQ(read.accepted, kTime);
  EXPECT_TRUE(read.in_doubt);
  EXPECT_EQ(read.error, record.error);
  EXPECT_EQ(read.event, "e");
}

TEST(OutboxFormatTest, RefusesOtherVersionsAndTruncatedValues) {
  const std::string value = Encode(PartHeader{.accepted = kTime, .events = 1, .span = 1});
  PartHeader header;
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_THAT(Decode(value.substr(0, size), header), StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_THAT(Decode(value + "x", header), StatusIs(absl::StatusCode::kDataLoss));
  std::string newer = value;
  newer[0] = 2;
  EXPECT_THAT(Decode(newer, header), StatusIs(absl::StatusCode::kFailedPrecondition, "version 2"));
}

}  // namespace
}  // namespace eventhub::client::outbox

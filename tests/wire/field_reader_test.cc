#include "proto/wire/field_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"
#include "proto/wire/fields.h"

namespace eventhub {
namespace {

TEST(FieldReaderTest, ReadsEveryFieldType) {
  v1::EventBatch batch;
  batch.set_partition(7);
  batch.set_base_offset(1'000'000'000'000);
  batch.set_run(0x0123456789abcdef);
  batch.add_offset_deltas(300);
  batch.add_events()->set_id("a");
  const std::string bytes = batch.SerializeAsString();

  wire::FieldReader field{std::string_view(bytes)};
  ASSERT_TRUE(field.Next());
  EXPECT_TRUE(field.Is(v1::EventBatch::kPartitionFieldNumber, wire::WireType::kVarint));
  EXPECT_EQ(field.value(), 7u);
  ASSERT_TRUE(field.Next());
  EXPECT_EQ(field.value(), 1'000'000'000'000u);
  ASSERT_TRUE(field.Next());
  EXPECT_TRUE(field.Is(v1::EventBatch::kOffsetDeltasFieldNumber));
  EXPECT_EQ(field.bytes(), "\xAC\x02");
  ASSERT_TRUE(field.Next());
  EXPECT_TRUE(field.Is(v1::EventBatch::kRunFieldNumber, wire::WireType::kFixed64));
  EXPECT_EQ(field.value(), 0x0123456789abcdefu);
  ASSERT_TRUE(field.Next());
  EXPECT_TRUE(field.Is(wire::kEventsField));
  EXPECT_EQ(field.bytes(), batch.events(0).SerializeAsString());
  EXPECT_EQ(field.field().front(), wire::kEventsTag);
  EXPECT_EQ(std::string(field.before()) + std::string(field.field()), bytes);
  EXPECT_TRUE(field.after().empty());
  EXPECT_FALSE(field.Next());
  EXPECT_TRUE(field.ok());
}

TEST(FieldReaderTest, RejectsMalformedFields) {
  const struct {
    std::string bytes;
    uint32_t number;  // Of the field at fault.
  } cases[] = {
      {std::string("\x7A\x05"
                   "abc",
                   5),
       15},                                                 // Cut off.
      {std::string("\x7A"), 15},                            // No length.
      {std::string("\x80"), 0},                             // Half a tag.
      {std::string("\x00\x01", 2), 0},                      // Field 0.
      {std::string("\x0B"), 0},                             // A group.
      {std::string("\x09\x01\x02", 3), 1},                  // Half a number.
      {std::string("\x88\x80\x80\x80\x80\x00\x01", 7), 0},  // A tag of 6 bytes.
      {std::string("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 12), 1},  // Over 64 bits.
      {std::string("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11), 1},
  };
  for (const auto& [bytes, number] : cases) {
    wire::FieldReader field{absl::string_view(bytes)};
    EXPECT_FALSE(field.Next()) << testing::PrintToString(bytes);
    EXPECT_FALSE(field.ok());
    EXPECT_EQ(field.number(), number) << testing::PrintToString(bytes);
    EXPECT_FALSE(field.Next());
  }
}

TEST(FieldReaderTest, LastValueWins) {
  v1::Event event;
  event.set_partition_key("first");
  std::string bytes = event.SerializeAsString();
  event.set_partition_key("second");
  bytes += event.SerializeAsString();
  EXPECT_EQ(wire::LastBytes(absl::string_view(bytes), v1::Event::kPartitionKeyFieldNumber),
            "second");
  EXPECT_EQ(wire::LastBytes(absl::string_view(bytes), v1::Event::kTypeFieldNumber), "");
  bytes += '\x80';
  EXPECT_EQ(wire::LastBytes(absl::string_view(bytes), v1::Event::kPartitionKeyFieldNumber), "");
}

}  // namespace
}  // namespace eventhub

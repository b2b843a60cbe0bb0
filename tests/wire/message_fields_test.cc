// Counting the fields of messages before they are parsed.
#include "proto/wire/message_fields.h"

#include <memory>
#include <optional>
#include <string>

#include "eventhub/v1/hub.pb.h"
#include "eventhub/v1/route.pb.h"
#include "eventhub/v1/subscription.pb.h"
#include "eventhub/v1/topology.pb.h"
#include "gtest/gtest.h"

namespace eventhub::wire {
namespace {

MessageFields Fields(const google::protobuf::Message& message, size_t most = 1000) {
  const std::optional<MessageFields> fields =
      CountFields(*message.GetDescriptor(), message.SerializeAsString(), most);
  EXPECT_TRUE(fields.has_value());
  return fields.value_or(MessageFields());
}

size_t Count(const google::protobuf::Message& message, size_t most = 1000) {
  return Fields(message, most).count;
}

TEST(MessageFieldsTest, CountsFieldsOfParts) {
  v1::ConsumeRequest request;
  EXPECT_EQ(Count(request), 0u);
  v1::Ack& ack = *request.add_acks();
  EXPECT_EQ(Count(request), 1u);
  ack.set_partition(1);
  ack.set_lease_epoch(2);
  ack.add_ranges()->set_start(3);
  ack.add_ranges()->set_end(4);
  EXPECT_EQ(Count(request), 7u);
}

// A string may look like a message.
TEST(MessageFieldsTest, TextIsOneField) {
  v1::ApplyTopologyRequest inner;
  for (int i = 0; i < 50; ++i) inner.mutable_topology()->add_topics();
  v1::ApplyTopologyRequest request;
  request.mutable_topology()->add_topics()->set_name(inner.SerializeAsString());
  EXPECT_EQ(Count(request), 3u);
}

TEST(MessageFieldsTest, CountsPackedNumbers) {
  v1::ReplaySubscriptionRequest request;
  for (uint32_t i = 0; i < 500; ++i) request.add_partitions(i);
  EXPECT_EQ(Count(request), 501u);
  EXPECT_GT(Count(request, 500), 500u);
}

TEST(MessageFieldsTest, StopsBeyondLimit) {
  v1::ApplyTopologyRequest request;
  for (int i = 0; i < 99; ++i) request.mutable_topology()->add_topics();
  EXPECT_EQ(Count(request, 100), 100u);
  EXPECT_EQ(Count(request, 99), 100u);
  EXPECT_EQ(Count(request, 10), 11u);
  EXPECT_EQ(Count(request, 0), 1u);
}

TEST(MessageFieldsTest, CountsUnknownFields) {
  v1::GetLatestRequest request;
  request.set_topic("t");
  EXPECT_EQ(Fields(request).unknown, 0u);
  request.GetReflection()->MutableUnknownFields(&request)->AddVarint(1000, 1);
  request.GetReflection()->MutableUnknownFields(&request)->AddLengthDelimited(1001)->assign("x");
  EXPECT_EQ(Fields(request).unknown, 2u);
  EXPECT_EQ(Count(request), 3u);
  // A number where the type has a string.
  const auto wrong =
      CountFields(*v1::GetLatestRequest::descriptor(), std::string("\x08\x01", 2), 9);
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->unknown, 1u);
}

// The estimate bounds what a parser allocates, without being many times as large.
TEST(MessageFieldsTest, EstimatesMemoryOfParsedMessage) {
  v1::ApplyTopologyRequest topology;
  v1::SeekSubscriptionRequest seek;
  v1::ConsumeRequest acks;
  v1::CreateRouteRequest route;
  v1::CancelReplaysRequest unknown;
  v1::Ack& ack = *acks.add_acks();
  for (int i = 0; i < 1000; ++i) {
    topology.mutable_topology()->add_topics()->set_name(std::to_string(i));
    topology.mutable_topology()->add_routes()->add_target_topics(std::string(100, 'x'));
    v1::PartitionOffset& offset = *seek.add_offsets();
    offset.set_partition(1);
    offset.set_offset(1'000'000);
    ack.add_ranges();
    (*route.mutable_route()->mutable_set_attributes())[std::to_string(i)].set_boolean(true);
    unknown.GetReflection()->MutableUnknownFields(&unknown)->AddVarint(1000, 1);
  }
  for (const google::protobuf::Message* message :
       {static_cast<const google::protobuf::Message*>(&topology),
        static_cast<const google::protobuf::Message*>(&seek),
        static_cast<const google::protobuf::Message*>(&acks),
        static_cast<const google::protobuf::Message*>(&route),
        static_cast<const google::protobuf::Message*>(&unknown)}) {
    const std::unique_ptr<google::protobuf::Message> parsed(message->New());
    const size_t empty = parsed->SpaceUsedLong();
    ASSERT_TRUE(parsed->ParseFromString(message->SerializeAsString()));
    const size_t used = parsed->SpaceUsedLong() - empty;
    const size_t estimate = Fields(*message, 100'000).parsed_bytes;
    EXPECT_GE(estimate, used) << message->GetTypeName();
    EXPECT_LE(estimate, 4 * used) << message->GetTypeName();
  }
}

TEST(MessageFieldsTest, RefusesWhatCannotBeParsed) {
  const auto counts = [](const google::protobuf::Descriptor* type, const std::string& message) {
    return CountFields(*type, message, 1'000'000).has_value();
  };
  const google::protobuf::Descriptor* const consume = v1::ConsumeRequest::descriptor();
  EXPECT_TRUE(counts(consume, ""));
  EXPECT_FALSE(counts(consume, std::string("\x1a\x7f", 2))) << "cut off";
  EXPECT_FALSE(counts(consume, "\xfb\x07\xfc\x07")) << "a group";
  EXPECT_FALSE(counts(consume, std::string("\x1a\x04\xfb\x07\xfc\x07", 6))) << "a group in a part";
  v1::Filter filter;
  v1::Filter* at = &filter;
  for (int i = 0; i < 5000; ++i) at = at->mutable_negation();
  EXPECT_FALSE(counts(filter.GetDescriptor(), filter.SerializeAsString())) << "nested too deeply";
}

}  // namespace
}  // namespace eventhub::wire

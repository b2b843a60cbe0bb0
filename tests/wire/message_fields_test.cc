// Counting the fields of messages before they are parsed.
#include "proto/wire/message_fields.h"

#include <string>

#include "eventhub/v1/hub.pb.h"
#include "eventhub/v1/topology.pb.h"
#include "gtest/gtest.h"

namespace eventhub::wire {
namespace {

size_t Count(const google::protobuf::Message& message, size_t most = 1000) {
  return CountFields(*message.GetDescriptor(), message.SerializeAsString(), most);
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

TEST(MessageFieldsTest, StopsBeyondLimit) {
  v1::ApplyTopologyRequest request;
  for (int i = 0; i < 99; ++i) request.mutable_topology()->add_topics();
  EXPECT_EQ(Count(request, 100), 100u);
  EXPECT_EQ(Count(request, 99), 100u);
  EXPECT_EQ(Count(request, 10), 11u);
  EXPECT_EQ(Count(request, 0), 1u);
}

TEST(MessageFieldsTest, RefusesWhatIsNestedTooDeeply) {
  v1::Filter filter;
  v1::Filter* at = &filter;
  for (int i = 0; i < 5000; ++i) at = at->mutable_negation();
  EXPECT_EQ(CountFields(*filter.GetDescriptor(), filter.SerializeAsString(), 1'000'000),
            1'000'001u);
}

TEST(MessageFieldsTest, StopsAtMalformedFields) {
  EXPECT_EQ(CountFields(*v1::ConsumeRequest::descriptor(), std::string("\x1a\x7f", 2), 10), 0u);
}

}  // namespace
}  // namespace eventhub::wire

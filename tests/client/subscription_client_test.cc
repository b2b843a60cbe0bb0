// SubscriptionClient: pages, and the encoding of each of its values.

#include "eventhub/subscription_client.h"

#include "client/src/admin/subscription_proto.h"
#include "client/src/admin/topic_proto.h"
#include "eventhub/mocks/mock_connection.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace eventhub::client {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Return;
using ::testing::StrictMock;

class SubscriptionClientTest : public testing::Test {
 protected:
  const std::shared_ptr<StrictMock<MockConnection>> hub_ =
      std::make_shared<StrictMock<MockConnection>>();
  SubscriptionClient client_{hub_, {.timeout = absl::Seconds(3)}};
};

SubscriptionSummary Summary(const std::string& name) {
  return {.subscription = {.name = name}, .consumers = 2};
}

TEST_F(SubscriptionClientTest, ListsAllPages) {
  EXPECT_CALL(*hub_, ListSubscriptions("t", 1000, "", absl::Seconds(3)))
      .WillOnce(Return(Page<SubscriptionSummary>{.items = {Summary("a")}, .next_page_token = "p"}));
  EXPECT_CALL(*hub_, ListSubscriptions("t", 1000, "p", _))
      .WillOnce(Return(Page<SubscriptionSummary>{.items = {Summary("b")}}));
  const auto subscriptions = client_.ListSubscriptions("t");
  ASSERT_TRUE(subscriptions.ok());
  ASSERT_EQ(subscriptions->size(), 2u);
  EXPECT_EQ((*subscriptions)[1].subscription.name, "b");
}

TEST_F(SubscriptionClientTest, VisitsDeadLettersUntilStopped) {
  const DeadLetterSelector all;
  const auto page = [](int64_t first, const std::string& next) {
    return Page<DeadLetter>{.items = {{.offset = first}, {.offset = first + 1}},
                            .next_page_token = next};
  };
  EXPECT_CALL(*hub_, ListDeadLetters("s", _, true, 100, "", _)).WillOnce(Return(page(0, "p")));
  EXPECT_CALL(*hub_, ListDeadLetters("s", _, true, 100, "p", _)).WillOnce(Return(page(2, "q")));
  std::vector<int64_t> offsets;
  EXPECT_TRUE(client_
                  .ListDeadLetters("s", all, /*with_data=*/true,
                                   [&](DeadLetter letter) {
                                     offsets.push_back(letter.offset);
                                     return offsets.size() < 3;
                                   })
                  .ok());
  EXPECT_THAT(offsets, ElementsAre(0, 1, 2));
}

TEST_F(SubscriptionClientTest, ReportsErrorOfLaterPage) {
  EXPECT_CALL(*hub_, ListDeadLetters("s", _, false, 1000, "", _))
      .WillOnce(Return(Page<DeadLetter>{.next_page_token = "p"}));
  EXPECT_CALL(*hub_, ListDeadLetters("s", _, false, 1000, "p", _))
      .WillOnce(Return(absl::UnavailableError("gone")));
  EXPECT_EQ(client_.ListDeadLetters("s", {}, false, [](const DeadLetter&) { return true; }).code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(SubscriptionClientTest, SeekAcceptsOneTarget) {
  EXPECT_EQ(
      client_.Seek("s", {.start = StartPosition::Latest(), .snapshot = "before"}).status().code(),
      absl::StatusCode::kInvalidArgument);
}

TEST(SubscriptionProtoTest, SettingsRoundTrip) {
  Subscription subscription{
      .name = "s",
      .topic = "t",
      .kind = SubscriptionKind::kQueue,
      .ordered_by_key = true,
      .ack_deadline = absl::Milliseconds(1500),
      .retry_policy = {.min_backoff = absl::Seconds(1), .max_backoff = absl::Hours(1)},
      .max_delivery_attempts = 5,
      .dead_letter_topic = "d",
      .expire_after = absl::Hours(24),
      .paused = true,
      .rate_limit = {.events_per_second = 10, .bytes_per_second = 1000},
      .ack_durability = Durability::kWritten,
      .description = "why"};
  const v1::Subscription proto = ToProto(subscription);
  EXPECT_EQ(proto.kind(), v1::Subscription::KIND_QUEUE);
  const v1::Subscription again = ToProto(FromProto(proto));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(again, proto))
      << again.DebugString() << proto.DebugString();
}

TEST(SubscriptionProtoTest, UnlimitedSettingsAreUnset) {
  for (const absl::Duration none : {absl::ZeroDuration(), absl::InfiniteDuration()}) {
    const v1::Subscription proto = ToProto(Subscription{.name = "s", .ack_deadline = none});
    EXPECT_FALSE(proto.has_ack_deadline());
    EXPECT_FALSE(proto.has_expire_after());
    EXPECT_FALSE(proto.has_rate_limit());
    EXPECT_EQ(FromProto(proto).ack_deadline, absl::InfiniteDuration());
    EXPECT_EQ(FromProto(proto).expire_after, absl::InfiniteDuration());
  }
}

TEST(SubscriptionProtoTest, UpdateMaskNamesSetFields) {
  const auto mask = [](const SubscriptionUpdate& update) {
    const v1::UpdateSubscriptionRequest request = ToProto("s", update);
    EXPECT_EQ(request.subscription().name(), "s");
    return std::vector<std::string>(request.update_mask().paths().begin(),
                                    request.update_mask().paths().end());
  };
  EXPECT_THAT(mask({}), IsEmpty());
  EXPECT_THAT(mask({.ack_deadline = absl::InfiniteDuration(),
                    .min_backoff = absl::Seconds(1),
                    .max_backoff = absl::Seconds(2),
                    .max_delivery_attempts = 0,
                    .dead_letter_topic = "d",
                    .expire_after = absl::InfiniteDuration(),
                    .paused = false,
                    .events_per_second = 0,
                    .bytes_per_second = 1,
                    .ack_durability = Durability::kSynced,
                    .description = ""}),
              ElementsAre("ack_deadline", "retry_policy.min_backoff", "retry_policy.max_backoff",
                          "max_delivery_attempts", "dead_letter_topic", "expire_after", "paused",
                          "rate_limit.events_per_second", "rate_limit.bytes_per_second",
                          "ack_durability", "description"));
  EXPECT_FALSE(ToProto("s", SubscriptionUpdate{.ack_deadline = absl::InfiniteDuration()})
                   .subscription()
                   .has_ack_deadline());
}

TEST(SubscriptionProtoTest, SeeksAndReplaysRoundTrip) {
  const v1::SeekSubscriptionRequest seek =
      ToProto("s", SeekTarget{.snapshot = "before", .offsets = {{3, 14}}});
  EXPECT_EQ(seek.snapshot(), "before");
  EXPECT_EQ(seek.offsets(0).partition(), 3u);
  EXPECT_EQ(seek.offsets(0).offset(), 14);
  EXPECT_EQ(ToProto("s", SeekTarget{.offsets = {{3, 14}}}).target_case(),
            v1::SeekSubscriptionRequest::TARGET_NOT_SET);
  const v1::ReplaySubscriptionRequest replay =
      ToProto("s", ReplaySpec{.partitions = {1, 2},
                              .start = StartPosition::Offset(5),
                              .stop_offset = 9,
                              .stop_time = absl::FromUnixSeconds(1'700'000'000),
                              .rate_limit = RateLimit{.events_per_second = 7},
                              .filter = Filter::Sql("type = 'a'")});
  EXPECT_EQ(replay.partitions_size(), 2);
  EXPECT_EQ(replay.start().offset(), 5);
  EXPECT_EQ(replay.stop_offset(), 9);
  EXPECT_EQ(replay.stop_time().seconds(), 1'700'000'000);
  EXPECT_EQ(replay.rate_limit().events_per_second(), 7u);
  EXPECT_EQ(replay.filter().sql(), "type = 'a'");
}

TEST(SubscriptionProtoTest, DeadLettersRoundTrip) {
  v1::DeadLetter proto;
  proto.set_partition(1);
  proto.set_offset(2);
  proto.set_source_partition(3);
  proto.set_source_offset(4);
  proto.set_attempts(5);
  proto.set_reason("r");
  proto.mutable_time()->set_seconds(6);
  proto.mutable_event()->set_id("e");
  const DeadLetter letter = FromProto(proto);
  EXPECT_EQ(letter.offset, 2);
  EXPECT_EQ(letter.source_offset, 4);
  EXPECT_EQ(letter.time, absl::FromUnixSeconds(6));
  EXPECT_EQ(letter.event.id(), "e");

  const v1::DeadLetterSelector selector =
      ToProto(DeadLetterSelector{.ranges = {{.partition = 1, .range = {2, 3}}},
                                 .start_time = absl::FromUnixSeconds(4),
                                 .end_time = absl::FromUnixSeconds(5),
                                 .types = {"a", "b"},
                                 .reason_contains = "x"});
  EXPECT_EQ(selector.ranges(0).range().end(), 3);
  EXPECT_EQ(selector.start_time().seconds(), 4);
  EXPECT_EQ(selector.end_time().seconds(), 5);
  EXPECT_EQ(selector.types_size(), 2);
  EXPECT_EQ(selector.reason_contains(), "x");
}

TEST(SubscriptionProtoTest, ParsesDescription) {
  v1::GetSubscriptionResponse proto;
  proto.mutable_subscription()->set_kind(v1::Subscription::KIND_STREAM);
  proto.mutable_stats()->set_lag_events(7);
  proto.mutable_stats()->mutable_oldest_age()->set_seconds(8);
  v1::SubscriptionPartition& partition = *proto.add_partitions();
  partition.set_head_attempts(3);
  partition.mutable_head_retry_time()->set_seconds(9);
  v1::ConsumerInfo& consumer = *proto.add_consumers();
  consumer.add_partitions(4);
  consumer.mutable_in_use()->set_events(5);
  consumer.set_stalled(true);
  proto.add_findings("no consumer is connected");
  const SubscriptionDescription description = FromProto(proto);
  EXPECT_EQ(description.subscription.kind, SubscriptionKind::kStream);
  EXPECT_EQ(description.stats.lag_events, 7u);
  EXPECT_EQ(description.stats.oldest_age, absl::Seconds(8));
  EXPECT_EQ(description.stats.last_ack_time, std::nullopt);
  EXPECT_EQ(description.partitions.at(0).head_attempts, 3u);
  EXPECT_EQ(description.partitions.at(0).head_retry_time, absl::FromUnixSeconds(9));
  EXPECT_THAT(description.consumers.at(0).partitions, ElementsAre(4));
  EXPECT_EQ(description.consumers.at(0).in_use.events, 5u);
  EXPECT_TRUE(description.consumers.at(0).stalled);
  EXPECT_THAT(description.findings, ElementsAre("no consumer is connected"));
}

TEST(TopicProtoTest, KeepUntilAckedRoundTrips) {
  const Topic topic{.name = "t", .keep_until_acked = true, .keep_until_acked_max_bytes = 5};
  const Topic again = FromProto(ToProto(topic));
  EXPECT_TRUE(again.keep_until_acked);
  EXPECT_EQ(again.keep_until_acked_max_bytes, 5u);
  const v1::UpdateTopicRequest update =
      ToProto("t", TopicUpdate{.keep_until_acked = false, .keep_until_acked_max_bytes = 0});
  EXPECT_THAT(update.update_mask().paths(),
              ElementsAre("retention.keep_until_acked", "retention.keep_until_acked_max_bytes"));
}

}  // namespace
}  // namespace eventhub::client

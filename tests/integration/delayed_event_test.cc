// Delayed events over the network: published, listed, cancelled, delivered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using testing::ElementsAre;

v1::ListDelayedEventsResponse ListDelayed(HubClient& client, const std::string& topic) {
  grpc::ClientContext context;
  v1::ListDelayedEventsRequest request;
  v1::ListDelayedEventsResponse response;
  request.set_topic(topic);
  EXPECT_THAT(client.delayed().ListDelayedEvents(&context, request, &response), IsOk());
  return response;
}

TEST(DelayedService, PublishesListsCancelsAndDelivers) {
  TestHub hub;
  HubClient& client = hub.client();
  CreateTopic(client, "t");
  v1::PublishRequest request = MakePublish("t", 3);
  request.mutable_events(0)->mutable_deliver_after()->set_seconds(3600);
  request.mutable_events(1)->mutable_deliver_after()->set_nanos(50'000'000);
  const v1::PublishResult result = Publish(client, request);
  ASSERT_EQ(result.delayed_size(), 2);
  EXPECT_EQ(result.placements(0).count(), 1u);
  ASSERT_TRUE(Eventually([&] { return ListDelayed(client, "t").events_size() == 1; }));
  const v1::DelayedEvent waiting = ListDelayed(client, "t").events(0);
  EXPECT_EQ(waiting.delay_id(), result.delayed(0).delay_id());
  EXPECT_EQ(waiting.event().id(), "0");
  EXPECT_FALSE(waiting.event().has_deliver_after());
  ASSERT_TRUE(Eventually([&] { return GetPartition(client, "t").end_offset() == 2; }));
  EXPECT_THAT(ReadAll(client, ReadOf("t")).ids(), ElementsAre("2", "1"));

  v1::CancelDelayedEventsRequest cancel;
  cancel.set_topic("t");
  cancel.add_delay_ids(waiting.delay_id());
  cancel.add_delay_ids(result.delayed(1).delay_id());
  grpc::ClientContext context;
  v1::CancelDelayedEventsResponse cancelled;
  ASSERT_THAT(client.delayed().CancelDelayedEvents(&context, cancel, &cancelled), IsOk());
  EXPECT_EQ(cancelled.cancelled(), 1u);
  EXPECT_EQ(ListDelayed(client, "t").events_size(), 0);
  EXPECT_EQ(GetStats(client).totals().delayed_events(), 0u);
}

TEST(DelayedService, ReportsErrors) {
  TestHub hub;
  grpc::ClientContext list;
  v1::ListDelayedEventsRequest request;
  v1::ListDelayedEventsResponse response;
  request.set_topic("no");
  EXPECT_THAT(hub.client().delayed().ListDelayedEvents(&list, request, &response),
              FailsWith(grpc::StatusCode::NOT_FOUND, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  grpc::ClientContext cancel;
  v1::CancelDelayedEventsRequest none;
  v1::CancelDelayedEventsResponse cancelled;
  CreateTopic(hub.client(), "t");
  none.set_topic("t");
  EXPECT_THAT(hub.client().delayed().CancelDelayedEvents(&cancel, none, &cancelled),
              FailsWith(grpc::StatusCode::INVALID_ARGUMENT, v1::ErrorDetail::REASON_INVALID_FIELD));
}

}  // namespace
}  // namespace eventhub

// Batching, the window, the buffer, flushing.

#include <algorithm>
#include <thread>

#include "tests/client/publisher_fixture.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(PublisherTest, SendsASingleEventAtOnce) {
  Start();
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_EQ(hub_->waiting(), 1u);
  EXPECT_EQ(hub_->request(0).topic(), "t");
  EXPECT_FALSE(hub_->request(0).has_partition());
  EXPECT_EQ(hub_->request(0).sequence(), 0u);
  EXPECT_FALSE(hub_->request(0).producer_id().empty());
  EXPECT_FALSE(HasResult("a"));
  hub_->Handle();
  EXPECT_EQ(PlaceOf("a").offset, 0);
}

TEST_F(PublisherTest, BatchesEventsWhileRequestIsInFlight) {
  Start();
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_TRUE(Publish("b").ok());
  ASSERT_TRUE(Publish("c").ok());
  ASSERT_EQ(hub_->waiting(), 1u);
  hub_->Handle();
  ASSERT_EQ(hub_->waiting(), 1u);
  EXPECT_EQ(hub_->request(0).events_size(), 2);
  hub_->Handle();
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(PlaceOf("c").offset, 2);
}

TEST_F(PublisherTest, FastProducerBatchesBriefly) {
  Start();
  ASSERT_TRUE(Publish("first").ok());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Publish(std::to_string(i)).ok());
  hub_->Handle();
  EXPECT_EQ(hub_->waiting(), 0u);
  ASSERT_TRUE(Publish("last").ok());
  EXPECT_EQ(hub_->waiting(), 0u);
  hub_->Advance(absl::Microseconds(500));
  ASSERT_EQ(hub_->waiting(), 1u);
  EXPECT_EQ(hub_->request(0).events_size(), 101);
  hub_->Handle();
  ASSERT_TRUE(Publish("alone").ok());
  EXPECT_EQ(hub_->waiting(), 1u);
}

TEST_F(PublisherTest, SendsNextBatchWhenPreviousRequestFails) {
  Start();
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_TRUE(Publish("b").ok());
  hub_->Break(absl::PermissionDeniedError("not for you"));
  EXPECT_EQ(StatusOf("a").code(), absl::StatusCode::kPermissionDenied);
  ASSERT_EQ(hub_->waiting(), 1u);
  hub_->Handle();
  EXPECT_TRUE(StatusOf("b").ok());
}

TEST_F(PublisherTest, SendsNextBatchWhenPreviousRequestExpires) {
  Start({.topic = "t", .deadline = absl::Seconds(10)});
  ASSERT_TRUE(Publish("first").ok());
  hub_->Handle();
  ASSERT_TRUE(Publish("a").ok());
  hub_->HandleAndBreak();
  hub_->SetDown(true);
  hub_->Advance(absl::Seconds(11));
  EXPECT_EQ(StatusOf("a").code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(Publish("b").ok());  // Behind "a", whose sequence may have been used.
  hub_->ForgetProducers();
  hub_->SetDown(false);
  hub_->Advance(absl::Seconds(6));
  ASSERT_EQ(hub_->request(0).sequence(), 1u);
  hub_->Handle();  // The producer is unknown: a new epoch, without "a".
  ASSERT_EQ(hub_->waiting(), 1u);
  EXPECT_EQ(hub_->request(0).events(0).id(), "b");
  EXPECT_EQ(hub_->request(0).sequence(), 0u);
  hub_->Handle();
  EXPECT_TRUE(StatusOf("b").ok());
}

TEST_F(PublisherTest, LingersFromFirstEvent) {
  Start({.topic = "t", .linger = absl::Milliseconds(5)});
  ASSERT_TRUE(Publish("a").ok());
  hub_->Advance(absl::Milliseconds(4));
  ASSERT_TRUE(Publish("b").ok());
  EXPECT_EQ(hub_->waiting(), 0u);
  hub_->Advance(absl::Milliseconds(1));
  ASSERT_EQ(hub_->waiting(), 1u);
  EXPECT_EQ(hub_->request(0).events_size(), 2);
}

TEST_F(PublisherTest, FullBatchDoesNotLinger) {
  Start({.topic = "t", .max_batch_events = 2, .linger = absl::Seconds(1)});
  ASSERT_TRUE(Publish("a").ok());
  EXPECT_EQ(hub_->waiting(), 0u);
  ASSERT_TRUE(Publish("b").ok());
  EXPECT_EQ(hub_->waiting(), 1u);
}

TEST_F(PublisherTest, LimitsBatchBytes) {
  Start({.topic = "t", .max_batch_bytes = 1024, .linger = absl::Seconds(1)});
  v1::Event event = MakeEvent("a");
  event.set_data(std::string(600, 'x'));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(publisher_->Publish(event).ok());
  EXPECT_EQ(hub_->waiting(), 2u);
  EXPECT_EQ(hub_->request(0).events_size(), 1);
  event.set_data(std::string(5000, 'x'));  // A large event is sent alone.
  ASSERT_TRUE(publisher_->Publish(event).ok());
  EXPECT_EQ(hub_->waiting(), 4u);
  EXPECT_EQ(hub_->request(3).events_size(), 1);
}

TEST_F(PublisherTest, BatchesExplicitPartitionsSeparately) {
  Start({.topic = "t", .linger = absl::Milliseconds(1)});
  ASSERT_TRUE(PublishTo(3, "a").ok());
  ASSERT_TRUE(Publish("b").ok());
  ASSERT_TRUE(PublishTo(3, "c").ok());
  ASSERT_TRUE(PublishTo(4, "d").ok());
  hub_->Advance(absl::Milliseconds(1));
  ASSERT_EQ(hub_->waiting(), 3u);
  EXPECT_EQ(hub_->request(0).partition(), 3u);
  EXPECT_EQ(hub_->request(0).events_size(), 2);
  EXPECT_FALSE(hub_->request(1).has_partition());
  EXPECT_EQ(hub_->request(2).partition(), 4u);
  EXPECT_EQ(hub_->request(2).sequence(), 2u);  // Counted per topic, not per partition.
  hub_->HandleAll();
  EXPECT_EQ(PlaceOf("c").partition, 3u);
  EXPECT_EQ(PlaceOf("c").offset, 1);
}

TEST_F(PublisherTest, LimitsRequestsInFlight) {
  Start({.topic = "t", .max_batch_events = 1, .max_in_flight_requests = 2});
  for (const char* id : {"a", "b", "c", "d"}) ASSERT_TRUE(Publish(id).ok());
  EXPECT_EQ(hub_->waiting(), 2u);
  hub_->Handle();
  EXPECT_EQ(hub_->waiting(), 2u);
  hub_->HandleAll();
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(PublisherTest, LimitsBytesInFlight) {
  Start({.topic = "t", .max_batch_events = 1, .max_in_flight_bytes = 1});
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_TRUE(Publish("b").ok());
  EXPECT_EQ(hub_->waiting(), 1u);  // One request may always be in flight.
  hub_->Handle();
  EXPECT_EQ(hub_->waiting(), 1u);
}

TEST_F(PublisherTest, FullBufferFails) {
  Start({.topic = "t", .max_buffer_bytes = 40, .when_full = WhenFull::kFail});
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_TRUE(Publish("b").ok());
  const absl::Status full = Publish("c");
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()), HasSubstr("topic t"));
  hub_->HandleAll();
  EXPECT_TRUE(Publish("d").ok());
  hub_->HandleAll();
  EXPECT_THAT(order_, ElementsAre("a", "b", "d"));
}

TEST_F(PublisherTest, FullBufferBlocksUntilSpaceIsFree) {
  Start({.topic = "t", .max_buffer_bytes = 40});
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_TRUE(Publish("b").ok());
  std::thread blocked([this] { EXPECT_TRUE(Publish("c").ok()); });
  // A full buffer sends the open batches: "b" is sent once the thread waits.
  while (hub_->waiting() < 2) std::this_thread::yield();
  hub_->Handle();
  blocked.join();
  hub_->HandleAll();
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b", "c"));
}

TEST_F(PublisherTest, ExpiredEventsUnblockPublish) {
  Start({.topic = "t", .max_buffer_bytes = 40, .deadline = absl::Seconds(10)});
  hub_->SetDown(true);
  ASSERT_TRUE(Publish("a").ok());
  hub_->Advance(absl::Seconds(5));
  ASSERT_TRUE(Publish("b").ok());
  // "a" ends at 10 s and makes space.
  absl::Status status;
  std::thread blocked([&] { status = Publish("c"); });
  while (!HasResult("a")) {
    hub_->Advance(absl::Milliseconds(100));
    std::this_thread::yield();
  }
  blocked.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(StatusOf("a").code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(PublisherTest, RejectsEventWithoutRequiredAttributes) {
  Start();
  v1::Event event = MakeEvent("a");
  event.clear_source();
  const absl::Status status = publisher_->Publish(event);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetErrorInfo(status)->field, "source");
  EXPECT_EQ(GetErrorReason(status), ErrorReason::kInvalidField);
  event.set_source(std::string(1025, 's'));
  EXPECT_EQ(publisher_->Publish(event).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(hub_->waiting(), 0u);
}

TEST_F(PublisherTest, FlushSendsLingeringEventsAndWaits) {
  Start({.topic = "t", .linger = absl::Minutes(1)});
  ASSERT_TRUE(Publish("a").ok());
  std::thread flush([this] { EXPECT_TRUE(publisher_->Flush().ok()); });
  while (hub_->waiting() == 0) std::this_thread::yield();
  hub_->Handle();
  flush.join();
  EXPECT_TRUE(HasResult("a"));
}

TEST_F(PublisherTest, FlushOfNothingReturnsImmediately) {
  Start();
  EXPECT_TRUE(publisher_->Flush().ok());
}

TEST_F(PublisherTest, FlushReturnsFirstErrorOnce) {
  Start();
  ASSERT_TRUE(publisher_->Publish(MakeEvent("a")).ok());
  hub_->Refuse(absl::NotFoundError("no topic t"));
  EXPECT_EQ(publisher_->Flush().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(publisher_->Flush().ok());
}

TEST_F(PublisherTest, FlushTimesOut) {
  Start();
  ASSERT_TRUE(Publish("a").ok());
  EXPECT_EQ(publisher_->Flush(absl::ZeroDuration()).code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(PublisherTest, DestructionFailsOpenEvents) {
  Start({.topic = "t", .max_batch_events = 1, .max_in_flight_requests = 1});
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_TRUE(Publish("b").ok());
  publisher_.reset();
  EXPECT_EQ(StatusOf("a").code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(StatusOf("b").code(), absl::StatusCode::kCancelled);
}

TEST(PublisherOptionsTest, AreValidated) {
  const auto hub = std::make_shared<testing::NiceMock<FakeHub>>();
  const auto code = [&](PublisherOptions options) {
    return Publisher::Create(hub, std::move(options)).status().code();
  };
  EXPECT_EQ(code({.topic = "t"}), absl::StatusCode::kOk);
  EXPECT_EQ(code({}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.topic = "t", .max_batch_bytes = 1023}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.topic = "t", .max_batch_events = 0}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.topic = "t", .linger = absl::Minutes(2)}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.topic = "t", .max_in_flight_requests = 65}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.topic = "t", .deadline = absl::ZeroDuration()}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.topic = "t", .retry = {.multiplier = 0.5}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.topic = "t", .idempotent = false, .producer_id = "p"}),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace eventhub::client

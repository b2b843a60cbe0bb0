// A clean shutdown of the server: accepted requests are answered, streams end with UNAVAILABLE.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/subscription_calls.h"
#include "tests/support/temp_directory.h"
#include "tests/support/traffic.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using v1::ErrorDetail;

const auto kShutDown = FailsWith(StatusCode::UNAVAILABLE, ErrorDetail::REASON_SHUTTING_DOWN);

TEST(DrainTest, AnswersAcceptedRequests) {
  TestHub hub;
  CreateTopic(hub.client(), "t");
  hub.gate().Close();
  grpc::ClientContext context;
  const auto stream = hub.client().hub().PublishStream(&context);
  constexpr int kRequests = 10;
  for (int i = 0; i < kRequests; ++i) {
    EXPECT_TRUE(stream->Write(MakeStreamPublish("t", static_cast<uint64_t>(i))));
  }
  auto unary = std::async(std::launch::async,
                          [&] { return TryPublish(hub.client(), MakePublish("t")).status; });
  constexpr size_t kRequestBytes = 1024;  // Each counts as that much more.
  const size_t expected = kRequests * (MakeStreamPublish("t", 1).ByteSizeLong() + kRequestBytes);
  ASSERT_TRUE(Eventually([&] { return GetStats(hub.client()).in_flight_bytes() >= expected; }));
  std::thread shutdown([&hub] { hub.Shutdown(kTestDeadline); });
  // The health service reports when the drain has begun.
  grpc::ClientContext watch_context;
  const auto watch = hub.client().health().Watch(&watch_context, {});
  grpc::health::v1::HealthCheckResponse health;
  while (watch->Read(&health)) {
  }
  watch->Finish();
  hub.gate().Open();
  v1::PublishStreamResponse reply;
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(stream->Read(&reply));
    EXPECT_EQ(reply.correlation_id(), static_cast<uint64_t>(i));
    EXPECT_TRUE(reply.has_result());
  }
  EXPECT_FALSE(stream->Read(&reply));
  const grpc::Status status = stream->Finish();
  EXPECT_THAT(status, kShutDown);
  EXPECT_GT(DetailOf(status).retry_delay().seconds(), 0);
  EXPECT_THAT(unary.get(), IsOk());
  shutdown.join();
}

TEST(DrainTest, RejectsNewCalls) {
  TestHub hub;
  CreateTopic(hub.client(), "t");
  CreateSubscription(hub.client(), QueueOf("s"));
  hub.gate().Close();
  grpc::ClientContext context;
  const auto stream = hub.client().hub().PublishStream(&context);
  const v1::PublishStreamRequest held = MakeStreamPublish("t", 0);
  EXPECT_TRUE(stream->Write(held));
  ASSERT_TRUE(
      Eventually([&] { return GetStats(hub.client()).in_flight_bytes() >= held.ByteSizeLong(); }));
  std::thread shutdown([&hub] { hub.Shutdown(kTestDeadline); });
  // The stream that waits for its reply delays the end, but no new client is accepted.
  ASSERT_TRUE(Eventually([&] {
    grpc::ClientContext check_context;
    grpc::health::v1::HealthCheckResponse health;
    return hub.client().health().Check(&check_context, {}, &health).ok() &&
           health.status() == grpc::health::v1::HealthCheckResponse::NOT_SERVING;
  }));
  const auto seek = [&] {
    v1::SeekSubscriptionRequest request;
    request.set_name("s");
    request.mutable_start()->set_earliest(true);
    grpc::ClientContext seek_context;
    v1::SeekSubscriptionResponse response;
    return hub.client().subscriptions().SeekSubscription(&seek_context, request, &response);
  };
  // Health reports the end before calls are refused, and a seek that is accepted in between would
  // wait for the gate. A read does not.
  ASSERT_TRUE(Eventually([&] {
    return ReadAll(hub.client(), ReadOf("t")).status.error_code() == StatusCode::UNAVAILABLE;
  }));
  EXPECT_THAT(seek(), kShutDown);
  EXPECT_THAT(TryPublish(hub.client(), MakePublish("t")).status, kShutDown);
  hub.gate().Open();
  v1::PublishStreamResponse reply;
  EXPECT_TRUE(stream->Read(&reply));
  EXPECT_TRUE(reply.has_result());
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_THAT(stream->Finish(), kShutDown);
  shutdown.join();
}

TEST(DrainTest, EndsReaders) {
  TestHub hub;
  CreateTopic(hub.client(), "t");
  v1::ReadRequest request = ReadOf("t");
  request.set_follow(true);
  auto reader = std::async(std::launch::async, [&] { return ReadAll(hub.client(), request); });
  ASSERT_TRUE(Eventually([&] { return GetStats(hub.client()).totals().readers() == 1; }));
  hub.Shutdown(kTestDeadline);
  const ReadOutcome outcome = reader.get();
  EXPECT_THAT(outcome.status, kShutDown);
}

TEST(DrainTest, CutsOffStalledReadersAfterGrace) {
  TestHub hub;
  CreateTopic(hub.client(), "t");
  for (int i = 0; i < 10; ++i) {
    Publish(hub.client(), MakePublish("t", 1, std::string(1'000'000, 'x')));
  }
  grpc::ClientContext context;
  const auto stream = hub.client().hub().Read(&context, ReadOf("t"));
  ASSERT_TRUE(Eventually([&] { return GetStats(hub.client()).totals().delivered_events() > 0; }));
  hub.Shutdown(absl::Milliseconds(50));
  v1::ReadResponse response;
  while (stream->Read(&response)) {
  }
  EXPECT_FALSE(stream->Finish().ok());
}

TEST(DrainTest, LosesNoAcknowledgedEventsUnderLoad) {
  const TempDirectory directory;
  const auto options = [&directory] {
    ServerOptions o = TestServerOptions();
    o.broker.store.directory = directory / "data";
    return o;
  };
  int64_t acknowledged = 0;
  {
    TestHub hub(options());
    CreateTopic(hub.client(), "t");
    Traffic traffic(hub.address(), "t");
    EXPECT_TRUE(traffic.Flows(2000));
    hub.Shutdown(kTestDeadline);
    traffic.ExpectShutDown();
    acknowledged = traffic.acknowledged();
  }
  TestHub hub(options());
  EXPECT_GE(GetPartition(hub.client(), "t").end_offset(), acknowledged);
}

}  // namespace
}  // namespace eventhub

// What the hub refuses, and what it drops when memory is short.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/subscription_calls.h"
#include "tests/support/test_consumer.h"
#include "tests/support/test_hub.h"

namespace eventhub {
namespace {

using grpc::StatusCode;

constexpr size_t kEventBytes = 300'000;

TEST(RequestLimitsTest, RejectsExcessiveMetadata) {
  TestHub hub;
  const auto call_with = [&](size_t bytes) {
    grpc::ClientContext context;
    context.AddMetadata("x-big", std::string(bytes, 'x'));
    v1::GetStatsResponse response;
    return hub.client().admin().GetStats(&context, {}, &response);
  };
  EXPECT_THAT(call_with(4'000), IsOk());
  const grpc::Status status = call_with(20'000);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("metadata"));
  // gRPC may then close the connection, but new ones work.
  EXPECT_TRUE(Eventually([&] { return call_with(4'000).ok(); }));
  EXPECT_FALSE(call_with(1'000'000).ok());
  EXPECT_TRUE(Eventually([&] { return call_with(4'000).ok(); }));
}

TEST(RequestLimitsTest, RejectsCompressedRequests) {
  TestHub hub;
  CreateTopic(hub.client(), "t");
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  v1::PublishResponse response;
  const v1::PublishRequest request = MakePublish("t", 3, std::string(1'000'000, 'x'));
  const grpc::Status status = hub.client().hub().Publish(&context, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED) << status.error_message();
  EXPECT_EQ(GetStats(hub.client()).totals().published_events(), 0u);
}

TEST(StreamLimitTest, CountsStreamsOfAllKinds) {
  ServerOptions options = TestServerOptions();
  options.max_streams = 6;  // Of which one host may use half.
  TestHub hub(std::move(options));
  CreateTopic(hub.client(), "t");
  CreateSubscription(hub.client(), QueueOf("s"));
  v1::ReadRequest follow = ReadOf("t");
  follow.set_follow(true);
  grpc::ClientContext read_context;
  const auto reader = hub.client().hub().Read(&read_context, follow);
  grpc::ClientContext publish_context;
  const auto publisher = hub.client().hub().PublishStream(&publish_context);
  grpc::ClientContext watch_context;
  const auto watch = hub.client().health().Watch(&watch_context, {});
  v1::ReadResponse start;
  ASSERT_TRUE(reader->Read(&start));
  grpc::health::v1::HealthCheckResponse health;
  ASSERT_TRUE(watch->Read(&health));
  ASSERT_TRUE(publisher->Write(MakeStreamPublish("t", 0)));
  v1::PublishStreamResponse reply;
  ASSERT_TRUE(publisher->Read(&reply));

  const auto too_many =
      FailsWith(StatusCode::RESOURCE_EXHAUSTED, v1::ErrorDetail::REASON_TOO_MANY_STREAMS);
  EXPECT_THAT(ReadAll(hub.client(), ReadOf("t")).status, too_many);
  grpc::ClientContext consume_context;
  const auto consumer = hub.client().hub().Consume(&consume_context);
  EXPECT_THAT(consumer->Finish(), too_many);
  grpc::ClientContext second_context;
  EXPECT_THAT(hub.client().hub().PublishStream(&second_context)->Finish(), too_many);
  // Calls that are not streams still work.
  Publish(hub.client(), MakePublish("t"));

  read_context.TryCancel();
  EXPECT_FALSE(reader->Finish().ok());
  ASSERT_TRUE(Eventually([&] { return ReadAll(hub.client(), ReadOf("t")).status.ok(); }));
  publish_context.TryCancel();
  watch_context.TryCancel();
}

// A hub with a small limit on sent data, and with its events only on disk.
class FrameLimitTest : public testing::Test {
 protected:
  static constexpr int kEvents = 6;

  FrameLimitTest() {
    CreateTopic(hub_.client(), "t");
    for (int i = 0; i < kEvents; ++i) {
      Publish(hub_.client(), MakePublish("t", 1, std::string(kEventBytes, 'x')));
    }
  }

  static ServerOptions Options() {
    ServerOptions options = TestServerOptions();
    options.broker.tail_cache_bytes = 0;
    options.frame_bytes = 2 * kEventBytes;
    options.memory_limit = size_t{1} << 40;  // The guard runs, and has nothing else to do.
    return options;
  }

  uint64_t FrameBytes() {
    const v1::GetStatsResponse stats = GetStats(hub_.client());
    for (const v1::MemoryShare& share : stats.memory().shares()) {
      if (share.name() == "frames") return share.used_bytes();
    }
    return 0;
  }

  TestHub hub_{Options()};
};

TEST_F(FrameLimitTest, EvictsStalledReaders) {
  struct Reader {
    std::unique_ptr<HubClient> client;
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::ReadResponse>> stream;
  };
  std::vector<std::unique_ptr<Reader>> stalled;
  for (int i = 0; i < 4; ++i) {
    Reader& reader = *stalled.emplace_back(std::make_unique<Reader>());
    reader.client = std::make_unique<HubClient>(hub_.address(), SmallWindow());
    reader.stream = reader.client->hub().Read(&reader.context, ReadOf("t"));
  }
  ASSERT_TRUE(Eventually([&] { return FrameBytes() >= 2 * kEventBytes; }));
  const ReadOutcome outcome = ReadAll(hub_.client(), ReadOf("t"));
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.ids().size(), static_cast<size_t>(kEvents));
  // Streams that held the memory were ended; nobody waits for the memory of the others.
  EXPECT_TRUE(Eventually([&] { return FrameBytes() <= 3 * kEventBytes; }));
  for (const auto& reader : stalled) reader->context.TryCancel();
  stalled.clear();
  EXPECT_TRUE(Eventually([&] { return FrameBytes() == 0; }));
}

TEST_F(FrameLimitTest, EvictsStalledConsumers) {
  CreateSubscription(hub_.client(), QueueOf("stalled"));
  CreateSubscription(hub_.client(), QueueOf("good"));
  HubClient client(hub_.address(), SmallWindow());
  TestConsumer first(client, OpenOf("stalled"));
  TestConsumer second(client, OpenOf("stalled"));
  ASSERT_TRUE(Eventually([&] { return FrameBytes() >= 2 * kEventBytes; }));
  TestConsumer good(hub_.client(), OpenOf("good"));
  ASSERT_TRUE(good.UntilEvents(kEvents));
  good.AckFrom(0);
  first.Cancel();
  second.Cancel();
  good.Cancel();
  EXPECT_TRUE(Eventually([&] { return FrameBytes() == 0; }));
}

}  // namespace
}  // namespace eventhub

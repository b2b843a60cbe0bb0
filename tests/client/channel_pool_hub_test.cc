// Opens more streams on one Connection than the hub accepts on one TCP connection.

#include <grpcpp/create_channel.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "client/src/connection/channel_pool.h"
#include "eventhub/admin_client.h"
#include "eventhub/publisher.h"
#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"
#include "tests/support/test_hub.h"

namespace eventhub::client {
namespace {

// The number of calls on one TCP connection; see hub.proto.
constexpr size_t kLimit = 100;

class ManyStreamsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(AdminClient(connection_).CreateTopic({.name = "t"}).ok());
    ASSERT_TRUE(
        SubscriptionClient(connection_)
            .CreateSubscription({.name = "s", .topic = "t", .kind = SubscriptionKind::kQueue},
                                StartPosition::Earliest())
            .ok());
  }

  TestHub hub_;
  const std::shared_ptr<Connection> connection_ = Connect(hub_.address());
};

TEST_F(ManyStreamsTest, AllMakeProgressAndUnaryCallsSucceed) {
  std::vector<std::unique_ptr<ReadStream>> readers;
  for (size_t i = 0; i < 2 * kLimit + 10; ++i) {
    readers.push_back(connection_->read_streams().OpenReadStream({.topic = "t", .follow = true}));
    Bytes frame;
    ASSERT_EQ(readers.back()->Read(absl::Seconds(30), frame), ReadStream::Outcome::kFrame) << i;
  }
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (int i = 0; i < 20; ++i) {
    auto subscriber =
        Subscriber::Start(connection_, {.subscription = "s",
                                        .on_event = [](const ReceivedEvent&) { return Outcome(); },
                                        .threads = 1});
    ASSERT_TRUE(subscriber.ok());
    subscribers.push_back(*std::move(subscriber));
  }
  for (const auto& subscriber : subscribers) {
    EXPECT_TRUE(Eventually([&] { return subscriber->counters().connections == 1; }));
  }
  auto publisher = Publisher::Create(connection_, {.topic = "t"});
  ASSERT_TRUE(publisher.ok());
  v1::Event event;
  event.set_id("1");
  event.set_source("/test");
  event.set_type("test");
  ASSERT_TRUE((*publisher)->Publish(event).ok());
  EXPECT_TRUE((*publisher)->Flush(absl::Seconds(30)).ok());
  EXPECT_TRUE(connection_->health().GetStats(absl::Seconds(30)).ok());
}

// The same on one channel, as in other clients: the reason for the pool.
TEST_F(ManyStreamsTest, SingleTcpConnectionBlocksLastStream) {
  HubClient client(hub_.address());
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::ReadResponse>> stream;
  };
  v1::ReadRequest request;
  request.set_topic("t");
  request.set_follow(true);
  std::vector<std::unique_ptr<Call>> calls;
  v1::ReadResponse response;
  for (size_t i = 0; i < kLimit; ++i) {
    auto& call = *calls.emplace_back(std::make_unique<Call>());
    call.stream = client.hub().Read(&call.context, request);
    ASSERT_TRUE(call.stream->Read(&response)) << i;
  }
  Call last;
  last.context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  last.stream = client.hub().Read(&last.context, request);
  EXPECT_FALSE(last.stream->Read(&response));
  EXPECT_EQ(last.stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  for (const auto& call : calls) call->context.TryCancel();
}

// Free places are reused before another channel is opened.
TEST(ChannelPoolTest, OpensAChannelOnlyWhenAllAreFull) {
  int opened = 0;
  const auto pool = std::make_shared<ChannelPool>([&opened] {
    ++opened;
    return grpc::CreateChannel("unix:///nonexistent/hub", grpc::InsecureChannelCredentials());
  });
  std::vector<ChannelPool::Place> places;
  for (size_t i = 0; i < ChannelPool::kMaxStreams; ++i) places.push_back(pool->TakePlace());
  EXPECT_EQ(opened, 1);
  EXPECT_EQ(places.back().channel(), pool->first());
  places.push_back(pool->TakePlace());
  EXPECT_EQ(opened, 2);
  EXPECT_NE(places.back().channel(), pool->first());
  places.pop_back();
  places.pop_back();
  places.push_back(pool->TakePlace());
  EXPECT_EQ(places.back().channel(), pool->first());
  places.push_back(pool->TakePlace());
  EXPECT_EQ(opened, 2);
}

}  // namespace
}  // namespace eventhub::client

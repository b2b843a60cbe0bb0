// Clients that disconnect in every state that a stream can be in, repeatedly: nothing breaks (under
// AddressSanitizer), nothing is left behind, and other clients are not disturbed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using grpc::StatusCode;

constexpr int kRounds = 60;

// A read, cancelled by the test.
class CancelledRead {
 public:
  CancelledRead(HubClient& client, const v1::ReadRequest& request)
      : stream_(client.hub().Read(&context_, request)) {}

  bool Read() {
    v1::ReadResponse response;
    return stream_->Read(&response);
  }
  grpc::Status Cancel() {
    context_.TryCancel();
    return End();
  }
  grpc::Status End() {
    while (Read()) {
    }
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::ReadResponse>> stream_;
};

class CancelledPublish {
 public:
  explicit CancelledPublish(HubClient& client) : stream_(client.hub().PublishStream(&context_)) {}

  bool Write(const v1::PublishStreamRequest& request) { return stream_->Write(request); }
  bool Read() {
    v1::PublishStreamResponse response;
    return stream_->Read(&response);
  }
  void HalfClose() { stream_->WritesDone(); }
  grpc::Status Cancel() {
    context_.TryCancel();
    return End();
  }
  grpc::Status End() {
    while (Read()) {
    }
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::PublishStreamRequest, v1::PublishStreamResponse>>
      stream_;
};

class CancelTest : public testing::Test {
 protected:
  explicit CancelTest(ServerOptions options = TestServerOptions()) : hub_(std::move(options)) {
    CreateTopic(hub_.client(), "t", 2);
  }

  // Afterwards the hub works, and nothing is left.
  void TearDown() override {
    hub_.gate().Open();
    EXPECT_THAT(TryPublish(hub_.client(), MakePublish("t")).status, IsOk());
    EXPECT_TRUE(Eventually([&] {
      const v1::GetStatsResponse stats = GetStats(hub_.client());
      return stats.totals().readers() == 0 && stats.in_flight_bytes() == 0;
    }));
  }
  v1::ReadRequest Following() {
    v1::ReadRequest request = ReadOf("t");
    request.set_follow(true);
    return request;
  }
  void FillWith(int requests) {
    v1::PublishRequest request = MakePublish("t", 1, std::string(100'000, 'x'));
    request.set_durability(v1::DURABILITY_WRITTEN);
    for (int i = 0; i < requests; ++i) Publish(hub_.client(), request);
  }

  TestHub hub_;
};

TEST_F(CancelTest, ReadBeforeFirstResponse) {
  for (int i = 0; i < kRounds; ++i) {
    CancelledRead read(hub_.client(), Following());
    EXPECT_EQ(read.Cancel().error_code(), StatusCode::CANCELLED);
  }
}

TEST_F(CancelTest, ReadWaitingAtHead) {
  for (int i = 0; i < kRounds; ++i) {
    CancelledRead read(hub_.client(), Following());
    EXPECT_TRUE(read.Read());
    EXPECT_TRUE(read.Read());
    EXPECT_EQ(read.Cancel().error_code(), StatusCode::CANCELLED);
  }
}

TEST_F(CancelTest, ReadWokenConcurrently) {
  for (int i = 0; i < kRounds; ++i) {
    CancelledRead read(hub_.client(), Following());
    EXPECT_TRUE(read.Read());
    EXPECT_TRUE(read.Read());
    std::thread publisher([&] { Publish(hub_.client(), MakePublish("t")); });
    EXPECT_EQ(read.Cancel().error_code(), StatusCode::CANCELLED);
    publisher.join();
  }
}

TEST_F(CancelTest, ReadWithBlockedWrite) {
  FillWith(30);  // More than flow control lets through.
  for (int i = 0; i < kRounds; ++i) {
    CancelledRead read(hub_.client(), Following());
    EXPECT_TRUE(read.Read());
    EXPECT_EQ(read.Cancel().error_code(), StatusCode::CANCELLED);
  }
}

TEST_F(CancelTest, ReadOfTopicDeletedConcurrently) {
  for (int i = 0; i < kRounds; ++i) {
    CreateTopic(hub_.client(), "gone");
    v1::ReadRequest request = ReadOf("gone");
    request.set_follow(true);
    CancelledRead read(hub_.client(), request);
    EXPECT_TRUE(read.Read());
    std::thread deleter([&] {
      grpc::ClientContext context;
      v1::DeleteTopicRequest remove;
      v1::DeleteTopicResponse response;
      remove.set_name("gone");
      EXPECT_THAT(hub_.client().admin().DeleteTopic(&context, remove, &response), IsOk());
    });
    EXPECT_THAT(read.Cancel().error_code(),
                testing::AnyOf(StatusCode::CANCELLED, StatusCode::NOT_FOUND));
    deleter.join();
  }
}

TEST_F(CancelTest, IdlePublishStream) {
  for (int i = 0; i < kRounds; ++i) {
    CancelledPublish stream(hub_.client());
    EXPECT_EQ(stream.Cancel().error_code(), StatusCode::CANCELLED);
  }
}

TEST_F(CancelTest, PublishStreamWithUnansweredRequests) {
  for (int i = 0; i < kRounds; ++i) {
    hub_.gate().Close();
    CancelledPublish stream(hub_.client());
    for (int r = 0; r < 10; ++r) EXPECT_TRUE(stream.Write(MakeStreamPublish("t", 1)));
    if (i % 3 == 0) stream.HalfClose();
    ASSERT_TRUE(Eventually([&] { return hub_.gate().waiting() > 0; }));
    if (i % 2 == 0) hub_.gate().Open();
    EXPECT_EQ(stream.Cancel().error_code(), StatusCode::CANCELLED);
    hub_.gate().Open();
  }
}

TEST_F(CancelTest, PublishStreamAtFullSpeed) {
  for (int i = 0; i < kRounds; ++i) {
    CancelledPublish stream(hub_.client());
    std::thread writer([&] {
      v1::PublishStreamRequest request = MakeStreamPublish("t", 1, 3);
      request.set_durability(v1::DURABILITY_WRITTEN);
      while (stream.Write(request)) {
      }
    });
    for (int r = 0; r < i; ++r) EXPECT_TRUE(stream.Read());
    EXPECT_EQ(stream.Cancel().error_code(), StatusCode::CANCELLED);
    writer.join();
  }
}

TEST_F(CancelTest, UnaryPublishBeforeResponse) {
  for (int i = 0; i < kRounds; ++i) {
    hub_.gate().Close();
    grpc::ClientContext context;
    std::thread call([&] {
      v1::PublishResponse response;
      EXPECT_EQ(hub_.client().hub().Publish(&context, MakePublish("t"), &response).error_code(),
                StatusCode::CANCELLED);
    });
    ASSERT_TRUE(Eventually([&] { return hub_.gate().waiting() > 0; }));
    context.TryCancel();
    call.join();
    hub_.gate().Open();
  }
}

class ColdCancelTest : public CancelTest {
 protected:
  ColdCancelTest() : CancelTest(Options()) {}
  static ServerOptions Options() {
    ServerOptions options = TestServerOptions();
    options.broker.tail_cache_bytes = 1;
    return options;
  }
};

TEST_F(ColdCancelTest, ReadFromDisk) {
  FillWith(30);
  for (int i = 0; i < kRounds; ++i) {
    CancelledRead read(hub_.client(), Following());
    for (int r = 0; r < i % 4; ++r) EXPECT_TRUE(read.Read());
    EXPECT_EQ(read.Cancel().error_code(), StatusCode::CANCELLED);
  }
}

class SmallBudgetTest : public CancelTest {
 protected:
  SmallBudgetTest() : CancelTest(Options()) {}
  static ServerOptions Options() {
    ServerOptions options = TestServerOptions();
    options.publish_limits.connection_bytes = 1000;
    return options;
  }
};

TEST_F(SmallBudgetTest, CancelsPublishStreamWaitingForBudget) {
  HubClient other(hub_.address());
  for (int i = 0; i < kRounds; ++i) {
    hub_.gate().Close();
    CancelledPublish holder(other);
    EXPECT_TRUE(holder.Write(MakeStreamPublish("t", 1, 1, std::string(2000, 'x'))));
    ASSERT_TRUE(Eventually([&] { return GetStats(hub_.client()).in_flight_bytes() >= 1000; }));
    CancelledPublish waiting(other);
    EXPECT_TRUE(waiting.Write(MakeStreamPublish("t", 1)));
    std::thread opener([&] {
      if (i % 2 == 0) hub_.gate().Open();
    });
    EXPECT_EQ(waiting.Cancel().error_code(), StatusCode::CANCELLED);
    opener.join();
    hub_.gate().Open();
    holder.HalfClose();
    EXPECT_THAT(holder.End(), IsOk());
  }
}

// A drain may begin in every state too, and a cancellation may come during the drain.
TEST(CancelDuringDrainTest, StreamsInEveryState) {
  for (int i = 0; i < 15; ++i) {
    TestHub hub;
    CreateTopic(hub.client(), "t");
    for (int n = 0; n < 20; ++n) {
      Publish(hub.client(), MakePublish("t", 1, std::string(100'000, 'x')));
    }
    v1::ReadRequest following = ReadOf("t");
    following.set_follow(true);
    v1::ReadRequest latest = following;
    latest.mutable_start()->set_latest(true);
    CancelledRead unread(hub.client(), following);
    CancelledRead blocked(hub.client(), following);
    CancelledRead at_head(hub.client(), latest);
    CancelledPublish idle(hub.client());
    CancelledPublish unanswered(hub.client());
    EXPECT_TRUE(blocked.Read());
    EXPECT_TRUE(at_head.Read());
    EXPECT_TRUE(at_head.Read());
    hub.gate().Close();
    EXPECT_TRUE(unanswered.Write(MakeStreamPublish("t", 1)));
    ASSERT_TRUE(Eventually([&] { return hub.gate().waiting() > 0; }));
    std::thread shutdown([&hub] { hub.Shutdown(kTestDeadline); });
    const auto ended = testing::AnyOf(StatusCode::CANCELLED, StatusCode::UNAVAILABLE);
    if (i % 2 == 0) hub.gate().Open();
    EXPECT_THAT(unanswered.Cancel().error_code(), ended);
    EXPECT_THAT(blocked.Cancel().error_code(), ended);
    EXPECT_THAT(unread.Cancel().error_code(), ended);
    EXPECT_THAT(at_head.Cancel().error_code(), ended);
    EXPECT_THAT(idle.Cancel().error_code(), ended);
    hub.gate().Open();
    shutdown.join();
  }
}

}  // namespace
}  // namespace eventhub

// EventHubService.PublishStream: order, pipelining, refusals, flow control.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using v1::ErrorDetail;

// A stream with its context.
class Stream {
 public:
  explicit Stream(HubClient& client) : stream_(client.hub().PublishStream(&context_)) {}

  auto* operator->() { return stream_.get(); }
  grpc::ClientContext& context() { return context_; }

  v1::PublishStreamResponse Reply() {
    v1::PublishStreamResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  void HalfClose() {
    if (!half_closed_) stream_->WritesDone();
    half_closed_ = true;
  }
  grpc::Status End() {
    HalfClose();
    v1::PublishStreamResponse response;
    EXPECT_FALSE(stream_->Read(&response));
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::PublishStreamRequest, v1::PublishStreamResponse>>
      stream_;
  bool half_closed_ = false;
};

class PublishStreamTest : public testing::Test {
 protected:
  void SetUp() override { CreateTopic(hub_.client(), "t"); }
  TestHub hub_;
};

TEST_F(PublishStreamTest, AnswersPipelinedRequestsInOrder) {
  constexpr uint64_t kRequests = 3000;  // More than may wait for their replies to be read.
  Stream stream(hub_.client());
  std::thread writer([&] {
    for (uint64_t i = 0; i < kRequests; ++i) {
      v1::PublishStreamRequest request = MakeStreamPublish("t", i * 7, 2);
      request.set_durability(i % 3 == 0 ? v1::DURABILITY_SYNCED : v1::DURABILITY_WRITTEN);
      ASSERT_TRUE(stream->Write(request));
    }
    stream.HalfClose();
  });
  for (uint64_t i = 0; i < kRequests; ++i) {
    const v1::PublishStreamResponse reply = stream.Reply();
    ASSERT_EQ(reply.correlation_id(), i * 7);
    ASSERT_EQ(reply.result().placements(0).base_offset(), static_cast<int64_t>(i * 2));
  }
  writer.join();
  EXPECT_THAT(stream.End(), IsOk());
}

TEST_F(PublishStreamTest, RefusalKeepsStreamOpen) {
  Stream stream(hub_.client());
  v1::PublishStreamRequest bad = MakeStreamPublish("t", 2, 3);
  bad.mutable_events(2)->clear_type();
  stream->Write(MakeStreamPublish("t", 1));
  stream->Write(bad);
  stream->Write(MakeStreamPublish("none", 3));
  stream->Write(MakeStreamPublish("t", 4));
  EXPECT_EQ(stream.Reply().result().placements(0).base_offset(), 0);
  const v1::PublishStreamResponse refused = stream.Reply();
  EXPECT_EQ(refused.correlation_id(), 2u);
  EXPECT_EQ(refused.error().code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DetailOf(refused.error()).reason(), ErrorDetail::REASON_INVALID_FIELD);
  EXPECT_EQ(DetailOf(refused.error()).field(), "events[2].type");
  const v1::PublishStreamResponse unknown = stream.Reply();
  EXPECT_EQ(unknown.error().code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(DetailOf(unknown.error()).reason(), ErrorDetail::REASON_TOPIC_NOT_FOUND);
  EXPECT_EQ(stream.Reply().result().placements(0).base_offset(), 1);
  EXPECT_THAT(stream.End(), IsOk());
}

TEST_F(PublishStreamTest, HalfCloseOfIdleStreamIsOk) {
  Stream stream(hub_.client());
  EXPECT_THAT(stream.End(), IsOk());
}

TEST_F(PublishStreamTest, HalfCloseWaitsForPendingRequests) {
  hub_.gate().Close();
  Stream stream(hub_.client());
  stream->Write(MakeStreamPublish("t", 1));
  stream.HalfClose();
  ASSERT_TRUE(Eventually([&] { return hub_.gate().waiting() > 0; }));
  hub_.gate().Open();
  EXPECT_TRUE(stream.Reply().has_result());
  EXPECT_THAT(stream.End(), IsOk());
}

TEST_F(PublishStreamTest, ReportsStoreFailurePerRequest) {
  hub_.gate().Fail();
  Stream stream(hub_.client());
  stream->Write(MakeStreamPublish("t", 1));
  stream->Write(MakeStreamPublish("t", 2));
  for (int i = 0; i < 2; ++i) {
    const v1::PublishStreamResponse reply = stream.Reply();
    EXPECT_EQ(reply.error().code(), StatusCode::UNAVAILABLE);
    EXPECT_EQ(DetailOf(reply.error()).reason(), ErrorDetail::REASON_STORE_FAILED);
  }
  EXPECT_THAT(stream.End(), IsOk());
}

TEST_F(PublishStreamTest, SequencesSpanStreams) {
  const auto sequenced = [](uint64_t sequence) {
    v1::PublishStreamRequest request = MakeStreamPublish("t", sequence);
    request.set_producer_id("p");
    request.set_sequence(sequence);
    return request;
  };
  {
    Stream stream(hub_.client());
    for (uint64_t i = 0; i < 5; ++i) stream->Write(sequenced(i));
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(stream.Reply().result().duplicate());
    EXPECT_THAT(stream.End(), IsOk());
  }
  Stream stream(hub_.client());
  stream->Write(sequenced(3));
  stream->Write(sequenced(6));
  stream->Write(sequenced(5));
  EXPECT_TRUE(stream.Reply().result().duplicate());
  EXPECT_EQ(DetailOf(stream.Reply().error()).reason(), ErrorDetail::REASON_SEQUENCE_GAP);
  EXPECT_EQ(stream.Reply().result().placements(0).base_offset(), 5);
  EXPECT_THAT(stream.End(), IsOk());
}

TEST_F(PublishStreamTest, TopicDeletedDuringStreamIsNotFound) {
  Stream stream(hub_.client());
  stream->Write(MakeStreamPublish("t", 1));
  EXPECT_TRUE(stream.Reply().has_result());
  grpc::ClientContext context;
  v1::DeleteTopicRequest request;
  v1::DeleteTopicResponse response;
  request.set_name("t");
  ASSERT_THAT(hub_.client().admin().DeleteTopic(&context, request, &response), IsOk());
  stream->Write(MakeStreamPublish("t", 2));
  EXPECT_EQ(DetailOf(stream.Reply().error()).reason(), ErrorDetail::REASON_TOPIC_NOT_FOUND);
  EXPECT_THAT(stream.End(), IsOk());
}

// Writes until flow control blocks it, on its own thread.
class Flood {
 public:
  Flood(HubClient& client, const v1::PublishStreamRequest& request)
      : stream_(client), thread_([this, request] {
          while (stream_->Write(request)) written_.fetch_add(1);
        }) {}
  ~Flood() {
    stream_.context().TryCancel();
    thread_.join();
    v1::PublishStreamResponse reply;
    while (stream_->Read(&reply)) {
    }
    stream_->Finish();
  }

  int written() const { return written_; }
  // Returns whether no further request is accepted.
  bool Stuck() {
    const int before = written_;
    return !Eventually([&] { return written_ != before; }, absl::Milliseconds(300));
  }

 private:
  Stream stream_;
  std::atomic<int> written_{0};
  std::thread thread_;
};

TEST(PublishFlowControlTest, BoundsRequestsWaitingForSync) {
  ServerOptions options = TestServerOptions();
  constexpr size_t kLimit = 2 << 20;
  options.publish_limits.connection_bytes = kLimit;
  TestHub hub(std::move(options));
  CreateTopic(hub.client(), "t");
  hub.gate().Close();
  const std::string data(100'000, 'x');
  HubClient other(hub.address());
  Flood flood(other, MakeStreamPublish("t", 1, 1, data));
  ASSERT_TRUE(Eventually([&] { return GetStats(hub.client()).in_flight_bytes() >= kLimit; }));
  ASSERT_TRUE(Eventually([&] { return flood.Stuck(); }));
  // At most one request exceeds the limit.
  EXPECT_LT(GetStats(hub.client()).in_flight_bytes(), kLimit + 2 * data.size());
  const int before = flood.written();
  hub.gate().Open();
  EXPECT_TRUE(Eventually([&] { return flood.written() > before + 100; }));
}

TEST(PublishFlowControlTest, BlocksClientThatReadsNoReplies) {
  TestHub hub;
  CreateTopic(hub.client(), "t");
  HubClient other(hub.address(), SmallWindow());
  v1::PublishStreamRequest request = MakeStreamPublish("t", 1);
  request.set_durability(v1::DURABILITY_WRITTEN);
  Flood flood(other, request);
  ASSERT_TRUE(Eventually([&] { return flood.Stuck(); }));
  EXPECT_EQ(GetStats(hub.client()).in_flight_bytes(), 0u);
  // Other clients are not blocked.
  EXPECT_THAT(TryPublish(hub.client(), MakePublish("t")).status, IsOk());
  Stream second(other);
  second->Write(MakeStreamPublish("t", 9));
  EXPECT_EQ(second.Reply().correlation_id(), 9u);
  EXPECT_THAT(second.End(), IsOk());
}

TEST(PublishFlowControlTest, BoundsTotalOfTheConnectionsOfAHost) {
  ServerOptions options = TestServerOptions();
  options.publish_limits.total_bytes = 1 << 20;
  const size_t limit = options.publish_limits.host_bytes();
  TestHub hub(std::move(options));
  CreateTopic(hub.client(), "t");
  hub.gate().Close();
  HubClient a(hub.address());
  HubClient b(hub.address());
  const v1::PublishStreamRequest request = MakeStreamPublish("t", 1, 1, std::string(100'000, 'x'));
  Flood one(a, request);
  Flood two(b, request);
  ASSERT_TRUE(Eventually([&] { return GetStats(hub.client()).in_flight_bytes() >= limit; }));
  ASSERT_TRUE(Eventually([&] { return one.Stuck() && two.Stuck(); }));
  EXPECT_LT(GetStats(hub.client()).in_flight_bytes(), limit + 300'000);
  const grpc::Status status = TryPublish(hub.client(), MakePublish("t")).status;
  EXPECT_THAT(status,
              FailsWith(StatusCode::RESOURCE_EXHAUSTED, ErrorDetail::REASON_TOO_MUCH_IN_FLIGHT));
  const int before = one.written() + two.written();
  hub.gate().Open();
  EXPECT_TRUE(Eventually([&] { return one.written() + two.written() > before + 100; }));
}

}  // namespace
}  // namespace eventhub

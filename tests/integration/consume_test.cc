// Consume over gRPC: how it is opened, what it reports about itself, and how it is refused.
#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "tests/integration/consume_fixture.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using v1::ErrorDetail;

const auto kInvalid = FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD);

TEST_F(ConsumeTest, QueueOpensAndDelivers) {
  v1::Subscription settings = QueueOf("s");
  settings.mutable_ack_deadline()->set_seconds(7);
  settings.mutable_ack_deadline()->set_nanos(500'000'000);
  CreateSubscription(hub_.client(), settings);
  PublishSome(3);
  TestConsumer consumer(hub_.client(), OpenOf("s", "me"));
  ASSERT_TRUE(consumer.UntilEvents(3));
  const v1::ConsumeOpened& opened = consumer.responses()[0].opened();
  EXPECT_EQ(opened.consumer(), "me");
  EXPECT_TRUE(opened.queue());
  EXPECT_EQ(opened.ack_deadline().seconds(), 7);
  EXPECT_EQ(opened.ack_deadline().nanos(), 500'000'000);
  for (size_t i = 1; i < consumer.responses().size(); ++i) {
    EXPECT_FALSE(consumer.responses()[i].has_opened());
  }
  EXPECT_TRUE(consumer.assigned().empty());
  EXPECT_THAT(consumer.offsets(), ElementsAre(0, 1, 2));
  for (const Received& event : consumer.events()) {
    EXPECT_EQ(event.attempt, 1u);
    EXPECT_GT(event.lease_epoch, 0u);
  }
  EXPECT_EQ(consumer.events()[2].id, "2");
  ASSERT_TRUE(consumer.Until([&] { return consumer.caught_up(); }));
  consumer.AckFrom(0);
  EXPECT_EQ(StatsOf("s").lag_events(), 0u);
}

TEST_F(ConsumeTest, StreamOpensAndDelivers) {
  CreateSubscription(hub_.client(), StreamOf("s"));
  PublishSome(5);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(5));
  const v1::ConsumeOpened& opened = consumer.responses()[0].opened();
  EXPECT_THAT(opened.consumer(), HasSubstr("127.0.0.1"));
  EXPECT_FALSE(opened.queue());
  EXPECT_EQ(opened.ack_deadline().seconds(), 0);
  const std::vector<v1::PartitionLease> assigned = consumer.assigned();
  ASSERT_EQ(assigned.size(), 1u);
  EXPECT_EQ(assigned[0].partition(), 0u);
  EXPECT_EQ(assigned[0].next_offset(), 0);
  for (const Received& event : consumer.events()) {
    EXPECT_EQ(event.lease_epoch, assigned[0].lease_epoch());
  }
  EXPECT_THAT(consumer.offsets(), ElementsAre(0, 1, 2, 3, 4));
  // Events that were not named are acked with it.
  consumer.MustSettle(AckOf(consumer.events()[3]));
  EXPECT_EQ(StatsOf("s").lag_events(), 1u);
}

TEST_F(ConsumeTest, ReportsCaughtUpAfterEachEvent) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.Until([&] { return consumer.caught_up(); }));
  for (size_t i = 0; i < 20; ++i) {
    const size_t before = consumer.responses().size();
    PublishSome(1);
    ASSERT_TRUE(consumer.UntilEvents(i + 1));
    ASSERT_TRUE(consumer.Until([&] {
      for (size_t r = before; r < consumer.responses().size(); ++r) {
        if (consumer.responses()[r].caught_up()) return true;
      }
      return false;
    }));
    consumer.AckFrom(i);
  }
}

TEST_F(ConsumeTest, FirstRequestMustOpen) {
  TestConsumer acks(hub_.client(), AckOf({0, 0, 1, 1, ""}));
  const grpc::Status status = acks.End();
  EXPECT_THAT(status, kInvalid);
  EXPECT_EQ(DetailOf(status).field(), "open");
  TestConsumer credit(hub_.client(), CreditOf(5));
  EXPECT_THAT(credit.End(), kInvalid);
  TestConsumer empty(hub_.client(), v1::ConsumeRequest());
  EXPECT_THAT(empty.End(), kInvalid);
}

TEST_F(ConsumeTest, RejectsHalfCloseBeforeFirstRequest) {
  grpc::ClientContext context;
  const auto stream = hub_.client().hub().Consume(&context);
  stream->WritesDone();
  v1::ConsumeResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), kInvalid);
}

TEST_F(ConsumeTest, ValidatesOpen) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  const auto field_of = [this](const v1::ConsumeRequest& first) {
    TestConsumer consumer(hub_.client(), first);
    const grpc::Status status = consumer.End();
    EXPECT_THAT(status, kInvalid) << first.ShortDebugString();
    return DetailOf(status).field();
  };
  EXPECT_EQ(field_of(OpenOf("")), "open.subscription");
  EXPECT_EQ(field_of(OpenOf("s", std::string(257, 'x'))), "open.consumer");
  for (const uint32_t bytes : {1u, 4095u, 4'000'001u}) {
    v1::ConsumeRequest first = OpenOf("s");
    first.mutable_open()->set_max_response_bytes(bytes);
    EXPECT_EQ(field_of(first), "open.max_response_bytes");
  }
  v1::ConsumeRequest acks = AckOf({0, 0, 1, 1, ""});
  *acks.mutable_open() = OpenOf("s").open();
  EXPECT_EQ(field_of(acks), "acks");
  TestConsumer longest(hub_.client(), OpenOf("s", std::string(256, 'x')));
  EXPECT_TRUE(longest.Until([&] { return longest.caught_up(); }));
}

TEST_F(ConsumeTest, UnknownSubscriptionIsNotFound) {
  TestConsumer consumer(hub_.client(), "none");
  const grpc::Status status = consumer.End();
  EXPECT_THAT(status, FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_SUBSCRIPTION_NOT_FOUND));
  EXPECT_THAT(status.error_message(), HasSubstr("none"));
}

TEST_F(ConsumeTest, SecondOpenEndsStreamAndLeases) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishSome(2);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(2));
  ASSERT_TRUE(consumer.Send(OpenOf("s")));
  const grpc::Status status = consumer.End();
  EXPECT_THAT(status, kInvalid);
  EXPECT_EQ(DetailOf(status).field(), "open");
  TestConsumer next(hub_.client(), "s");
  ASSERT_TRUE(next.UntilEvents(2));
  EXPECT_EQ(next.events()[0].attempt, 2u);
}

// Sends bytes as the first request, or after one that opens.
grpc::Status ConsumeBytes(HubClient& client, const std::string& first, const std::string& second) {
  grpc::GenericStub stub(client.channel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto await = [&queue] {
    void* tag;
    bool ok;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto stream = stub.PrepareCall(&context, "/eventhub.v1.EventHubService/Consume", &queue);
  stream->StartCall(nullptr);
  await();
  for (const std::string& bytes : {first, second}) {
    if (bytes.empty()) continue;
    const grpc::Slice slice(bytes);
    stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    await();
  }
  grpc::ByteBuffer response;
  do stream->Read(&response, nullptr);
  while (await());
  grpc::Status status;
  stream->Finish(&status, nullptr);
  await();
  return status;
}

TEST_F(ConsumeTest, RejectsMalformedProtobuf) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  const std::string malformed = "\x0a\x7f truncated";
  EXPECT_THAT(ConsumeBytes(hub_.client(), malformed, ""), kInvalid);
  EXPECT_THAT(ConsumeBytes(hub_.client(), OpenOf("s").SerializeAsString(), malformed), kInvalid);
  EXPECT_TRUE(EventuallyConsumers("s", 0));
}

TEST_F(ConsumeTest, SkipsUnknownFields) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  v1::ConsumeRequest leave = LeaveRequest();
  const std::string unknown = "\xd2\x0f\x03xyz";  // Field 250.
  EXPECT_THAT(ConsumeBytes(hub_.client(), OpenOf("s").SerializeAsString() + unknown,
                           unknown + leave.SerializeAsString()),
              IsOk());
}

TEST_F(ConsumeTest, DeletedSubscriptionEndsConsumers) {
  CreateSubscription(hub_.client(), QueueOf("q"));
  CreateSubscription(hub_.client(), StreamOf("s"));
  PublishSome(2);
  for (const char* const name : {"q", "s"}) {
    TestConsumer busy(hub_.client(), name);
    ASSERT_TRUE(busy.UntilEvents(2));
    TestConsumer idle(hub_.client(), name);
    ASSERT_TRUE(idle.Next());
    DeleteSubscription(hub_.client(), name);
    const auto gone = FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_SUBSCRIPTION_NOT_FOUND);
    EXPECT_THAT(busy.End(), gone);
    EXPECT_THAT(idle.End(), gone);
  }
}

TEST_F(ConsumeTest, AckOfDeletedSubscriptionCompletes) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishSome(1);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(1));
  hub_.gate().Close();
  std::thread deleter([&] { DeleteSubscription(hub_.client(), "s"); });
  ASSERT_TRUE(Eventually([&] { return hub_.gate().waiting() > 0; }));
  consumer.Send(AckOf(consumer.events()[0]));
  hub_.gate().Open();
  deleter.join();
  EXPECT_EQ(consumer.End().error_code(), StatusCode::NOT_FOUND);
}

TEST_F(ConsumeTest, TwoHundredConsumersShareOneSubscription) {
  constexpr size_t kConsumers = 200;
  CreateSubscription(hub_.client(), QueueOf("s"));
  // A connection carries up to 100 calls.
  std::vector<std::unique_ptr<HubClient>> clients;
  std::vector<std::unique_ptr<TestConsumer>> consumers;
  for (size_t i = 0; i < kConsumers; ++i) {
    if (i % 50 == 0) clients.push_back(std::make_unique<HubClient>(hub_.address()));
    consumers.push_back(std::make_unique<TestConsumer>(*clients.back(), OpenOf("s", uint32_t{1})));
  }
  ASSERT_TRUE(EventuallyConsumers("s", kConsumers));
  PublishSome(kConsumers);
  std::set<int64_t> seen;
  for (const auto& consumer : consumers) {
    ASSERT_TRUE(consumer->UntilEvents(1));
    seen.insert(consumer->events()[0].offset);
  }
  EXPECT_EQ(seen.size(), kConsumers);  // One each.
  for (const auto& consumer : consumers) consumer->AckFrom(0);
  EXPECT_EQ(StatsOf("s").lag_events(), 0u);
}

}  // namespace
}  // namespace eventhub

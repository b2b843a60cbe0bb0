// EventHubService.TransactStream: order, atomicity, refusals, retries under an id. Flow control and
// shutdown are PublishStream's: both streams share them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using v1::ErrorDetail;

class TransactStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    CreateTopic(hub_.client(), "t");
    CreateTopic(hub_.client(), "u");
    stream_ = hub_.client().hub().TransactStream(&context_);
  }

  static v1::TransactStreamRequest Append(uint64_t correlation_id, const std::string& topic,
                                          const std::string& id = "") {
    v1::TransactStreamRequest request;
    request.set_correlation_id(correlation_id);
    request.set_transaction_id(id);
    v1::TransactAppend& append = *request.add_appends();
    append.set_topic(topic);
    *append.add_events() = MakeEvent(absl::StrCat(correlation_id));
    return request;
  }
  v1::TransactStreamResponse Reply() {
    v1::TransactStreamResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  grpc::Status End() {
    stream_->WritesDone();
    v1::TransactStreamResponse response;
    EXPECT_FALSE(stream_->Read(&response));
    return stream_->Finish();
  }

  TestHub hub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::TransactStreamRequest, v1::TransactStreamResponse>>
      stream_;
};

TEST_F(TransactStreamTest, AnswersPipelinedTransactionsInOrder) {
  constexpr uint64_t kRequests = 2000;  // More than may wait for their replies to be read.
  std::thread writer([&] {
    for (uint64_t i = 0; i < kRequests; ++i) {
      v1::TransactStreamRequest request = Append(i * 7, "t");
      *request.add_appends() = Append(i, "u").appends(0);
      ASSERT_TRUE(stream_->Write(request));
    }
    stream_->WritesDone();
  });
  for (uint64_t i = 0; i < kRequests; ++i) {
    const v1::TransactStreamResponse reply = Reply();
    ASSERT_EQ(reply.correlation_id(), i * 7);
    ASSERT_EQ(reply.result().results_size(), 2);
    ASSERT_EQ(reply.result().results(1).placements(0).base_offset(), static_cast<int64_t>(i));
  }
  writer.join();
  EXPECT_THAT(stream_->Finish(), IsOk());
}

TEST_F(TransactStreamTest, RefusalChangesNothingAndTheStreamContinues) {
  v1::TransactStreamRequest check = Append(1, "t");
  v1::OffsetCheck& expected = *check.add_checks();
  expected.set_topic("u");
  expected.set_expected_offset(1);
  stream_->Write(check);
  stream_->Write(Append(2, "u"));
  check.set_correlation_id(3);  // Now the check holds.
  stream_->Write(check);
  stream_->Write(Append(4, "none"));
  v1::TransactStreamRequest empty;
  empty.set_correlation_id(5);
  stream_->Write(empty);
  const v1::TransactStreamResponse refused = Reply();
  EXPECT_EQ(refused.correlation_id(), 1u);
  EXPECT_EQ(refused.error().code(), StatusCode::ABORTED);
  EXPECT_TRUE(Reply().has_result());
  EXPECT_EQ(Reply().result().results(0).placements(0).base_offset(), 0);
  const v1::TransactStreamResponse unknown = Reply();
  EXPECT_EQ(unknown.correlation_id(), 4u);
  EXPECT_EQ(DetailOf(unknown.error()).reason(), ErrorDetail::REASON_TOPIC_NOT_FOUND);
  const v1::TransactStreamResponse invalid = Reply();
  EXPECT_EQ(invalid.correlation_id(), 5u);
  EXPECT_EQ(DetailOf(invalid.error()).field(), "appends");
  EXPECT_THAT(End(), IsOk());
}

TEST_F(TransactStreamTest, AnIdHoldsOverStreamsAndForTransact) {
  stream_->Write(Append(1, "t", "x"));
  stream_->Write(Append(2, "t", "x"));
  EXPECT_FALSE(Reply().result().duplicate());
  const v1::TransactStreamResponse again = Reply();
  EXPECT_TRUE(again.result().duplicate());
  EXPECT_EQ(again.result().results(0).placements(0).base_offset(), 0);
  EXPECT_THAT(End(), IsOk());
  v1::TransactRequest request;
  request.set_transaction_id("x");
  *request.add_appends() = Append(3, "t").appends(0);
  grpc::ClientContext context;
  v1::TransactResponse response;
  ASSERT_THAT(hub_.client().hub().Transact(&context, request, &response), IsOk());
  EXPECT_TRUE(response.duplicate());
}

TEST_F(TransactStreamTest, HalfCloseWaitsForWhatIsUnderWay) {
  hub_.gate().Close();
  stream_->Write(Append(1, "t"));
  stream_->WritesDone();
  ASSERT_TRUE(Eventually([&] { return hub_.gate().waiting() > 0; }));
  hub_.gate().Open();
  EXPECT_TRUE(Reply().has_result());
  v1::TransactStreamResponse response;
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_THAT(stream_->Finish(), IsOk());
}

TEST_F(TransactStreamTest, AShutdownAnswersWhatWasAccepted) {
  hub_.gate().Close();
  stream_->Write(Append(1, "t"));
  ASSERT_TRUE(Eventually([&] { return hub_.gate().waiting() > 0; }));
  std::thread shutdown([&] { hub_.Shutdown(kTestDeadline); });
  hub_.gate().Open();
  EXPECT_TRUE(Reply().has_result());
  v1::TransactStreamResponse response;
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_THAT(stream_->Finish(),
              FailsWith(StatusCode::UNAVAILABLE, ErrorDetail::REASON_SHUTTING_DOWN));
  shutdown.join();
}

}  // namespace
}  // namespace eventhub

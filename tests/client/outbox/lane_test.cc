// Sequences and epochs: what a reply means for the requests of a topic.
#include "client/outbox/lane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "eventhub/error.h"
#include "tests/support/status_matchers.h"

namespace eventhub::client::outbox {
namespace {

absl::Status Refusal(absl::StatusCode code, ErrorInfo info) {
  absl::Status status(code, "refused");
  SetErrorInfo(info, status);
  return status;
}

class LaneTest : public testing::Test {
 protected:
  LaneTest() { Load({}); }

  void Load(StoredTopic stored) {
    stored.record.name = "t";
    lane_ = std::make_unique<Lane>(stored, Lane::Options{.max_requests = 4});
  }
  // A request of `events` events that is on disk.
  Request& Add(uint32_t events = 1) {
    Request& request = lane_->Add(absl::UnixEpoch(), absl::ZeroDuration());
    lane_->AddPart(request, absl::UnixEpoch(), events, 10 * events);
    request.sealed = true;
    request.stored = true;
    return request;
  }
  // As the committer does before the first request.
  void WriteRecord() {
    if (lane_->WantsEpoch()) lane_->BeginEpoch();
    lane_->OnRecordWritten(lane_->Record());
  }
  // Sends the next request; returns its sequence.
  uint64_t Send() {
    Request* const request = lane_->NextToSend();
    EXPECT_NE(request, nullptr);
    const uint64_t sequence = lane_->SequenceOf(*request);
    lane_->MarkSent(absl::ZeroDuration());
    return sequence;
  }
  AfterReply Reply(uint64_t number, absl::Status status = absl::OkStatus(),
                   bool duplicate = false) {
    PublishReply reply;
    reply.correlation_id = number;
    reply.status = std::move(status);
    reply.duplicate = duplicate;
    return lane_->OnReply(reply, &confirmed_);
  }
  AfterReply Gap(uint64_t number) {
    return Reply(number,
                 Refusal(absl::StatusCode::kAborted, {.reason = ErrorReason::kSequenceGap}));
  }

  std::unique_ptr<Lane> lane_;
  std::unique_ptr<Request> confirmed_;
};

const absl::Status kFull =
    Refusal(absl::StatusCode::kResourceExhausted, {.reason = ErrorReason::kTopicFull});

TEST_F(LaneTest, SendsNothingBeforeItsEpochIsOnDisk) {
  Add();
  EXPECT_EQ(lane_->NextToSend(), nullptr);
  ASSERT_TRUE(lane_->WantsEpoch());
  lane_->BeginEpoch();
  EXPECT_EQ(lane_->NextToSend(), nullptr);
  lane_->OnRecordWritten(lane_->Record());
  EXPECT_EQ(Send(), 0u);
  EXPECT_EQ(lane_->epoch(), 1u);
}

TEST_F(LaneTest, SendsAWindowInOrder) {
  for (int i = 0; i < 6; ++i) Add();
  WriteRecord();
  for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(Send(), i);
  EXPECT_EQ(lane_->NextToSend(), nullptr);
  EXPECT_EQ(Reply(0), AfterReply::kConfirmed);
  EXPECT_EQ(confirmed_->number, 0u);
  EXPECT_EQ(Send(), 4u);
  EXPECT_EQ(Reply(2), AfterReply::kBroken);  // Not the oldest.
}

TEST_F(LaneTest, WaitsForAllRepliesAfterARefusal) {
  for (int i = 0; i < 3; ++i) Add();
  WriteRecord();
  for (int i = 0; i < 3; ++i) Send();
  EXPECT_EQ(Reply(0, kFull), AfterReply::kBackOff);
  EXPECT_EQ(lane_->NextToSend(), nullptr);
  EXPECT_EQ(Gap(1), AfterReply::kGoOn);
  EXPECT_EQ(lane_->NextToSend(), nullptr);
  EXPECT_EQ(Gap(2), AfterReply::kGoOn);
  EXPECT_EQ(Send(), 0u);
  EXPECT_EQ(Send(), 1u);
  EXPECT_EQ(lane_->epoch(), 1u);
}

// The hub would refuse a request of more events, again and again.
TEST_F(LaneTest, RequestsGrowUpToAnyLimit) {
  lane_ = std::make_unique<Lane>(StoredTopic(),
                                 Lane::Options{.max_batch_bytes = 100, .max_batch_events = 3});
  const auto add = [&](uint32_t events, size_t bytes) {
    Request* tail = lane_->Tail(events, bytes);
    if (tail == nullptr) tail = &lane_->Add(absl::UnixEpoch(), absl::ZeroDuration());
    lane_->AddPart(*tail, absl::UnixEpoch(), events, bytes);
    return tail->number;
  };
  EXPECT_EQ(add(2, 10), 0u);
  EXPECT_EQ(add(1, 10), 0u);
  EXPECT_EQ(add(1, 10), 1u) << "a fourth event";
  EXPECT_EQ(add(1, 91), 2u) << "a hundred and first byte";
}

TEST_F(LaneTest, UnexplainedGapBeginsAnEpoch) {
  Add();
  Add();
  WriteRecord();
  Send();
  EXPECT_EQ(Reply(0), AfterReply::kConfirmed);
  Send();
  EXPECT_EQ(Gap(1), AfterReply::kGoOn);
  WriteRecord();
  EXPECT_EQ(lane_->epoch(), 2u);
  EXPECT_EQ(Send(), 0u);
}

TEST_F(LaneTest, RequestWithALostReplyIsADuplicate) {
  Add();
  WriteRecord();
  Send();
  lane_->OnStreamLost(/*in_doubt=*/true);
  EXPECT_EQ(Send(), 0u);
  EXPECT_EQ(Reply(0, absl::OkStatus(), /*duplicate=*/true), AfterReply::kConfirmed);
}

TEST_F(LaneTest, DuplicateOfAnUnsentRequestIsNoConfirmation) {
  Add();
  WriteRecord();
  Send();
  EXPECT_EQ(Reply(0, absl::OkStatus(), /*duplicate=*/true), AfterReply::kBroken);
  lane_->OnStreamLost(/*in_doubt=*/true);
  WriteRecord();
  EXPECT_EQ(lane_->epoch(), 2u);
  EXPECT_EQ(Send(), 0u);
}

TEST_F(LaneTest, RequestsOfAnEarlierProcessKeepTheirSequences) {
  StoredTopic stored;
  stored.record = {
      .epoch = 7, .base = 10, .head = 12, .head_event = 30, .sealed = 14, .next_event = 33};
  for (uint64_t number : {12, 13, 14}) {
    stored.requests.push_back({.number = number,
                               .first_event = number + 18,
                               .span = 1,
                               .events = 1,
                               .bytes = 10,
                               .parts = 1});
  }
  Load(stored);
  EXPECT_EQ(Send(), 2u);
  EXPECT_EQ(Send(), 3u);
  EXPECT_EQ(lane_->epoch(), 7u);
  // The last one was not sealed, so it was never sent; its sequence is of a new epoch.
  lane_->SealTail();
  Add();
  EXPECT_EQ(lane_->NextToSend(), nullptr);
  const absl::Status too_old =
      Refusal(absl::StatusCode::kFailedPrecondition, {.reason = ErrorReason::kSequenceTooOld});
  EXPECT_EQ(Reply(12, too_old), AfterReply::kConfirmed);  // Accepted long ago.
  EXPECT_EQ(Reply(13, absl::OkStatus(), /*duplicate=*/true), AfterReply::kConfirmed);
  WriteRecord();
  EXPECT_EQ(lane_->epoch(), 8u);
  EXPECT_EQ(Send(), 0u);
  EXPECT_EQ(Send(), 1u);
}

// The process before the last one sent requests that it never wrote, under the numbers that the
// last one gave to its own.
TEST_F(LaneTest, RequestsThatWaitForAnEpochWereNotSent) {
  StoredTopic stored;
  stored.record = {
      .epoch = 7, .base = 10, .head = 12, .head_event = 30, .sealed = 13, .next_event = 31};
  stored.requests.push_back(
      {.number = 12, .first_event = 30, .span = 1, .events = 1, .bytes = 10, .parts = 1});
  Load(stored);
  Add();
  const TopicRecord record = lane_->Record();
  EXPECT_EQ(record.epoch, 7u);
  EXPECT_EQ(record.sealed, 13u) << "request 13 waits for a new epoch";

  stored.record = record;
  stored.requests.push_back(
      {.number = 13, .first_event = 31, .span = 1, .events = 1, .bytes = 10, .parts = 1});
  Load(stored);
  lane_->SealTail();
  EXPECT_EQ(Send(), 2u);
  EXPECT_EQ(lane_->NextToSend(), nullptr);
  EXPECT_EQ(Reply(12, absl::OkStatus(), /*duplicate=*/true), AfterReply::kConfirmed);
  WriteRecord();
  EXPECT_EQ(lane_->epoch(), 8u);
  EXPECT_EQ(Send(), 0u) << "not sequence 3 of epoch 7, which the hub may have under other events";
}

TEST_F(LaneTest, RemovedRequestLeavesItsSequence) {
  Add();
  Add();
  WriteRecord();
  Send();
  Send();
  const absl::Status invalid = Refusal(absl::StatusCode::kInvalidArgument,
                                       {.reason = ErrorReason::kInvalidField, .event_index = 0});
  EXPECT_EQ(Reply(0, invalid), AfterReply::kSetAside);
  EXPECT_EQ(Gap(1), AfterReply::kGoOn);
  EXPECT_EQ(lane_->NextToSend(), nullptr);
  lane_->RemoveFirst();
  lane_->ClearSetAside();
  EXPECT_EQ(lane_->NextToSend(), nullptr);  // The base is not on disk.
  WriteRecord();
  EXPECT_EQ(lane_->epoch(), 1u);
  EXPECT_EQ(Send(), 0u);
}

TEST_F(LaneTest, RemovedRequestInDoubtKeepsItsSequence) {
  Add();
  Add();
  WriteRecord();
  Send();
  lane_->OnStreamLost(/*in_doubt=*/true);
  lane_->RemoveFirst();
  WriteRecord();
  EXPECT_EQ(Send(), 1u);
  EXPECT_EQ(Gap(1), AfterReply::kGoOn);  // It was not accepted.
  WriteRecord();
  EXPECT_EQ(lane_->epoch(), 2u);
  EXPECT_EQ(Send(), 0u);
}

TEST_F(LaneTest, CopyIsFencedUntilAnOperatorTakesOver) {
  StoredTopic stored;
  stored.record = {.epoch = 3, .head = 0, .sealed = 1, .next_event = 1};
  stored.requests.push_back({.number = 0, .span = 1, .events = 1, .bytes = 10, .parts = 1});
  Load(stored);
  Send();
  const absl::Status stale = Refusal(absl::StatusCode::kAborted,
                                     {.reason = ErrorReason::kStaleEpoch, .producer_epoch = 9});
  EXPECT_EQ(Reply(0, stale), AfterReply::kStop);
  EXPECT_TRUE(lane_->fenced());
  EXPECT_FALSE(lane_->WantsEpoch());
  EXPECT_EQ(lane_->NextToSend(), nullptr);
  lane_->TakeOver();
  WriteRecord();
  EXPECT_EQ(lane_->epoch(), 10u);
  EXPECT_EQ(Send(), 0u);
}

TEST_F(LaneTest, StopsAfterAPermanentRefusal) {
  Add();
  WriteRecord();
  Send();
  EXPECT_EQ(Reply(0, Refusal(absl::StatusCode::kNotFound, {.reason = ErrorReason::kTopicNotFound})),
            AfterReply::kStop);
  EXPECT_EQ(Send(), 0u);
}

TEST_F(LaneTest, FindsTheOversizedRequestOneByOne) {
  Add(1);
  Add(2);
  WriteRecord();
  Send();
  Send();
  const absl::Status too_large =
      Refusal(absl::StatusCode::kResourceExhausted, {.reason = ErrorReason::kRequestTooLarge});
  EXPECT_EQ(lane_->OnTooLarge(too_large), AfterReply::kGoOn);
  lane_->OnStreamLost(/*in_doubt=*/false);
  Send();
  EXPECT_EQ(lane_->NextToSend(), nullptr);
  EXPECT_EQ(lane_->OnTooLarge(too_large), AfterReply::kSetAside);
  lane_->OnStreamLost(/*in_doubt=*/false);
  lane_->RemoveFirst();
  lane_->ClearSetAside();
  WriteRecord();
  Send();
  EXPECT_EQ(lane_->OnTooLarge(too_large), AfterReply::kStop);
}

TEST_F(LaneTest, RecordCountsOnlyRequestsOnDisk) {
  Add(3);
  WriteRecord();
  Request& direct = lane_->Add(absl::UnixEpoch(), absl::ZeroDuration());
  lane_->AddPart(direct, absl::UnixEpoch(), 2, 20);
  direct.sealed = true;
  direct.in_memory = true;
  const TopicRecord record = lane_->Record();
  EXPECT_EQ(record.head, 0u);
  EXPECT_EQ(record.sealed, 1u);
  EXPECT_EQ(record.next_event, 3u);
}

}  // namespace
}  // namespace eventhub::client::outbox

// Transactions of the SDK: how they are built and retried.
#include "eventhub/transaction.h"

#include <string>

#include "absl/time/clock.h"
#include "client/src/publish/transaction_proto.h"
#include "eventhub/error.h"
#include "eventhub/mocks/mock_connection.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eventhub::client {
namespace {

using ::testing::_;
using ::testing::Field;
using ::testing::Return;
using ::testing::StrictMock;

const CommitOptions kQuick = {
    .deadline = absl::Seconds(30),
    .retry = {.initial_delay = absl::Microseconds(10), .max_delay = absl::Microseconds(20)}};

v1::Event EventOf(const std::string& id, const std::string& key = "") {
  v1::Event event;
  event.set_id(id);
  event.set_partition_key(key);
  return event;
}

TEST(TransactionTest, RefusesEncodedEventsThatCannotBeParsed) {
  Transaction transaction;
  transaction.appends.push_back({.topic = "t", .encoded_events = "x"});
  EXPECT_EQ(ToProto(transaction).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TransactionTest, ConsecutiveEventsOfOneTopicFormOneAppend) {
  Transaction transaction("id");
  transaction.Append("a", EventOf("1")).Append("a", EventOf("2")).Append("b", EventOf("3"));
  transaction.appends.push_back({.topic = "c", .partition = 4, .expected_offset = 5});
  transaction.appends.back().events.push_back(EventOf("4"));
  transaction.Append("c", EventOf("5")).Expect("d", 6, 7);
  const v1::TransactRequest request = ToProto(transaction).value();
  EXPECT_EQ(request.transaction_id(), "id");
  ASSERT_EQ(request.appends_size(), 4);
  EXPECT_EQ(request.appends(0).events_size(), 2);
  EXPECT_FALSE(request.appends(0).has_partition());
  EXPECT_EQ(request.appends(2).partition(), 4u);
  EXPECT_EQ(request.appends(2).expected_offset(), 5);
  EXPECT_EQ(request.appends(3).events(0).id(), "5");
  EXPECT_EQ(request.checks(0).expected_offset(), 7);
  EXPECT_FALSE(request.has_acks());
}

TEST(TransactionTest, GroupsAcksIntoRangesPerLease) {
  v1::EventBatch proto;
  proto.set_partition(3);
  proto.set_base_offset(10);
  proto.set_lease_epoch(77);
  for (const uint32_t delta : {0, 1, 2, 9}) {
    proto.add_offset_deltas(delta);
    *proto.add_events() = EventOf("x");
  }
  const auto parse = [&] {
    const auto bytes = std::make_shared<std::string>(proto.SerializeAsString());
    return *EventBatch::Parse({.view = *bytes, .owner = bytes}, *bytes);
  };
  const EventBatch first = parse();
  proto.set_lease_epoch(78);
  const EventBatch second = parse();
  Transaction transaction;
  transaction.Ack("s", first).Ack("s", *second.begin());
  const v1::TransactAcks acks = ToProto(transaction).value().acks();
  EXPECT_EQ(acks.subscription(), "s");
  ASSERT_EQ(acks.acks_size(), 2);
  EXPECT_EQ(acks.acks(0).partition(), 3u);
  EXPECT_EQ(acks.acks(0).lease_epoch(), 77u);
  EXPECT_TRUE(acks.acks(0).exact());
  ASSERT_EQ(acks.acks(0).ranges_size(), 2);
  EXPECT_EQ(acks.acks(0).ranges(0).start(), 10);
  EXPECT_EQ(acks.acks(0).ranges(0).end(), 13);
  EXPECT_EQ(acks.acks(0).ranges(1).start(), 19);
  EXPECT_EQ(acks.acks(1).lease_epoch(), 78u);
}

TEST(TransactionTest, IdsDiffer) { EXPECT_NE(Transaction().id, Transaction().id); }

TEST(TransactionTest, RepliesLocateEachEvent) {
  Transaction transaction;
  transaction.Append("a", EventOf("1", "k")).Append("a", EventOf("2")).Append("b", EventOf("3"));
  v1::TransactResponse response;
  v1::PublishResult& first = *response.add_results();
  first.set_partition_count(1);
  first.set_keyless_partition(0);
  v1::Placement& placement = *first.add_placements();
  placement.set_base_offset(40);
  placement.set_count(2);
  v1::PublishResult& second = *response.add_results();
  v1::Placement& other = *second.add_placements();
  other.set_partition(6);
  other.set_base_offset(9);
  other.set_count(1);
  auto result = FromProto(response, transaction);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->events.size(), 3u);
  EXPECT_EQ(result->events[1].offset, 41);
  EXPECT_EQ(result->events[2].partition, 6u);
  EXPECT_EQ(result->events[2].offset, 9);
  other.set_count(2);
  EXPECT_EQ(FromProto(response, transaction).status().code(), absl::StatusCode::kInternal);
  response.clear_results();
  EXPECT_EQ(FromProto(response, transaction).status().code(), absl::StatusCode::kInternal);
}

TEST(TransactionTest, RetriesTransientErrorsWithSameId) {
  StrictMock<MockConnection> hub;
  const Transaction transaction("mine");
  EXPECT_CALL(hub, Transact(Field(&Transaction::id, "mine"), _))
      .WillOnce(Return(absl::UnavailableError("gone")))
      .WillOnce(Return(absl::ResourceExhaustedError("later")))
      .WillOnce(Return(TransactionResult{.duplicate = true}));
  const auto result = Commit(hub, transaction, kQuick);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->duplicate);
}

TEST(TransactionTest, TriesOnceWithoutId) {
  StrictMock<MockConnection> hub;
  EXPECT_CALL(hub, Transact).WillOnce(Return(absl::UnavailableError("gone")));
  EXPECT_EQ(Commit(hub, Transaction(""), kQuick).status().code(), absl::StatusCode::kUnavailable);
}

TEST(TransactionTest, RefusalIsFinal) {
  StrictMock<MockConnection> hub;
  EXPECT_CALL(hub, Transact).WillOnce(Return(absl::AbortedError("lost the lease")));
  EXPECT_EQ(Commit(hub, Transaction(), kQuick).status().code(), absl::StatusCode::kAborted);
}

// The first attempt may have caused the refusal: its acks took effect, or a check no longer holds.
TEST(TransactionTest, RefusalAfterAttemptInDoubtLeavesDoubt) {
  absl::Status refused = absl::AbortedError("lost the lease");
  SetErrorInfo({.reason = ErrorReason::kLeaseLost}, refused);
  StrictMock<MockConnection> hub;
  EXPECT_CALL(hub, Transact)
      .WillOnce(Return(absl::ResourceExhaustedError("Received RST_STREAM with error code 11")))
      .WillOnce(Return(refused))
      .WillOnce(Return(refused));
  const absl::Status second = Commit(hub, Transaction(), kQuick).status();
  EXPECT_TRUE(absl::IsAborted(second));
  EXPECT_TRUE(OutcomeIsUnknown(second));
  EXPECT_FALSE(OutcomeIsUnknown(Commit(hub, Transaction(), kQuick).status()));
}

TEST(TransactionTest, DeadlineEndsRetries) {
  StrictMock<MockConnection> hub;
  EXPECT_CALL(hub, Transact).WillOnce(Return(absl::UnavailableError("gone")));
  const CommitOptions slow = {
      .deadline = absl::Seconds(1),
      .retry = {.initial_delay = absl::Hours(1), .max_delay = absl::Hours(1)}};
  EXPECT_EQ(Commit(hub, Transaction(), slow).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Commit(hub, Transaction(), {.deadline = absl::ZeroDuration()}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace eventhub::client

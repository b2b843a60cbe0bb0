// Transactions: appends, acks and checks, all or none of them.
#include "server/core/transaction/transaction.h"

#include <future>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/subscription/dispatch/settlement.h"
#include "storage/base/status_macros.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"
#include "tests/support/events.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class TransactionTest : public SubscriptionTest {
 protected:
  void SetUp() override {
    SubscriptionTest::SetUp();
    ASSERT_THAT(rig_.Create("out"), IsOk());
    ASSERT_THAT(rig_.Create("many", 4), IsOk());
  }

  // Encodes the request, as a client does.
  absl::StatusOr<v1::TransactResponse> Transact(const v1::TransactRequest& request) {
    ASSIGN_OR_RETURN(const TransactionRequest parsed,
                     ParseTransaction(SharedBytes::Copy(request.SerializeAsString())));
    std::promise<absl::StatusOr<v1::TransactResponse>> outcome;
    rig_.broker().transactions().Transact(
        kTester, parsed,
        [&](absl::StatusOr<v1::TransactResponse> r) { outcome.set_value(std::move(r)); });
    return outcome.get_future().get();
  }

  static v1::TransactAppend& Append(v1::TransactRequest& request, const std::string& topic,
                                    const std::vector<std::string>& ids,
                                    const std::string& key = "") {
    v1::TransactAppend& append = *request.add_appends();
    append.set_topic(topic);
    for (const std::string& id : ids) *append.add_events() = MakeEvent(id, key);
    return append;
  }

  static void Ack(v1::TransactRequest& request, const TestConsumer& consumer,
                  const std::vector<Received>& events) {
    v1::TransactAcks& acks = *request.mutable_acks();
    acks.set_subscription("s");
    acks.set_session(consumer.said.opened().session());
    for (const Received& event : events) {
      v1::Ack& ack = *acks.add_acks();
      ack.set_partition(event.partition);
      ack.set_lease_epoch(event.epoch);
      ack.set_exact(true);
      v1::OffsetRange& range = *ack.add_ranges();
      range.set_start(event.offset);
      range.set_end(event.offset + 1);
    }
  }

  std::vector<std::string> Ids(const std::string& topic) {
    std::vector<std::string> ids;
    const Delivered read = *rig_.Read(topic);
    for (const auto& [partition, events] : read.events) {
      for (const Delivered::Event& event : events) ids.push_back(event.id);
    }
    return ids;
  }

  int64_t Acked() { return rig_.Get("s").partitions(0).acked_offset(); }
};

TEST_F(TransactionTest, AppendsToSeveralTopicsAndAcks) {
  for (const v1::Subscription& subscription : {Stream(), Queue()}) {
    Create(subscription);
    ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
    const auto consumer = rig_.Consume("s", "c");
    const std::vector<Received> events = consumer->Receive(2);
    v1::TransactRequest request;
    Append(request, "out", {"x", "y"}).set_partition(0);
    Append(request, "many", {"k"}, "key");
    Append(request, "out", {"z"});
    Ack(request, *consumer, {events[0]});
    const int64_t before = rig_.Describe("out").end_offset();
    ASSERT_OK_AND_ASSIGN(const v1::TransactResponse response, Transact(request));
    ASSERT_EQ(response.results_size(), 3);
    EXPECT_EQ(response.results(0).placements(0).base_offset(), before);
    EXPECT_EQ(response.results(0).placements(0).count(), 2u);
    EXPECT_EQ(response.results(2).placements(0).base_offset(), before + 2);
    EXPECT_EQ(response.results(2).keyless_partition(), 0u);
    EXPECT_FALSE(response.duplicate());
    EXPECT_EQ(Acked(), 1);
    EXPECT_EQ(rig_.Get("s").stats().in_flight_events(), 1u);
    // The rest is settled on the stream as usual, and settled events are not redelivered.
    EXPECT_TRUE(consumer->AckAll({events[1]}));
    EXPECT_EQ(Acked(), 2);
    EXPECT_THAT(consumer->Receive(), IsEmpty());
    ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
  EXPECT_THAT(Ids("out"), ElementsAre("x", "y", "z", "x", "y", "z"));
  rig_.Reopen();
  EXPECT_THAT(Ids("out"), ElementsAre("x", "y", "z", "x", "y", "z"));
  EXPECT_THAT(Ids("many"), ElementsAre("k", "k"));
}

// Each reason to refuse, combined with valid parts: no part is done.
TEST_F(TransactionTest, InvalidPartRejectsWholeTransaction) {
  Create(Queue());
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(2);
  const auto refused = [&](auto change) {
    v1::TransactRequest request;
    request.set_transaction_id("refused");
    Append(request, "out", {"x"});
    Ack(request, *consumer, events);
    change(request);
    return Transact(request).status();
  };
  EXPECT_THAT(refused([](auto& r) { Append(r, "none", {"x"}); }),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  EXPECT_THAT(refused([](auto& r) { Append(r, "many", {"x"}).set_partition(4); }),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_PARTITION_NOT_FOUND));
  EXPECT_THAT(refused([](auto& r) { Append(r, "many", {""}); }),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_THAT(refused([](auto& r) {
                v1::TransactAppend& append = Append(r, "many", {"x"});
                append.set_partition(1);
                append.set_expected_offset(7);
              }),
              Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_OFFSET_MISMATCH));
  EXPECT_THAT(refused([](auto& r) {
                v1::OffsetCheck& check = *r.add_checks();
                check.set_topic("many");
                check.set_expected_offset(1);
              }),
              Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_OFFSET_MISMATCH));
  EXPECT_THAT(refused([](auto& r) { r.mutable_acks()->set_subscription("none"); }),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_SUBSCRIPTION_NOT_FOUND));
  EXPECT_THAT(refused([](auto& r) { r.mutable_acks()->set_session(1); }),
              Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_LEASE_LOST));
  EXPECT_THAT(refused([](auto& r) { r.mutable_acks()->mutable_acks(1)->set_lease_epoch(1); }),
              Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_LEASE_LOST));
  EXPECT_THAT(
      refused([](auto& r) { r.mutable_acks()->mutable_acks(1)->mutable_ranges(0)->set_end(3); }),
      Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_LEASE_LOST));
  EXPECT_THAT(refused([](auto& r) { r.mutable_acks()->mutable_acks(0)->set_partition(9); }),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_PARTITION_NOT_FOUND));
  EXPECT_THAT(refused([](auto& r) { r.mutable_acks()->clear_acks(); }),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_THAT(refused([](auto& r) { r.set_transaction_id(std::string(257, 'x')); }),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_THAT(refused([](auto& r) {
                for (int i = 0; i < 4096; ++i) r.add_checks()->set_topic("out");
              }),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_THAT(Transact(v1::TransactRequest()),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_THAT(Ids("out"), IsEmpty());
  EXPECT_THAT(Ids("many"), IsEmpty());
  EXPECT_EQ(Acked(), 0);
  EXPECT_EQ(rig_.Get("s").stats().in_flight_events(), 2u);
  // The id can still be used.
  EXPECT_THAT(refused([](auto&) {}), IsOk());
  EXPECT_THAT(Ids("out"), ElementsAre("x"));
  EXPECT_EQ(Acked(), 2);
}

TEST_F(TransactionTest, RetryReturnsFirstResult) {
  v1::TransactRequest request;
  request.set_transaction_id("once");
  Append(request, "many", {"x"}, "key");
  v1::OffsetCheck& check = *request.add_checks();
  check.set_topic("out");
  check.set_expected_offset(0);
  ASSERT_OK_AND_ASSIGN(v1::TransactResponse first, Transact(request));
  EXPECT_FALSE(first.duplicate());
  // The check no longer holds.
  ASSERT_THAT(rig_.Publish("out", {"other"}), IsOk());
  first.set_duplicate(true);
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const v1::TransactResponse again, Transact(request));
    EXPECT_EQ(again.ShortDebugString(), first.ShortDebugString());
    rig_.Reopen();
  }
  EXPECT_THAT(Ids("many"), ElementsAre("x"));
  request.set_transaction_id("another");
  EXPECT_THAT(Transact(request),
              Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_OFFSET_MISMATCH));
}

// Two transactions with one id in the queue: the second sees the first.
TEST_F(TransactionTest, ConcurrentDuplicatesAreAppliedOnce) {
  v1::TransactRequest request;
  request.set_transaction_id("twin");
  Append(request, "out", {"x"});
  ASSERT_OK_AND_ASSIGN(const TransactionRequest parsed,
                       ParseTransaction(SharedBytes::Copy(request.SerializeAsString())));
  rig_.disk.HoldSyncs();
  std::vector<std::future<absl::StatusOr<v1::TransactResponse>>> outcomes;
  for (int i = 0; i < 10; ++i) {
    auto outcome = std::make_shared<std::promise<absl::StatusOr<v1::TransactResponse>>>();
    outcomes.push_back(outcome->get_future());
    rig_.broker().transactions().Transact(
        kTester, parsed,
        [outcome](absl::StatusOr<v1::TransactResponse> r) { outcome->set_value(r); });
  }
  rig_.disk.ReleaseSyncs();
  int first = 0;
  for (auto& outcome : outcomes) {
    const absl::StatusOr<v1::TransactResponse> response = outcome.get();
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ(response->results(0).placements(0).base_offset(), 0);
    if (!response->duplicate()) ++first;
  }
  EXPECT_EQ(first, 1);
  EXPECT_THAT(Ids("out"), ElementsAre("x"));
}

TEST_F(TransactionTest, RejectsTooMuchWorkAsAWhole) {
  Create(Queue());
  constexpr int64_t kEvents = 2'000;
  constexpr int64_t kMost = 5'000;
  std::vector<std::string> ids;
  for (int64_t i = 0; i < kEvents; ++i) ids.push_back(absl::StrCat(i));
  ASSERT_THAT(rig_.Publish("t", ids), IsOk());
  const auto consumer = rig_.Consume("s", "c", kEvents);
  const std::vector<Received> events = consumer->Receive(kEvents);
  std::vector<Received> odd;
  for (const Received& event : events) {
    if (event.offset % 2 == 1) odd.push_back(event);
  }
  ASSERT_TRUE(consumer->AckAll(odd));
  v1::TransactRequest request;
  Append(request, "out", {"x"});
  Ack(request, *consumer, {events[0]});
  v1::Ack& ack = *request.mutable_acks()->mutable_acks(0);
  for (int64_t i = 0; i <= kMost / (kEvents / 2); ++i) {
    v1::OffsetRange& range = *ack.add_ranges();
    range.set_end(kEvents);
  }
  EXPECT_THAT(Transact(request),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_EQ(Acked(), 0);
  EXPECT_THAT(Ids("out"), IsEmpty());
}

TEST_F(TransactionTest, FencesConsumerWithLostLease) {
  Create(Queue());
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  auto slow = rig_.Consume("s", "slow");
  const std::vector<Received> events = slow->Receive(1);
  rig_.Pass(absl::Seconds(31));  // The lease has ended.
  const auto fast = rig_.Consume("s", "fast");
  const std::vector<Received> again = fast->Receive(1);
  v1::TransactRequest late;
  Append(late, "out", {"of slow"});
  Ack(late, *slow, events);
  EXPECT_THAT(Transact(late), Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_LEASE_LOST));
  v1::TransactRequest good;
  Append(good, "out", {"of fast"});
  Ack(good, *fast, again);
  EXPECT_THAT(Transact(good), IsOk());
  // Nor does a consumer that has disconnected, or one that has acked already.
  EXPECT_THAT(Transact(good), Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_LEASE_LOST));
  slow.reset();
  EXPECT_THAT(Transact(late), Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_LEASE_LOST));
  EXPECT_THAT(Ids("out"), ElementsAre("of fast"));
}

TEST_F(TransactionTest, RejectsStreamAcksWithoutEffect) {
  Create(Stream());
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(3);
  v1::TransactRequest request;
  Append(request, "out", {"x"});
  Ack(request, *consumer, {events[1]});
  request.mutable_acks()->mutable_acks(0)->set_exact(false);  // Includes all events before it.
  EXPECT_THAT(Transact(request), IsOk());
  EXPECT_EQ(Acked(), 2);
  EXPECT_THAT(Transact(request), Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_LEASE_LOST));
  v1::TransactRequest exact;
  Append(exact, "out", {"y"});
  Ack(exact, *consumer, {events[2]});
  EXPECT_THAT(Transact(exact), IsOk());
  EXPECT_THAT(Transact(exact), Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_LEASE_LOST));
  EXPECT_THAT(Ids("out"), ElementsAre("x", "y"));
}

TEST_F(TransactionTest, AckMarksStalledConsumerResponsive) {
  const auto consumer = StalledConsumer();
  const std::vector<Received> again = consumer->Receive(1);
  v1::TransactRequest request;
  Ack(request, *consumer, again);
  EXPECT_THAT(Transact(request), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"b", "c"}), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(2)), ElementsAre("b", "c"));
}

// A transaction in doubt is done as a whole or not at all.
TEST_F(TransactionTest, IsAtomicAcrossPowerLoss) {
  Create(Queue());
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  v1::TransactRequest request;
  request.set_transaction_id("in doubt");
  Append(request, "out", {"x"});
  {
    const auto consumer = rig_.Consume("s", "c");
    Ack(request, *consumer, consumer->Receive(1));
    rig_.disk.Cut();
    EXPECT_THAT(Transact(request), StatusIs(StatusCode::kUnavailable));
  }
  rig_.Close();
  rig_.disk.Forget();
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(Ids("out"), IsEmpty());
  EXPECT_EQ(Acked(), 0);
  const auto consumer = rig_.Consume("s", "c");
  v1::TransactRequest again;
  again.set_transaction_id("in doubt");
  Append(again, "out", {"x"});
  Ack(again, *consumer, consumer->Receive(1));
  ASSERT_OK_AND_ASSIGN(const v1::TransactResponse response, Transact(again));
  EXPECT_FALSE(response.duplicate());
  EXPECT_EQ(Acked(), 1);
}

TEST_F(TransactionTest, RejectsMalformedBytes) {
  v1::TransactRequest request;
  Append(request, "out", {"x"});
  const std::string bytes = request.SerializeAsString();
  for (size_t size = 1; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseTransaction(SharedBytes::Copy(bytes.substr(0, size))).ok()) << size;
  }
  EXPECT_THAT(ParseTransaction(SharedBytes::Copy(bytes)), IsOk());
}

}  // namespace
}  // namespace eventhub

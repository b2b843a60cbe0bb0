// SubscriptionService over gRPC: each method, and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/consume_fixture.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using v1::ErrorDetail;

const auto kInvalid = FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD);
const auto kNoSubscription =
    FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_SUBSCRIPTION_NOT_FOUND);
const auto kNoSnapshot = FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_SNAPSHOT_NOT_FOUND);
const auto kNoPartition = FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_PARTITION_NOT_FOUND);

class SubscriptionServiceTest : public ConsumeTest {
 protected:
  using Stub = v1::SubscriptionService::Stub;

  SubscriptionServiceTest() : ConsumeTest(TestServerOptions(), 2) {}

  template <typename Request, typename Response>
  Outcome<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                      Response*),
                         const Request& request) {
    grpc::ClientContext context;
    Outcome<Response> outcome;
    outcome.status = (hub_.client().subscriptions().*method)(&context, request, &outcome.response);
    return outcome;
  }
  template <typename Request, typename Response>
  Response MustCall(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request) {
    const Outcome<Response> outcome = Call(method, request);
    EXPECT_THAT(outcome.status, IsOk());
    return outcome.response;
  }
  // Creates a subscription; returns the field in the refusal.
  std::string FieldAtFault(const v1::Subscription& settings) {
    const grpc::Status status = TryCreateSubscription(hub_.client(), settings).status;
    EXPECT_THAT(status, kInvalid) << settings.ShortDebugString();
    return DetailOf(status).field();
  }
  // Turns `events` events of partition 0 into dead letters, with reasons "0", "1", …
  void MakeDeadLetters(int events) {
    CreateSubscription(hub_.client(), QueueOf("s"));
    PublishSome(events);
    TestConsumer consumer(hub_.client(), "s");
    ASSERT_TRUE(consumer.UntilEvents(static_cast<size_t>(events)));
    for (const Received& event : consumer.events()) {
      consumer.MustSettle(
          NackOf(event, v1::Nack::ACTION_PARK, "reason " + std::to_string(event.offset)));
    }
  }
};

TEST_F(SubscriptionServiceTest, CreateFillsInDefaults) {
  const v1::Subscription queue = CreateSubscription(hub_.client(), QueueOf("q"));
  EXPECT_EQ(queue.ack_deadline().seconds(), 30);
  EXPECT_EQ(queue.retry_policy().min_backoff().nanos(), 100'000'000);
  EXPECT_EQ(queue.retry_policy().max_backoff().seconds(), 60);
  EXPECT_EQ(queue.dead_letter_topic(), "q.dead-letters");
  EXPECT_NE(queue.ack_durability(), v1::DURABILITY_UNSPECIFIED);
  EXPECT_GT(queue.create_time().seconds(), 0);
  EXPECT_EQ(GetPartition(hub_.client(), "q.dead-letters").end_offset(), 0);
  const v1::Subscription stream = CreateSubscription(hub_.client(), StreamOf("s"));
  EXPECT_EQ(stream.ack_deadline().seconds(), 0);
  const v1::GetSubscriptionResponse got = GetSubscription(hub_.client(), "s");
  EXPECT_EQ(got.subscription().SerializeAsString(), stream.SerializeAsString());
  EXPECT_EQ(got.partitions_size(), 2);
}

TEST_F(SubscriptionServiceTest, CreateRejectsInvalidSettings) {
  EXPECT_EQ(FieldAtFault(QueueOf("")), "subscription.name");
  EXPECT_EQ(FieldAtFault(QueueOf("a b")), "subscription.name");
  EXPECT_EQ(FieldAtFault(QueueOf(std::string(201, 'x'))), "subscription.name");
  EXPECT_EQ(FieldAtFault(QueueOf("s", "")), "subscription.topic");
  v1::Subscription settings = QueueOf("s");
  settings.clear_kind();
  EXPECT_EQ(FieldAtFault(settings), "subscription.kind");
  settings = StreamOf("s");
  settings.set_ordered_by_key(true);
  EXPECT_EQ(FieldAtFault(settings), "subscription.ordered_by_key");
  settings = QueueOf("s");
  settings.mutable_ack_deadline()->set_nanos(99'000'000);
  EXPECT_EQ(FieldAtFault(settings), "subscription.ack_deadline");
  settings = QueueOf("s");
  settings.set_max_delivery_attempts(1001);
  EXPECT_EQ(FieldAtFault(settings), "subscription.max_delivery_attempts");
  settings = QueueOf("s");
  settings.mutable_retry_policy()->mutable_min_backoff()->set_seconds(3601);
  EXPECT_EQ(FieldAtFault(settings), "subscription.retry_policy.min_backoff");
  settings = QueueOf("s");
  settings.mutable_expire_after()->set_seconds(59);
  EXPECT_EQ(FieldAtFault(settings), "subscription.expire_after");
  settings = QueueOf("s");
  settings.set_description(std::string(1025, 'x'));
  EXPECT_EQ(FieldAtFault(settings), "subscription.description");
  EXPECT_THAT(TryCreateSubscription(hub_.client(), QueueOf("s", "none")).status,
              FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND));
  CreateSubscription(hub_.client(), QueueOf("s"));
  EXPECT_THAT(TryCreateSubscription(hub_.client(), StreamOf("s")).status,
              FailsWith(StatusCode::ALREADY_EXISTS, ErrorDetail::REASON_SUBSCRIPTION_EXISTS));
}

TEST_F(SubscriptionServiceTest, CreateStartsAtRequestedPosition) {
  PublishTo(0, 5);
  PublishTo(1, 5);
  const auto lag_from = [&](const std::string& name, const v1::StartPosition& start) {
    v1::CreateSubscriptionRequest request;
    *request.mutable_subscription() = QueueOf(name);
    *request.mutable_start() = start;
    MustCall(&Stub::CreateSubscription, request);
    return StatsOf(name).lag_events();
  };
  v1::StartPosition start;
  EXPECT_EQ(lag_from("default", start), 0u);
  start.set_earliest(true);
  EXPECT_EQ(lag_from("earliest", start), 10u);
  start.set_offset(3);
  EXPECT_EQ(lag_from("offset", start), 4u);
  start.mutable_timestamp()->set_seconds(1);
  EXPECT_EQ(lag_from("timestamp", start), 10u);
  v1::CreateSubscriptionRequest beyond;
  *beyond.mutable_subscription() = QueueOf("beyond");
  beyond.mutable_start()->set_offset(6);
  EXPECT_THAT(Call(&Stub::CreateSubscription, beyond).status,
              FailsWith(StatusCode::OUT_OF_RANGE, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
}

TEST_F(SubscriptionServiceTest, GetReportsFindings) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishTo(1, 5);
  v1::GetSubscriptionResponse state = GetSubscription(hub_.client(), "s");
  EXPECT_EQ(state.stats().lag_events(), 5u);
  EXPECT_GT(state.stats().lag_bytes(), 0u);
  ASSERT_EQ(state.partitions_size(), 2);
  EXPECT_EQ(state.partitions(0).partition(), 1u);  // Those furthest behind first.
  ASSERT_GE(state.findings_size(), 1);
  EXPECT_THAT(state.findings(0), HasSubstr("no consumer"));
  TestConsumer consumer(hub_.client(), OpenOf("s", "worker-1"));
  ASSERT_TRUE(consumer.UntilEvents(5));
  consumer.MustSettle(AckOf(consumer.events()[0]));
  state = GetSubscription(hub_.client(), "s");
  ASSERT_EQ(state.consumers_size(), 1);
  EXPECT_EQ(state.consumers(0).name(), "worker-1");
  EXPECT_THAT(state.consumers(0).address(), HasSubstr("127.0.0.1"));
  EXPECT_EQ(state.consumers(0).in_use().events(), 4u);
  EXPECT_EQ(state.consumers(0).credit().events(), 1000u);
  EXPECT_EQ(state.consumers(0).acked_events(), 1u);
  EXPECT_EQ(state.partitions(0).acked_offset(), 1);
  EXPECT_EQ(state.partitions(0).next_offset(), 5);
  EXPECT_EQ(state.partitions(0).head_consumer(), "worker-1");
  EXPECT_TRUE(state.stats().has_last_ack_time());
}

TEST_F(SubscriptionServiceTest, ListsInPages) {
  CreateTopic(hub_.client(), "other");
  for (const char* const name : {"c", "a", "e", "b", "d"}) {
    CreateSubscription(hub_.client(), QueueOf(name));
  }
  CreateSubscription(hub_.client(), QueueOf("f", "other"));
  std::vector<std::string> names;
  v1::ListSubscriptionsRequest request;
  request.set_page_size(2);
  request.set_topic("t");
  int pages = 0;
  do {
    const auto page = MustCall(&Stub::ListSubscriptions, request);
    for (const v1::SubscriptionSummary& summary : page.subscriptions()) {
      names.push_back(summary.subscription().name());
    }
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty() && pages < 10);
  EXPECT_THAT(names, ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(MustCall(&Stub::ListSubscriptions, v1::ListSubscriptionsRequest()).subscriptions_size(),
            6);
}

TEST_F(SubscriptionServiceTest, UpdatesOnlyMaskedFields) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  v1::UpdateSubscriptionRequest request;
  request.mutable_subscription()->set_name("s");
  request.mutable_subscription()->set_paused(true);
  request.mutable_subscription()->set_description("not named");
  request.mutable_subscription()->mutable_ack_deadline()->set_seconds(5);
  request.mutable_update_mask()->add_paths("paused");
  request.mutable_update_mask()->add_paths("ack_deadline");
  const v1::Subscription updated = MustCall(&Stub::UpdateSubscription, request).subscription();
  EXPECT_TRUE(updated.paused());
  EXPECT_EQ(updated.ack_deadline().seconds(), 5);
  EXPECT_EQ(updated.description(), "");
  EXPECT_TRUE(GetSubscription(hub_.client(), "s").subscription().paused());

  request.clear_update_mask();
  EXPECT_THAT(Call(&Stub::UpdateSubscription, request).status, kInvalid);
  for (const char* const path : {"topic", "kind", "ordered_by_key", "nothing"}) {
    request.mutable_update_mask()->clear_paths();
    request.mutable_update_mask()->add_paths(path);
    EXPECT_THAT(Call(&Stub::UpdateSubscription, request).status, kInvalid) << path;
  }
  request.mutable_update_mask()->set_paths(0, "dead_letter_topic");
  request.mutable_subscription()->set_dead_letter_topic("none");
  EXPECT_THAT(Call(&Stub::UpdateSubscription, request).status,
              FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND));
  request.mutable_subscription()->set_name("none");
  EXPECT_THAT(Call(&Stub::UpdateSubscription, request).status, kNoSubscription);
}

TEST_F(SubscriptionServiceTest, DeleteKeepsTheDeadLetterTopic) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  DeleteSubscription(hub_.client(), "s");
  EXPECT_EQ(GetPartition(hub_.client(), "s.dead-letters").end_offset(), 0);
  v1::DeleteSubscriptionRequest request;
  request.set_name("s");
  EXPECT_THAT(Call(&Stub::DeleteSubscription, request).status, kNoSubscription);
  request.clear_name();
  EXPECT_THAT(Call(&Stub::DeleteSubscription, request).status, kInvalid);
}

TEST_F(SubscriptionServiceTest, TopicWithSubscriptionsIsInUse) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  for (const char* const topic : {"t", "s.dead-letters"}) {
    grpc::ClientContext context;
    v1::DeleteTopicRequest request;
    v1::DeleteTopicResponse response;
    request.set_name(topic);
    EXPECT_THAT(hub_.client().admin().DeleteTopic(&context, request, &response),
                FailsWith(StatusCode::FAILED_PRECONDITION, ErrorDetail::REASON_TOPIC_IN_USE))
        << topic;
  }
}

TEST_F(SubscriptionServiceTest, EveryMethodReportsUnknownSubscription) {
  const auto expect = [](const grpc::Status& status) {
    EXPECT_THAT(status, kNoSubscription);
    EXPECT_THAT(status.error_message(), HasSubstr("none"));
  };
  v1::GetSubscriptionRequest get;
  get.set_name("none");
  expect(Call(&Stub::GetSubscription, get).status);
  v1::SeekSubscriptionRequest seek;
  seek.set_name("none");
  seek.mutable_start()->set_latest(true);
  expect(Call(&Stub::SeekSubscription, seek).status);
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("none");
  replay.mutable_start()->set_earliest(true);
  expect(Call(&Stub::ReplaySubscription, replay).status);
  v1::CancelReplaysRequest cancel;
  cancel.set_name("none");
  expect(Call(&Stub::CancelReplays, cancel).status);
  v1::CreateSnapshotRequest snapshot;
  snapshot.set_subscription("none");
  snapshot.set_name("x");
  expect(Call(&Stub::CreateSnapshot, snapshot).status);
  v1::ListSnapshotsRequest snapshots;
  snapshots.set_subscription("none");
  expect(Call(&Stub::ListSnapshots, snapshots).status);
  v1::DeleteSnapshotRequest remove;
  remove.set_subscription("none");
  remove.set_name("x");
  expect(Call(&Stub::DeleteSnapshot, remove).status);
  v1::ListDeadLettersRequest letters;
  letters.set_subscription("none");
  expect(Call(&Stub::ListDeadLetters, letters).status);
  v1::RedriveDeadLettersRequest redrive;
  redrive.set_subscription("none");
  redrive.mutable_selector();
  expect(Call(&Stub::RedriveDeadLetters, redrive).status);
  v1::DiscardDeadLettersRequest discard;
  discard.set_subscription("none");
  discard.mutable_selector();
  expect(Call(&Stub::DiscardDeadLetters, discard).status);
}

TEST_F(SubscriptionServiceTest, SeekMovesOrPredictsMoves) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishTo(0, 4);
  PublishTo(1, 4);
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  EXPECT_THAT(Call(&Stub::SeekSubscription, seek).status, kInvalid);
  seek.mutable_start()->set_latest(true);
  seek.set_dry_run(true);
  v1::SeekSubscriptionResponse moves = MustCall(&Stub::SeekSubscription, seek);
  ASSERT_EQ(moves.moves_size(), 2);
  EXPECT_EQ(moves.moves(0).from_offset(), 0);
  EXPECT_EQ(moves.moves(0).to_offset(), 4);
  EXPECT_EQ(moves.moves(0).lag_before(), 4u);
  EXPECT_EQ(moves.moves(0).lag_after(), 0u);
  EXPECT_EQ(StatsOf("s").lag_events(), 8u);
  seek.set_dry_run(false);
  MustCall(&Stub::SeekSubscription, seek);
  EXPECT_EQ(StatsOf("s").lag_events(), 0u);
  seek.Clear();
  seek.set_name("s");
  seek.add_offsets()->set_partition(1);
  seek.mutable_offsets(0)->set_offset(3);
  moves = MustCall(&Stub::SeekSubscription, seek);
  ASSERT_EQ(moves.moves_size(), 1);
  EXPECT_EQ(moves.moves(0).partition(), 1u);
  EXPECT_EQ(StatsOf("s").lag_events(), 1u);
  seek.mutable_offsets(0)->set_offset(5);
  EXPECT_THAT(Call(&Stub::SeekSubscription, seek).status,
              FailsWith(StatusCode::OUT_OF_RANGE, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
  seek.mutable_offsets(0)->set_partition(2);
  EXPECT_THAT(Call(&Stub::SeekSubscription, seek).status, kNoPartition);
  seek.set_snapshot("none");
  EXPECT_THAT(Call(&Stub::SeekSubscription, seek).status, kNoSnapshot);
}

TEST_F(SubscriptionServiceTest, CreatesListsRestoresAndDeletesSnapshots) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishSome(4);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(4));
  consumer.MustSettle(AckOf(consumer.events()[2]));
  v1::CreateSnapshotRequest create;
  create.set_subscription("s");
  EXPECT_THAT(Call(&Stub::CreateSnapshot, create).status, kInvalid);
  create.set_name("one");
  EXPECT_EQ(MustCall(&Stub::CreateSnapshot, create).snapshot().lag_events(), 3u);
  EXPECT_THAT(Call(&Stub::CreateSnapshot, create).status,
              FailsWith(StatusCode::ALREADY_EXISTS, ErrorDetail::REASON_SNAPSHOT_EXISTS));
  for (const size_t i : {0, 1, 3}) consumer.MustSettle(AckOf(consumer.events()[i]));
  EXPECT_EQ(StatsOf("s").lag_events(), 0u);
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  seek.set_snapshot("one");
  MustCall(&Stub::SeekSubscription, seek);
  ASSERT_TRUE(consumer.UntilEvents(7));
  EXPECT_THAT(consumer.offsets(), ElementsAre(0, 1, 2, 3, 0, 1, 3));
  v1::ListSnapshotsRequest list;
  list.set_subscription("s");
  const v1::ListSnapshotsResponse snapshots = MustCall(&Stub::ListSnapshots, list);
  ASSERT_EQ(snapshots.snapshots_size(), 1);
  EXPECT_EQ(snapshots.snapshots(0).name(), "one");
  v1::DeleteSnapshotRequest remove;
  remove.set_subscription("s");
  remove.set_name("one");
  MustCall(&Stub::DeleteSnapshot, remove);
  EXPECT_THAT(Call(&Stub::DeleteSnapshot, remove).status, kNoSnapshot);
  EXPECT_EQ(MustCall(&Stub::ListSnapshots, list).snapshots_size(), 0);
}

TEST_F(SubscriptionServiceTest, ReplayRedeliversRange) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishSome(5);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(5));
  consumer.AckFrom(0);
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  EXPECT_THAT(Call(&Stub::ReplaySubscription, replay).status, kInvalid);
  replay.mutable_start()->set_offset(1);
  replay.set_stop_offset(4);
  replay.add_partitions(0);
  replay.set_dry_run(true);
  EXPECT_EQ(MustCall(&Stub::ReplaySubscription, replay).events(), 3u);
  replay.set_dry_run(false);
  const v1::ReplaySubscriptionResponse replayed = MustCall(&Stub::ReplaySubscription, replay);
  EXPECT_EQ(replayed.events(), 3u);
  ASSERT_EQ(replayed.ranges_size(), 1);
  EXPECT_EQ(replayed.ranges(0).range().start(), 1);
  EXPECT_EQ(replayed.ranges(0).range().end(), 4);
  ASSERT_TRUE(consumer.UntilEvents(8));
  EXPECT_THAT(consumer.offsets(), ElementsAre(0, 1, 2, 3, 4, 1, 2, 3));
  EXPECT_EQ(StatsOf("s").replay_events(), 3u);
  consumer.AckFrom(5);
  EXPECT_EQ(StatsOf("s").replay_events(), 0u);
  replay.add_partitions(9);
  EXPECT_THAT(Call(&Stub::ReplaySubscription, replay).status, kNoPartition);
}

TEST_F(SubscriptionServiceTest, CancelsReplays) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishSome(5);
  {
    TestConsumer consumer(hub_.client(), "s");
    ASSERT_TRUE(consumer.UntilEvents(5));
    consumer.AckFrom(0);
  }
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  EXPECT_EQ(MustCall(&Stub::ReplaySubscription, replay).events(), 5u);
  v1::CancelReplaysRequest cancel;
  cancel.set_name("s");
  EXPECT_EQ(MustCall(&Stub::CancelReplays, cancel).events(), 5u);
  EXPECT_EQ(MustCall(&Stub::CancelReplays, cancel).events(), 0u);
  EXPECT_EQ(StatsOf("s").replay_events(), 0u);
}

TEST_F(SubscriptionServiceTest, ListsDeadLettersBySelectorInPages) {
  MakeDeadLetters(5);
  v1::ListDeadLettersRequest list;
  list.set_subscription("s");
  list.set_page_size(2);
  std::vector<int64_t> offsets;
  int pages = 0;
  do {
    const auto page = MustCall(&Stub::ListDeadLetters, list);
    for (const v1::DeadLetter& letter : page.dead_letters()) {
      offsets.push_back(letter.source_offset());
      EXPECT_EQ(letter.event().data(), "");
      EXPECT_EQ(letter.attempts(), 1u);
    }
    list.set_page_token(page.next_page_token());
    ++pages;
  } while (!list.page_token().empty() && pages < 10);
  EXPECT_THAT(offsets, ElementsAre(0, 1, 2, 3, 4));
  list.Clear();
  list.set_subscription("s");
  list.set_with_data(true);
  list.mutable_selector()->set_reason_contains("reason 3");
  const v1::ListDeadLettersResponse found = MustCall(&Stub::ListDeadLetters, list);
  ASSERT_EQ(found.dead_letters_size(), 1);
  EXPECT_EQ(found.dead_letters(0).source_offset(), 3);
  EXPECT_EQ(found.dead_letters(0).event().data(), "data");
  EXPECT_EQ(found.dead_letters(0).event().id(), "3");
}

TEST_F(SubscriptionServiceTest, RedrivesAndDiscardsDeadLetters) {
  MakeDeadLetters(4);
  v1::RedriveDeadLettersRequest redrive;
  redrive.set_subscription("s");
  EXPECT_THAT(Call(&Stub::RedriveDeadLetters, redrive).status, kInvalid);
  redrive.mutable_selector()->set_reason_contains("reason 1");
  redrive.set_dry_run(true);
  EXPECT_EQ(MustCall(&Stub::RedriveDeadLetters, redrive).events(), 1u);
  EXPECT_EQ(StatsOf("s").open_dead_letters(), 4u);
  redrive.set_dry_run(false);
  EXPECT_EQ(MustCall(&Stub::RedriveDeadLetters, redrive).events(), 1u);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(1));
  EXPECT_EQ(consumer.events()[0].offset, 1);
  EXPECT_EQ(consumer.events()[0].attempt, 1u);
  consumer.AckFrom(0);
  v1::DiscardDeadLettersRequest discard;
  discard.set_subscription("s");
  EXPECT_THAT(Call(&Stub::DiscardDeadLetters, discard).status, kInvalid);
  discard.mutable_selector();
  EXPECT_EQ(MustCall(&Stub::DiscardDeadLetters, discard).events(), 3u);
  EXPECT_EQ(StatsOf("s").open_dead_letters(), 0u);
  EXPECT_EQ(GetPartition(hub_.client(), "s.dead-letters").end_offset(), 4);
}

}  // namespace
}  // namespace eventhub

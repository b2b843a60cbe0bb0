// Seeks and snapshots of subscriptions.
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/subscription_admin_fixture.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class SeekTest : public SubscriptionAdminTest {
 protected:
  static v1::SeekSubscriptionRequest To(int64_t partition_0, int64_t partition_1) {
    v1::SeekSubscriptionRequest request;
    request.set_name("s");
    for (const auto& [p, offset] : {std::pair(0u, partition_0), std::pair(1u, partition_1)}) {
      v1::PartitionOffset& place = *request.add_offsets();
      place.set_partition(p);
      place.set_offset(offset);
    }
    return request;
  }

  static std::vector<std::string> Shown(const v1::SeekSubscriptionResponse& response) {
    std::vector<std::string> shown;
    for (const v1::PartitionMove& move : response.moves()) {
      shown.push_back(absl::StrCat(move.partition(), ": ", move.from_offset(), " to ",
                                   move.to_offset(), ", lag ", move.lag_before(), " to ",
                                   move.lag_after()));
    }
    return shown;
  }
};

TEST_F(SeekTest, DryRunReportsMovesWithoutMoving) {
  SetUpQueue(2);
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"d", "e"}, 1), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(5);
  EXPECT_TRUE(consumer->AckAll({events[0]}));
  v1::SeekSubscriptionRequest request = To(3, 0);
  request.set_dry_run(true);
  ASSERT_OK_AND_ASSIGN(const v1::SeekSubscriptionResponse response, rig_.Seek(request));
  EXPECT_THAT(Shown(response), ElementsAre("0: 1 to 3, lag 2 to 0", "1: 0 to 0, lag 2 to 2"));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_THAT(consumer->said.revoked(), IsEmpty());
  EXPECT_TRUE(consumer->AckAll({events.begin() + 1, events.end()}));
  EXPECT_EQ(Stats().lag_events(), 0u);
}

TEST_F(SeekTest, MovesNamedPartitions) {
  SetUpQueue(2);
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"d", "e"}, 1), IsOk());
  ConsumeAll("s", 5);
  v1::SeekSubscriptionRequest request = To(1, 0);
  request.mutable_offsets()->RemoveLast();
  ASSERT_OK_AND_ASSIGN(v1::SeekSubscriptionResponse response, rig_.Seek(request));
  EXPECT_THAT(Shown(response), ElementsAre("0: 3 to 1, lag 0 to 2"));
  EXPECT_THAT(IdsOf(rig_.Consume("s", "c")->Receive(2)), ElementsAre("b", "c"));
  request.mutable_start()->set_earliest(true);
  ASSERT_OK_AND_ASSIGN(response, rig_.Seek(request));
  EXPECT_THAT(Shown(response), ElementsAre("0: 1 to 1, lag 2 to 2", "1: 2 to 0, lag 0 to 2"));
  EXPECT_THAT(IdsOf(rig_.Consume("s", "c")->Receive(4)),
              testing::UnorderedElementsAre("b", "c", "d", "e"));
}

TEST_F(SeekTest, MovesToTimestamp) {
  SetUpStream();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  rig_.clock.Advance(absl::Seconds(10));
  const absl::Time middle = rig_.clock.Now();
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  rig_.clock.Advance(absl::Seconds(10));
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  ConsumeAll("s", 3);
  const auto consumer = rig_.Consume("s", "c");
  v1::SeekSubscriptionRequest request;
  request.set_name("s");
  *request.mutable_start()->mutable_timestamp() = At(middle);
  ASSERT_THAT(rig_.Seek(request), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(2)), ElementsAre("b", "c"));
  *request.mutable_start()->mutable_timestamp() = At(middle + absl::Microseconds(1));
  ASSERT_THAT(rig_.Seek(request), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("c"));
  *request.mutable_start()->mutable_timestamp() = At(middle + absl::Hours(1));
  ASSERT_THAT(rig_.Seek(request), IsOk());
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(Stats().lag_events(), 0u);
}

TEST_F(SeekTest, RevokesLeases) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> out = consumer->Receive(2);
  ASSERT_THAT(out, SizeIs(2));
  v1::SeekSubscriptionRequest request;
  request.set_name("s");
  request.mutable_start()->set_offset(1);
  ASSERT_THAT(rig_.Seek(request), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("b"));
  ASSERT_EQ(consumer->said.revoked_size(), 1);
  EXPECT_THAT(RefusedOffsets(consumer->Ack(out[1])), ElementsAre(1));
  EXPECT_EQ(Stats().in_flight_events(), 1u);
}

TEST_F(SeekTest, DiscardsPendingRetries) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(2);
  EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_RETRY)), IsEmpty());
  v1::SeekSubscriptionRequest request;
  request.set_name("s");
  request.mutable_start()->set_latest(true);
  ASSERT_THAT(rig_.Seek(request), IsOk());
  rig_.Pass(absl::Hours(1));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(Stats().lag_events(), 0u);
}

TEST_F(SeekTest, KeepsReplaysBehindNewPosition) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  ConsumeAll("s", 3);
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  ASSERT_THAT(rig_.Replay(replay), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> out = consumer->Receive(3);
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  seek.mutable_start()->set_offset(2);
  ASSERT_THAT(rig_.Seek(seek), IsOk());
  EXPECT_EQ(Stats().replay_events(), 2u);
  EXPECT_EQ(Stats().lag_events(), 1u);
  const std::vector<Received> again = consumer->Receive(3);
  EXPECT_THAT(IdsOf(again), UnorderedElementsAre("a", "b", "c"));
  EXPECT_THAT(RefusedOffsets(consumer->Ack(out[0])), ElementsAre(0));
  EXPECT_TRUE(consumer->AckAll(again));
  EXPECT_EQ(Stats().replay_events(), 0u);
}

TEST_F(SeekTest, KeepsRedrivenEventsThatWereTrimmed) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  ASSERT_THAT(rig_.CreateSnapshot("s", "before"), IsOk());
  {
    const auto consumer = rig_.Consume("s", "c");
    for (const Received& event : consumer->Receive(2)) {
      consumer->Nack(event, v1::Nack::ACTION_PARK, "later");
    }
    rig_.AwaitParking("s");
  }
  rig_.Pass(absl::Seconds(1));
  rig_.Trim("t", absl::ZeroDuration(), {2});
  v1::RedriveDeadLettersRequest redrive;
  redrive.set_subscription("s");
  redrive.mutable_selector();
  ASSERT_THAT(rig_.Redrive(redrive), IsOk());
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  seek.mutable_start()->set_latest(true);
  ASSERT_THAT(rig_.Seek(seek), IsOk());
  EXPECT_EQ(Stats().replay_events(), 2u);
  seek.set_snapshot("before");
  ASSERT_THAT(rig_.Seek(seek), IsOk());
  EXPECT_EQ(Stats().replay_events(), 2u);
  EXPECT_EQ(Stats().lag_events(), 0u);
  EXPECT_EQ(Stats().lost_events(), 0u);
  rig_.Reopen();
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(IdsOf(consumer->Receive(2)), UnorderedElementsAre("a", "b"));
}

TEST_F(SeekTest, RejectsInvalidPositions) {
  SetUpQueue(2);
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  v1::SeekSubscriptionRequest request;
  EXPECT_EQ(FaultyField(rig_.Seek(request).status()), "name");
  request.set_name("s");
  EXPECT_EQ(FaultyField(rig_.Seek(request).status()), "target");
  EXPECT_THAT(rig_.Seek(To(4, 0)),
              Refused(StatusCode::kOutOfRange, Reason::REASON_OFFSET_OUT_OF_RANGE));
  EXPECT_THAT(rig_.Seek(To(-1, 0)),
              Refused(StatusCode::kOutOfRange, Reason::REASON_OFFSET_OUT_OF_RANGE));
  const absl::Status beyond = rig_.Seek(To(0, 1)).status();
  EXPECT_THAT(beyond, Refused(StatusCode::kOutOfRange, Reason::REASON_OFFSET_OUT_OF_RANGE));
  EXPECT_EQ(DetailOf(beyond)->partition(), 1u);
  EXPECT_EQ(DetailOf(beyond)->earliest_offset(), 0);
  EXPECT_EQ(DetailOf(beyond)->end_offset(), 0);
  request = To(0, 0);
  request.mutable_offsets(1)->set_partition(2);
  EXPECT_THAT(rig_.Seek(request),
              Refused(StatusCode::kNotFound, Reason::REASON_PARTITION_NOT_FOUND));
  request.set_name("none");
  EXPECT_THAT(rig_.Seek(request),
              Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND));
  EXPECT_EQ(Stats().lag_events(), 3u);
}

// ---- Snapshots

class SnapshotTest : public SubscriptionAdminTest {
 protected:
  absl::StatusOr<v1::SeekSubscriptionResponse> Restore(const std::string& name) {
    v1::SeekSubscriptionRequest request;
    request.set_name("s");
    request.set_snapshot(name);
    return rig_.Seek(request);
  }

  std::vector<std::string> Names() {
    const auto response = rig_.subscriptions().snapshots().List(kTester, "s");
    EXPECT_THAT(response, IsOk());
    std::vector<std::string> names;
    for (const v1::Snapshot& snapshot : response->snapshots()) names.push_back(snapshot.name());
    return names;
  }
};

TEST_F(SnapshotTest, RestoresOnlyUnackedEvents) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c", "d"}), IsOk());
  {
    const auto consumer = rig_.Consume("s", "c", /*credit=*/3);
    const std::vector<Received> events = consumer->Receive(3);
    consumer->SetCredit(0);
    EXPECT_TRUE(consumer->AckAll({events[1]}));
    ASSERT_OK_AND_ASSIGN(const v1::CreateSnapshotResponse made, rig_.CreateSnapshot("s", "before"));
    EXPECT_EQ(made.snapshot().name(), "before");
    EXPECT_EQ(made.snapshot().lag_events(), 3u);
    EXPECT_EQ(made.snapshot().create_time().seconds(), absl::ToUnixSeconds(rig_.clock.Now()));
  }
  ConsumeAll("s", 3);
  EXPECT_EQ(Stats().lag_events(), 0u);
  rig_.Reopen();
  ASSERT_OK_AND_ASSIGN(const v1::SeekSubscriptionResponse moved, Restore("before"));
  ASSERT_EQ(moved.moves_size(), 1);
  EXPECT_EQ(moved.moves(0).from_offset(), 4);
  EXPECT_EQ(moved.moves(0).to_offset(), 0);
  EXPECT_EQ(moved.moves(0).lag_before(), 0u);
  EXPECT_EQ(moved.moves(0).lag_after(), 3u);
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(3);
  EXPECT_THAT(IdsOf(events), UnorderedElementsAre("a", "c", "d"));
  EXPECT_THAT(Names(), ElementsAre("before"));  // The name can be used again.
}

TEST_F(SnapshotTest, AreListedByNameUntilDeleted) {
  SetUpQueue();
  EXPECT_THAT(Names(), IsEmpty());
  for (const char* name : {"b", "c", "a"}) ASSERT_THAT(rig_.CreateSnapshot("s", name), IsOk());
  EXPECT_THAT(Names(), ElementsAre("a", "b", "c"));
  ASSERT_THAT(rig_.DeleteSnapshot("s", "b"), IsOk());
  EXPECT_THAT(Names(), ElementsAre("a", "c"));
  EXPECT_THAT(rig_.DeleteSnapshot("s", "b"),
              Refused(StatusCode::kNotFound, Reason::REASON_SNAPSHOT_NOT_FOUND));
  EXPECT_THAT(Restore("b"), Refused(StatusCode::kNotFound, Reason::REASON_SNAPSHOT_NOT_FOUND));
}

TEST_F(SnapshotTest, AreDeletedWithSubscription) {
  SetUpQueue();
  ASSERT_THAT(rig_.CreateSnapshot("s", "a"), IsOk());
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  ASSERT_THAT(rig_.Subscribe(Queue()), IsOk());
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(SnapshotTest, DoNotBlockRetention) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  ASSERT_THAT(rig_.CreateSnapshot("s", "old"), IsOk());
  ConsumeAll("s", 2);
  rig_.clock.Advance(absl::Seconds(10));
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  rig_.Trim("t", absl::Seconds(5), {2});
  ConsumeAll("s", 1);
  ASSERT_OK_AND_ASSIGN(const v1::SeekSubscriptionResponse moved, Restore("old"));
  EXPECT_EQ(moved.moves(0).to_offset(), 2);
  EXPECT_EQ(moved.moves(0).lag_after(), 1u);
  EXPECT_THAT(IdsOf(rig_.Consume("s", "c")->Receive(1)), ElementsAre("c"));
}

TEST_F(SnapshotTest, RejectsInvalidNames) {
  SetUpQueue();
  ASSERT_THAT(rig_.CreateSnapshot("s", "a"), IsOk());
  EXPECT_THAT(rig_.CreateSnapshot("s", "a"),
              Refused(StatusCode::kAlreadyExists, Reason::REASON_SNAPSHOT_EXISTS));
  for (const char* bad : {"", ".a", "a b", "a/b"}) {
    EXPECT_EQ(FaultyField(rig_.CreateSnapshot("s", bad).status()), "name") << bad;
  }
  EXPECT_EQ(FaultyField(rig_.CreateSnapshot("", "b").status()), "subscription");
  EXPECT_EQ(FaultyField(rig_.DeleteSnapshot("", "b")), "subscription");
  EXPECT_EQ(FaultyField(rig_.subscriptions().snapshots().List(kTester, "").status()),
            "subscription");
  const auto no_subscription =
      Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND);
  EXPECT_THAT(rig_.CreateSnapshot("none", "a"), no_subscription);
  EXPECT_THAT(rig_.DeleteSnapshot("none", "a"), no_subscription);
  EXPECT_THAT(rig_.subscriptions().snapshots().List(kTester, "none"), no_subscription);
}

// Later events are not part of it, however long it takes.
TEST_F(SeekTest, UsesLogEndAtTimeOfCall) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_TRUE(consumer->AckAll(consumer->Receive(2)));
  const auto publish = [&](const std::string& id) {
    EXPECT_THAT(rig_.Publish("t", {id}), IsOk());
    const std::vector<Received> events = consumer->Receive(1);
    EXPECT_THAT(IdsOf(events), ElementsAre(id));
    EXPECT_TRUE(consumer->AckAll(events));
    return false;
  };
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  std::promise<uint64_t> replayed;
  rig_.subscriptions().moves().Replay(
      CallerUntil([&] { return publish("c"); }), replay, rig_.pool(),
      [&](const auto& response) { replayed.set_value(response->events()); });
  EXPECT_EQ(replayed.get_future().get(), 2u);
  EXPECT_TRUE(consumer->AckAll(consumer->Receive(2)));
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  seek.mutable_start()->set_latest(true);
  std::promise<absl::Status> sought;
  rig_.subscriptions().moves().Seek(
      CallerUntil([&] { return publish("d"); }), seek, rig_.pool(),
      [&](const auto& response) { sought.set_value(response.status()); });
  EXPECT_THAT(sought.get_future().get(), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("d"));
}

TEST_F(SeekTest, CanBeCancelledBetweenBatches) {
  SetUpQueue(200);
  ASSERT_THAT(rig_.Publish("t", {"a"}, 0), IsOk());
  v1::SeekSubscriptionRequest request;
  request.set_name("s");
  request.mutable_start()->set_latest(true);
  int pieces = 0;
  std::promise<absl::Status> sought;
  rig_.subscriptions().moves().Seek(
      CallerUntil([&] { return ++pieces == 3; }), request, rig_.pool(),
      [&](const auto& response) { sought.set_value(response.status()); });
  EXPECT_THAT(sought.get_future().get(), StatusIs(StatusCode::kCancelled));
  EXPECT_EQ(pieces, 3);
  EXPECT_EQ(Stats().lag_events(), 1u) << "nothing has moved";
}

TEST_F(SeekTest, ReplayCanBeCancelledBetweenCommits) {
  constexpr int kEvents = 6000;
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", std::vector<std::string>(kEvents, "e")), IsOk());
  const auto consumer = rig_.Consume("s", "c", kEvents);
  const std::vector<Received> events = consumer->Receive(kEvents);
  ASSERT_EQ(events.size(), kEvents);
  v1::ConsumeRequest acks;
  v1::Ack& ack = *acks.add_acks();
  ack.set_lease_epoch(events[0].epoch);
  for (int64_t event = 0; event < kEvents; event += 2) {
    v1::OffsetRange& range = *ack.add_ranges();
    range.set_start(event);
    range.set_end(event + 1);
  }
  EXPECT_THAT(RefusedOffsets(consumer->Settle(acks)), IsEmpty());
  v1::ReplaySubscriptionRequest request;
  request.set_name("s");
  request.mutable_start()->set_earliest(true);
  int asked = 0;
  std::promise<absl::Status> replayed;
  rig_.subscriptions().moves().Replay(
      CallerUntil([&] { return ++asked == 2; }), request, rig_.pool(),
      [&](const auto& response) { replayed.set_value(response.status()); });
  EXPECT_THAT(replayed.get_future().get(), StatusIs(StatusCode::kCancelled));
  EXPECT_EQ(asked, 2);
  EXPECT_GT(Stats().replay_events(), 0u);
  EXPECT_LT(Stats().replay_events(), uint64_t{kEvents / 2});
}

TEST_F(SeekTest, ReportsReplayedEventsTrimmedMeanwhile) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  ConsumeAll("s", 2);
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  ASSERT_THAT(rig_.Replay(replay), IsOk());
  rig_.clock.Advance(absl::Microseconds(1));
  rig_.Trim("t", absl::ZeroDuration(), {2});
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  ASSERT_EQ(consumer->said.trimmed_size(), 1);
  EXPECT_EQ(consumer->said.trimmed(0).range().start(), 0);
  EXPECT_EQ(consumer->said.trimmed(0).range().end(), 2);
  EXPECT_EQ(Stats().lost_events(), 0u) << "they were settled before";
  EXPECT_EQ(Stats().replay_events(), 0u);
}

}  // namespace
}  // namespace eventhub

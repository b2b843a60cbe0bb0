// Who calls: when calls end early, and what the hub reports of administrative changes.
#include "server/core/base/caller.h"

#include <future>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/base/errors.h"
#include "tests/server/subscription_rig.h"
#include "tests/server/topology_rig.h"
#include "tests/support/caller.h"
#include "tests/support/fake_clock.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

Caller WithDeadline(const Clock& clock, absl::Duration deadline, Caller::Ending ending) {
  return {"ann", "ipv4:192.0.2.7:1", clock, deadline, std::move(ending)};
}

TEST(CallerTest, IsInterruptedWhenItsDeadlineHasPassed) {
  FakeClock clock;
  const Caller caller =
      WithDeadline(clock, clock.Monotonic() + absl::Seconds(2), [] { return absl::OkStatus(); });
  clock.Advance(absl::Seconds(1));
  EXPECT_THAT(caller.Interruption("2 events were added"), IsOk());
  clock.Advance(absl::Seconds(1));
  EXPECT_THAT(caller.Interruption(), StatusIs(StatusCode::kDeadlineExceeded));
}

// A clock that is set says nothing about how long a client waits.
TEST(CallerTest, IsNotInterruptedByAJumpOfTheClock) {
  FakeClock clock;
  const Caller caller =
      WithDeadline(clock, clock.Monotonic() + absl::Seconds(2), [] { return absl::OkStatus(); });
  clock.Jump(absl::Hours(1));
  EXPECT_THAT(caller.Interruption(), IsOk());
}

TEST(CallerTest, AnInterruptionSaysWhatWasDoneBeforeAndKeepsItsDetail) {
  FakeClock clock;
  const Caller caller =
      WithDeadline(clock, absl::InfiniteDuration(), [] { return ShuttingDown(absl::Seconds(1)); });
  const absl::Status ended = caller.Interruption("3 events were added");
  EXPECT_THAT(ended, Refused(StatusCode::kUnavailable, v1::ErrorDetail::REASON_SHUTTING_DOWN));
  EXPECT_EQ(ended.message(), "the hub is shutting down; before that 3 events were added");
}

TEST(CallerTest, APartOfTheHubIsNeverInterrupted) {
  const Caller link = Caller::Internal("link orders");
  EXPECT_EQ(link.principal(), "hub/link orders");
  EXPECT_THAT(link.Interruption(), IsOk());
}

// ---- Reports

class AdminLogTest : public SubscriptionTest {
 protected:
  void SetUp() override {
    rig_.on_admin_change = [this](const Caller& caller, absl::string_view what) {
      EXPECT_EQ(caller.principal(), kTester.principal());
      EXPECT_EQ(caller.peer(), kTester.peer());
      MutexLock lock(mutex_);
      notes_.emplace_back(what);
    };
    SubscriptionTest::SetUp();
  }

  // The changes reported since the last call.
  std::vector<std::string> Notes() {
    MutexLock lock(mutex_);
    return std::exchange(notes_, {});
  }

 private:
  Mutex mutex_;
  std::vector<std::string> notes_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(AdminLogTest, NamesEachChangeOfATopicAndItsSubscriptions) {
  SetUpQueue();
  EXPECT_THAT(Notes(), ElementsAre("created topic t", "created subscription s of topic t"));
  v1::Topic topic;
  topic.set_name("t");
  topic.set_partitions(2);
  ASSERT_THAT(rig_.Update(topic, {"partitions", "retention.max_bytes"}), IsOk());
  EXPECT_THAT(Notes(), ElementsAre("updated topic t: partitions, retention.max_bytes"));
  v1::Subscription paused = Queue();
  paused.set_paused(true);
  ASSERT_THAT(rig_.UpdateSubscription(paused, {"paused"}), IsOk());
  EXPECT_THAT(Notes(), ElementsAre("updated subscription s: paused"));
  v1::DeleteTopicRequest request;
  request.set_name("t");
  request.set_delete_subscriptions(true);
  ASSERT_THAT(rig_.Delete(request), IsOk());
  EXPECT_THAT(Notes(), ElementsAre("deleted topic t, with its subscriptions"));
}

TEST_F(AdminLogTest, NamesWhatMovesASubscription) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  ASSERT_TRUE(consumer->AckAll(consumer->Receive(2)));
  Notes();
  ASSERT_THAT(rig_.CreateSnapshot("s", "monday"), IsOk());
  SeekToEarliest();
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  ASSERT_THAT(rig_.Replay(replay), IsOk());
  ASSERT_THAT(rig_.CancelReplays("s"), IsOk());
  ASSERT_THAT(rig_.DeleteSnapshot("s", "monday"), IsOk());
  v1::DiscardDeadLettersRequest discard;
  discard.set_subscription("s");
  discard.mutable_selector();
  ASSERT_THAT(rig_.Discard(discard), IsOk());
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  EXPECT_THAT(
      Notes(),
      ElementsAre("created snapshot monday of subscription s", "sought subscription s",
                  "replayed events to subscription s", "cancelled the replays to subscription s",
                  "deleted snapshot monday of subscription s",
                  "discarded dead letters of subscription s", "deleted subscription s"));
}

TEST_F(AdminLogTest, OmitsWhatChangedNothing) {
  SetUpQueue();
  Notes();
  EXPECT_THAT(rig_.Create("t"), StatusIs(StatusCode::kAlreadyExists));
  EXPECT_THAT(rig_.Delete("t"), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(rig_.DeleteSubscription("none"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(rig_.DeleteSnapshot("s", "none"), StatusIs(StatusCode::kNotFound));
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  seek.mutable_start()->set_latest(true);
  seek.set_dry_run(true);
  EXPECT_THAT(rig_.Seek(seek), IsOk());
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  replay.set_dry_run(true);
  EXPECT_THAT(rig_.Replay(replay), IsOk());
  v1::RedriveDeadLettersRequest redrive;
  redrive.set_subscription("s");
  redrive.mutable_selector();
  redrive.set_dry_run(true);
  EXPECT_THAT(rig_.Redrive(redrive), IsOk());
  EXPECT_THAT(Notes(), IsEmpty());
}

TEST_F(AdminLogTest, SaysWhyAChangeMayBeMadeInPart) {
  SetUpQueue();
  Notes();
  v1::RedriveDeadLettersRequest request;
  request.set_subscription("s");
  request.mutable_selector();
  std::promise<absl::Status> outcome;
  rig_.subscriptions().dead_letters().Redrive(
      CallerUntil([] { return true; }), request, rig_.pool(),
      [&](const auto& response) { outcome.set_value(response.status()); });
  EXPECT_THAT(outcome.get_future().get(), StatusIs(StatusCode::kCancelled));
  EXPECT_THAT(Notes(),
              ElementsAre("redrove dead letters of subscription s in part at most, because: the "
                          "test does not wait; before that 0 dead letters were redriven"));
}

TEST_F(AdminLogTest, NamesEachChangeOfATopology) {
  v1::ApplyTopologyRequest request;
  v1::Topology& topology = *request.mutable_topology();
  topology.add_topics()->set_name("in");
  topology.add_topics()->set_name("out");
  v1::Route& route = *topology.add_routes();
  route.set_name("copy");
  route.set_source_topic("in");
  route.add_target_topics("out");
  v1::Link& link = *topology.add_links();
  link.set_name("far");
  link.set_remote_address("hub.example:7070");
  link.set_remote_topic("in");
  link.set_local_topic("in");
  request.set_dry_run(true);
  ASSERT_THAT(TopologyTest::ApplyTo(rig_, request), IsOk());
  EXPECT_THAT(Notes(), IsEmpty());
  request.set_dry_run(false);
  ASSERT_THAT(TopologyTest::ApplyTo(rig_, request), IsOk());
  EXPECT_THAT(Notes(), ElementsAre("created topic in", "created topic out", "created route copy",
                                   "created link far"));
  request.mutable_topology()->mutable_links()->RemoveLast();
  request.mutable_topology()->mutable_routes()->RemoveLast();
  request.set_prune(true);
  ASSERT_THAT(TopologyTest::ApplyTo(rig_, request), IsOk());
  EXPECT_THAT(Notes(), testing::UnorderedElementsAre("deleted link far", "deleted route copy"));
}

TEST_F(AdminLogTest, NamesCancelledDelaysAndAConfirmedClock) {
  ASSERT_THAT(rig_.Create("t"), IsOk());
  Notes();
  rig_.broker().ConfirmClock(kTester);
  EXPECT_THAT(Notes(), ElementsAre("confirmed the clock"));
}

}  // namespace
}  // namespace eventhub

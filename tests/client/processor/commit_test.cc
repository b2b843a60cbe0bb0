// Exactly once: how events and their effects are grouped into transactions, and what happens to
// them when the hub, the connection or the process fails.

#include "eventhub/error.h"
#include "tests/client/processor/processor_fixture.h"

namespace eventhub::processor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Kind = PipelineState::Kind;

AnyPipeline Copying(const std::string& id = "copy", const std::string& topic = "out") {
  return Pipeline(id).Map(ParseNumber).Publish(topic, [](const Number& number) {
    return Result(number.value);
  });
}

bool Contains(const client::Transaction& transaction, const std::string& data) {
  for (const client::TransactionAppend& append : transaction.appends) {
    for (const v1::Event& event : append.events) {
      if (event.data() == data) return true;
    }
  }
  return false;
}

TEST(CommitTest, GathersWhileATransactionIsInProgress) {
  TestProcessor test(Rules({Copying()}));
  test.HoldCommits(true);
  for (int i = 1; i <= 10; ++i) test.Deliver(NumberEvent(i));
  EXPECT_EQ(test.commits(), 1u);
  EXPECT_THAT(test.emitted(), SizeIs(1));
  test.HoldCommits(false);
  EXPECT_EQ(test.commits(), 2u);
  EXPECT_THAT(test.emitted(), SizeIs(10));
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CommitTest, WaitsForItsInterval) {
  ProcessorOptions options = Rules({Copying()});
  options.commit = {.interval = absl::Seconds(1), .max_events = 6};
  TestProcessor test(options);
  test.Deliver(NumberEvent(1));
  test.Deliver(NumberEvent(2));
  EXPECT_EQ(test.commits(), 0u);
  test.Advance(absl::Seconds(1));
  EXPECT_EQ(test.commits(), 1u);
  // Three events, each acked and emitted, fill a transaction.
  for (int i = 3; i <= 6; ++i) test.Deliver(NumberEvent(i));
  EXPECT_EQ(test.commits(), 2u);
  EXPECT_THAT(test.emitted(), SizeIs(5));
  test.Drain();
  EXPECT_THAT(test.emitted(), SizeIs(6));
}

TEST(CommitTest, ARefusedEventFailsAlone) {
  TestProcessor test(Rules({Copying()}));
  test.OnCommit([](const client::Transaction& transaction) {
    return Contains(transaction, "13") ? absl::InvalidArgumentError("too large") : absl::OkStatus();
  });
  test.HoldCommits(true);
  for (int i = 0; i < 40; ++i) test.Deliver(NumberEvent(i));
  test.HoldCommits(false);
  EXPECT_THAT(test.emitted(), SizeIs(39));
  EXPECT_EQ(test.unsettled(), 0u);
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].event_id, "13");
  EXPECT_EQ(test.faults()[0].step, "commit");
  EXPECT_THAT(test.faults()[0].message, HasSubstr("too large"));
}

TEST(CommitTest, OnlyThePipelineToBlameFails) {
  TestProcessor test(Rules({Copying("good", "a"), Copying("bad", "b")}));
  test.OnCommit([](const client::Transaction& transaction) {
    for (const client::TransactionAppend& append : transaction.appends) {
      if (append.topic == "b") return absl::InvalidArgumentError("no");
    }
    return absl::OkStatus();
  });
  test.Deliver(NumberEvent(1));
  EXPECT_THAT(Emitted(test), ElementsAre("a:1"));
  EXPECT_THAT(Settled(test), ElementsAre("park 1"));
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].pipeline, "bad");
}

TEST(CommitTest, AMissingTopicHoldsUpOnlyWhatGoesThere) {
  TestProcessor test(
      Rules({Pipeline("a").On({"a"}).Publish("a", [](const v1::Event&) { return Result(1); }),
             Pipeline("b").On({"b"}).Publish("b", [](const v1::Event&) { return Result(2); })}));
  bool missing = true;
  int asked = 0;
  test.OnCommit([&](const client::Transaction& transaction) {
    for (const client::TransactionAppend& append : transaction.appends) {
      if (append.topic != "b") continue;
      ++asked;
      if (missing) return absl::NotFoundError("there is no topic b");
    }
    return absl::OkStatus();
  });
  for (int i = 0; i < 20; ++i) {
    v1::Event event = NumberEvent(i);
    event.set_type(i % 2 == 0 ? "a" : "b");
    test.Deliver(event);
  }
  EXPECT_THAT(Emitted(test), SizeIs(10));
  EXPECT_THAT(test.faults(), IsEmpty());
  EXPECT_EQ(asked, 1) << "one is tried, the others wait for it";
  EXPECT_EQ(test.state(0).kind, Kind::kRunning);
  EXPECT_EQ(test.state(1).kind, Kind::kBroken);
  EXPECT_EQ(test.state(1).what, "commit to b");
  EXPECT_THAT(test.state(1).because, HasSubstr("no topic b"));
  test.Advance(absl::Minutes(2));
  EXPECT_LT(asked, 20);
  missing = false;
  test.Advance(absl::Seconds(30));
  EXPECT_THAT(Emitted(test), SizeIs(20));
  EXPECT_EQ(test.state(1).kind, Kind::kRunning);
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CommitTest, AnUnreachableHubIsWaitedForUnderTheSameId) {
  TestProcessor test(Rules({Copying()}));
  std::vector<std::string> ids;
  bool down = true;
  test.OnCommit([&](const client::Transaction& transaction) {
    ids.push_back(transaction.id);
    return down ? absl::UnavailableError("no connection") : absl::OkStatus();
  });
  test.Deliver(NumberEvent(1));
  test.Advance(absl::Seconds(10));
  EXPECT_EQ(test.state().kind, Kind::kWaiting);
  EXPECT_EQ(test.state().what, "commit");
  down = false;
  test.Advance(absl::Seconds(2));
  EXPECT_GT(ids.size(), 5u);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_THAT(Emitted(test), ElementsAre("out:1"));
  EXPECT_EQ(test.state().kind, Kind::kRunning);
  EXPECT_THAT(test.faults(), IsEmpty());
}

TEST(CommitTest, NothingIsCommittedForALostLease) {
  std::vector<Reply<void>> replies;
  TestProcessor test(Rules(
      {Pipeline("p")
           .InOrder(client::Order::kNone)
           .Call("c",
                 [&](const v1::Event&, Reply<void> reply) { replies.push_back(std::move(reply)); },
                 {.timeout = absl::Hours(1)})
           .Publish("out", [](const v1::Event&) { return Result(1); })}));
  test.Deliver(NumberEvent(1));
  test.Reconnect();
  ASSERT_THAT(replies, SizeIs(2)) << "delivered again";
  replies[0](absl::OkStatus());
  test.Run();
  EXPECT_THAT(test.emitted(), IsEmpty());
  EXPECT_EQ(test.counters().lost, 1u);
  replies[1](absl::OkStatus());
  test.Run();
  EXPECT_THAT(test.emitted(), SizeIs(1));
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CommitTest, NothingIsCalledForALostLease) {
  std::vector<bool> redelivered;
  TestProcessor test(Rules({Pipeline("p").Call(
      "c",
      // Dropped, and so retried within a second.
      [&](const Arrival& arrival, Reply<void>) { redelivered.push_back(arrival.redelivered); },
      {.retry = {.initial_delay = absl::Seconds(1), .max_delay = absl::Seconds(1)}})}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));  // Waits for 1.
  EXPECT_THAT(redelivered, ElementsAre(false));
  test.Reconnect();
  test.Advance(absl::Seconds(1));
  EXPECT_EQ(test.counters().lost, 2u);
  redelivered.erase(redelivered.begin());
  EXPECT_THAT(redelivered, testing::Contains(true));
  EXPECT_THAT(redelivered, testing::Not(testing::Contains(false)));
}

TEST(CommitTest, ARevokedLeaseTakesNothingElseAlong) {
  TestProcessor test(Rules({Copying()}));
  bool revoked = true;
  test.OnCommit([&](const client::Transaction& transaction) {
    return revoked && Contains(transaction, "5") ? absl::AbortedError("not leased")
                                                 : absl::OkStatus();
  });
  test.HoldCommits(true);
  for (int i = 0; i < 10; ++i) test.Deliver(NumberEvent(i));
  test.HoldCommits(false);
  EXPECT_THAT(test.emitted(), SizeIs(9));
  EXPECT_EQ(test.counters().lost, 1u);
  revoked = false;
  test.Advance(absl::Seconds(1));
  EXPECT_THAT(test.emitted(), SizeIs(10));
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CommitTest, ACrashAfterTheCommitRepeatsNothing) {
  TestProcessor test(Rules({Copying()}));
  test.HoldCommits(true);
  test.Deliver(NumberEvent(1));
  test.Crash();
  test.HoldCommits(false);
  EXPECT_THAT(Emitted(test), ElementsAre("out:1"));
  EXPECT_EQ(test.unsettled(), 0u);
}

// A transaction cannot create a dead letter, so the events of the other pipelines are committed
// before, under ids that the hub recognizes.
TEST(CommitTest, ACrashBeforeTheDeadLetterRepeatsNothing) {
  bool bad = true;
  TestProcessor test(
      Rules({Copying("good"), Pipeline("bad")
                                  .ForEach([&](const v1::Event&) {
                                    return bad ? absl::InternalError("no") : absl::OkStatus();
                                  })
                                  .Publish("out", [](const v1::Event&) { return Result(2); })}));
  test.HoldCommits(true);
  test.Deliver(NumberEvent(1));
  EXPECT_THAT(Emitted(test), ElementsAre("out:1"));
  EXPECT_EQ(test.unsettled(), 1u);
  bad = false;
  test.HoldCommits(false);
  EXPECT_EQ(test.unsettled(), 0u);

  // The same with a crash in between.
  bad = true;
  test.HoldCommits(true);
  test.Deliver(NumberEvent(3));
  bad = false;
  test.Crash();
  test.HoldCommits(false);
  EXPECT_THAT(Emitted(test), ElementsAre("out:1", "out:3", "out:2"));
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CommitTest, EventsWithoutEffectsNeedNoTransaction) {
  TestProcessor test(Rules({Pipeline("p").Filter([](const v1::Event&) { return false; })}));
  test.OnCommit([](const client::Transaction&) { return absl::UnavailableError("down"); });
  test.Deliver(NumberEvent(1));
  EXPECT_THAT(Settled(test), ElementsAre("ack 1"));
}

TEST(StateTest, SettlementThatStandsStillIsTold) {
  std::vector<Reply<void>> replies;
  ProcessorOptions options = Rules(
      {Pipeline("p").Call(
           "c", [&](const v1::Event&, Reply<void> reply) { replies.push_back(std::move(reply)); },
           {.timeout = absl::InfiniteDuration()}),
       Pipeline("q")});
  options.stall_after = absl::Minutes(1);
  TestProcessor test(options);
  test.Advance(absl::Hours(1));
  EXPECT_EQ(test.state().kind, Kind::kRunning) << "it has nothing to do";
  test.Deliver(NumberEvent(77));
  test.Advance(absl::Seconds(59));
  EXPECT_EQ(test.state().kind, Kind::kRunning);
  test.Advance(absl::Minutes(1));
  EXPECT_EQ(test.state().kind, Kind::kBroken);
  EXPECT_EQ(test.state().what, "settlement");
  EXPECT_THAT(test.state().because, HasSubstr("the id 77"));
  replies.at(0)(absl::OkStatus());
  test.Run();
  EXPECT_EQ(test.state().kind, Kind::kRunning);
}

}  // namespace
}  // namespace eventhub::processor

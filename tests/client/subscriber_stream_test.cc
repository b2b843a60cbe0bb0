// The subscriber on a STREAM subscription: acks, parking, replays, leases. Rewinds by retries are
// tested in subscriber_rewind_test.cc.

#include "gtest/gtest.h"
#include "tests/client/subscriber_fixture.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using SubscriberStreamTest = SubscriberTest;

TEST_F(SubscriberStreamTest, AcksHandledEvents) {
  StartStream({}, 5);
  hub_->Send(Events(0, 5, 3));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/5", "0/6", "0/7"));
  // The first is sent at once; later ones wait for its settlement, and are sent together.
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [5,6)"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [6,8)"));
  EXPECT_THAT(SettleLast(), IsEmpty());
  const SubscriberCounters counters = subscriber_->counters();
  EXPECT_EQ(counters.delivered, 3u);
  EXPECT_EQ(counters.handled, 3u);
  EXPECT_EQ(counters.acked, 3u);
  EXPECT_EQ(counters.unsettled, 0u);
  EXPECT_EQ(counters.requests, 2u);
}

TEST_F(SubscriberStreamTest, HandlesBatchAsDelivered) {
  std::vector<std::string> batches;
  StartStream({.on_batch = [&](const EventBatch& batch) {
    batches.push_back(absl::StrCat(batch.first_offset(), "+", batch.size(), " attempt ",
                                   batch.delivery_attempt(), " lease ", batch.lease_epoch()));
    return Outcome::Ack();
  }});
  hub_->Send(Events(0, 0, 1000));
  hub_->Send(Events(0, 1000, 10, /*attempt=*/3));
  Run();
  EXPECT_THAT(batches, ElementsAre("0+1000 attempt 1 lease 10", "1000+10 attempt 3 lease 10"));
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [0,1000)"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [1000,1010)"));
  EXPECT_EQ(subscriber_->counters().redelivered, 10u);
}

TEST_F(SubscriberStreamTest, BatchesCanBeSplit) {
  std::vector<std::string> parts;
  StartStream({.on_batch =
                   [&](const EventBatch& batch) {
                     std::string part;
                     v1::Event event;
                     for (const ReceivedEvent& received : batch) {
                       EXPECT_TRUE(received.ParseTo(event).ok());
                       EXPECT_EQ(event.id(), absl::StrCat("0/", received.offset()));
                       absl::StrAppend(&part, received.offset(), " ");
                     }
                     parts.push_back(part);
                     return Outcome::Ack();
                   },
               .max_batch_events = 2});
  hub_->Send(Events(0, 0, 3));
  hub_->Send(EventsAt(0, {4, 7, 8, 11}));
  Run();
  EXPECT_THAT(parts, ElementsAre("0 1 ", "2 ", "4 7 ", "8 11 "));
  Sent();
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [2,3)[4,5)[7,9)[11,12)"));
}

TEST_F(SubscriberStreamTest, ParkAndSkipApplyToNamedEventsOnly) {
  outcomes_ = {{"0/1", Outcome::Park("broken")}, {"0/3", Outcome::Skip("not ours")}};
  StartStream();
  hub_->HoldConsumeWrites(true);
  subscriber_->SetCredit({.events = 100, .bytes = 1000});  // Keeps the stream busy.
  hub_->Send(Events(0, 0, 5));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/1", "0/2", "0/3", "0/4"));
  Sent();
  hub_->HoldConsumeWrites(false);
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [0,1)[2,3)[4,5)", "park 0@10 [1,2): broken",
                                  "skip 0@10 [3,4): not ours"));
  EXPECT_THAT(SettleLast(), IsEmpty());
  EXPECT_EQ(subscriber_->counters().acked, 3u);
  EXPECT_EQ(subscriber_->counters().nacked, 2u);
}

TEST_F(SubscriberStreamTest, DoesNotAckOmittedOffsets) {
  StartStream();
  hub_->HoldConsumeWrites(true);
  subscriber_->SetCredit({.events = 100, .bytes = 1000});
  hub_->Send(EventsAt(0, {4, 7, 8, 11}));
  Run();
  Sent();
  hub_->HoldConsumeWrites(false);
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [4,5)[7,9)[11,12)"));
}

TEST_F(SubscriberStreamTest, ReplaysRunAlongsideLiveEvents) {
  outcomes_ = {{"0/12", Outcome::Retry("again")}, {"0/13", Outcome::Park("")}};
  std::vector<int64_t> replayed;
  StartStream({.on_event =
                   [&](const ReceivedEvent& event) {
                     if (event.replayed()) replayed.push_back(event.offset());
                     v1::Event parsed;
                     EXPECT_TRUE(event.ParseTo(parsed).ok());
                     return OutcomeOf(parsed.id());
                   }},
              100);
  hub_->Send(Events(0, 100, 2));
  hub_->Send(Replayed(0, 10, 5));
  hub_->Send(Events(0, 102, 1));
  Run();
  EXPECT_THAT(Handled(),
              ElementsAre("0/100", "0/101", "0/10", "0/11", "0/12", "0/13", "0/14", "0/102"));
  EXPECT_THAT(replayed, ElementsAre(10, 11, 12, 13, 14));
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [100,101)"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [10,12)[14,15)[101,103)",
                                        "retry 0@10 [12,13): again", "park 0@10 [13,14)"));
}

TEST_F(SubscriberStreamTest, EventsAndHooksTellHowFarWasDeliveredBefore) {
  std::vector<int64_t> told;
  SubscriberOptions options;
  options.max_batch_events = 1;  // Parts tell, too.
  options.on_batch = [&](const EventBatch& batch) {
    told.push_back(batch.begin()->first_new_offset());
    return Outcome::Ack();
  };
  options.hooks.on_assigned = [&](const AssignedPartition& next) {
    told.push_back(next.first_new_offset);
  };
  StartStream(std::move(options), 1);
  v1::ConsumeResponse assigned = Assigned(1, 50);
  assigned.mutable_assigned(0)->set_first_new_offset(53);
  hub_->Send(assigned);
  hub_->Send(Events(1, 50, 2));
  Run();
  EXPECT_THAT(told, ElementsAre(0, 53, 53, 53));
}

TEST_F(SubscriberStreamTest, NeitherHandlesNorAcksRevokedLease) {
  std::vector<std::string> news;
  SubscriberOptions options;
  options.hooks.on_assigned = [&](const PartitionOffset& next) {
    news.push_back(absl::StrCat("assigned ", next.partition, " from ", next.offset));
  };
  options.hooks.on_revoked = [&](uint32_t partition) {
    news.push_back(absl::StrCat("revoked ", partition));
  };
  options.hooks.on_draining = [&](uint32_t partition) {
    news.push_back(absl::StrCat("draining ", partition));
  };
  StartStream(std::move(options));
  hub_->Send(Assigned(1, 50));
  hub_->Send(Events(0, 0, 3));
  hub_->Send(Events(1, 50, 1));
  ASSERT_TRUE(RunOne());  // 0/0, whose ack is in flight.
  v1::ConsumeResponse draining;
  SetLease(0, 10, *draining.add_draining());
  hub_->Send(draining);
  hub_->Send(Revoked(0));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "1/50"));
  EXPECT_THAT(news,
              ElementsAre("assigned 0 from 0", "assigned 1 from 50", "draining 0", "revoked 0"));
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [0,1)"));
  v1::ConsumeResponse settled = Settled(last_request_);
  Refuse(0, 0, 1, absl::StatusCode::kAborted, settled);
  hub_->Send(settled);
  EXPECT_THAT(Sent(), ElementsAre("ack exact 1@11 [50,51)"));
  EXPECT_EQ(subscriber_->counters().lease_lost, 1u);
  EXPECT_EQ(subscriber_->counters().dropped, 2u);
  // It is delivered again under a new lease.
  hub_->Send(Assigned(0, 1, /*epoch=*/20));
  hub_->Send(Events(0, 1, 1, 1, {}, 20));
  Run();
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@20 [1,2)"));
}

// The partition does not move, because its next consumer left: the hub assigns the same lease
// again.
TEST_F(SubscriberStreamTest, CancelledMoveContinuesPartition) {
  StartStream();
  hub_->Send(Events(0, 0, 3));
  ASSERT_TRUE(RunOne());
  v1::ConsumeResponse draining;
  SetLease(0, 10, *draining.add_draining());
  hub_->Send(draining);
  hub_->Send(Assigned(0, 1));
  hub_->Send(Events(0, 3, 1));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/1", "0/2", "0/3"));
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [0,1)"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [1,4)"));
  EXPECT_EQ(subscriber_->counters().lease_lost, 0u);
}

TEST_F(SubscriberStreamTest, RevocationDuringHandlerVoidsOutcome) {
  StartStream({.on_event = [this](const ReceivedEvent&) {
    hub_->Send(Revoked(0));
    return Outcome::Ack();
  }});
  hub_->Send(Events(0, 0, 2));
  Run();
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(subscriber_->counters().handled, 1u);
  EXPECT_EQ(subscriber_->counters().dropped, 1u);
}

TEST_F(SubscriberStreamTest, PerKeyAcksFinishedEvents) {
  // While the handler of `a` runs, handlers of `b` run nested on the same thread.
  SubscriberOptions options{.order = Order::kPerKey};
  options.on_event = [this](const ReceivedEvent& received) {
    v1::Event event;
    EXPECT_TRUE(received.ParseTo(event).ok());
    if (event.id() == "0/0") Run();
    return OutcomeOf(event.id());
  };
  StartStream(std::move(options));
  hub_->Send(Events(0, 0, 5, 1, {"a", "b"}));
  Run();
  // 0/2 and 0/4 have the key of 0/0, and wait for it.
  EXPECT_THAT(Handled(), ElementsAre("0/1", "0/3", "0/0", "0/2", "0/4"));
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [1,2)"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [0,1)[2,5)"));
  SettleLast();
  EXPECT_EQ(subscriber_->counters().acked, 5u);
}

}  // namespace
}  // namespace eventhub::client

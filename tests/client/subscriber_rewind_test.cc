// The subscriber on a STREAM subscription when a retry takes the partition back.

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/client/subscriber_fixture.h"
#include "tests/support/eventually.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SubscriberRewindTest : public SubscriberTest {
 protected:
  // Starts a subscriber with order per key. While the handler of the event `outer` runs for the
  // first time, handlers of other keys run nested on the same thread.
  void StartPerKey(const std::string& outer) {
    SubscriberOptions options{.order = Order::kPerKey};
    options.on_event = [this, outer](const ReceivedEvent& received) {
      v1::Event event;
      EXPECT_TRUE(received.ParseTo(event).ok());
      if (event.id() == outer && received.delivery_attempt() == 1) during_();
      return OutcomeOf(event.id());
    };
    StartStream(std::move(options));
  }

  // Handles all events: retries `offset`, acks the others, and settles.
  void RetryOne(int64_t offset) {
    outcomes_ = {{absl::StrCat("0/", offset), Outcome::Retry("")}};
    Run();
    Handled();
    std::vector<std::string> sent = Sent();
    while (sent.empty() ||
           sent.back() != absl::StrCat("retry 0@10 [", offset, ",", offset + 1, ")")) {
      sent = SettleLast();
      ASSERT_FALSE(sent.empty());
    }
  }

  std::function<void()> during_ = [this] { Run(); };
};

TEST_F(SubscriberRewindTest, DropsEventsUntilHubConfirmsRetry) {
  outcomes_ = {{"0/2", Outcome::Retry("no bank", absl::Seconds(1))}};
  StartStream();
  hub_->HoldConsumeWrites(true);
  hub_->Send(Events(0, 0, 5));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/1", "0/2"));
  hub_->Send(Events(0, 5, 5));  // The retry waits here.
  hub_->HoldConsumeWrites(false);
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [0,1)"));
  EXPECT_THAT(SettleLast(),
              ElementsAre("ack exact 0@10 [1,2)", "retry 0@10 [2,3) after 1s: no bank"));
  hub_->Send(Events(0, 10, 1));  // The retry is in flight.
  EXPECT_THAT(SettleLast(), IsEmpty());
  hub_->Send(Events(0, 11, 1));  // Its settlement does not say when it was carried out.
  Run();
  EXPECT_THAT(Handled(), IsEmpty());

  v1::ConsumeResponse rewound = Rewound(0, 2);
  rewound.MergeFrom(Events(0, 2, 4, /*attempt=*/2));
  hub_->Send(rewound);
  hub_->Send(Events(0, 6, 1));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/2", "0/3", "0/4", "0/5", "0/6"));
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [2,6)"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [6,7)"));
  SettleLast();
  const SubscriberCounters counters = subscriber_->counters();
  EXPECT_EQ(counters.acked, 7u);
  EXPECT_EQ(counters.nacked, 1u);
  EXPECT_EQ(counters.dropped, 2u + 5u + 1u + 1u);
  EXPECT_EQ(counters.unsettled, 0u);
}

TEST_F(SubscriberRewindTest, RewindMayPrecedeSettlement) {
  StartStream();
  hub_->Send(Events(0, 0, 3));
  RetryOne(0);
  hub_->Send(Events(0, 3, 1));
  hub_->Send(Rewound(0, 0));
  hub_->Send(Events(0, 0, 4, 2));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/1", "0/2", "0/3"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [0,4)"));
}

TEST_F(SubscriberRewindTest, HandlesEventsAfterParkedEvent) {
  StartStream({}, 7);
  hub_->Send(Events(0, 7, 1, /*attempt=*/5));
  RetryOne(7);
  hub_->Send(Rewound(0, 7));
  hub_->Send(Events(0, 8, 1));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/8"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [8,9)"));
}

TEST_F(SubscriberRewindTest, FirstRetryOfBatchWins) {
  StartStream({.on_batch = [](const EventBatch& batch) {
    if (batch.delivery_attempt() > 1) return BatchOutcome();
    return BatchOutcome(Outcome::Ack(), {{1, Outcome::Skip("")},
                                         {3, Outcome::Retry("later")},
                                         {4, Outcome::Park("never said")},
                                         {99, Outcome::Park("no such event")}});
  }});
  hub_->Send(Events(0, 0, 6));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [0,1)[2,3)", "skip 0@10 [1,2)",
                                  "retry 0@10 [3,4): later"));
  EXPECT_THAT(SettleLast(), IsEmpty());
  hub_->Send(Rewound(0, 3));
  hub_->Send(Events(0, 3, 3, 2));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [3,6)"));
}

TEST_F(SubscriberRewindTest, AnotherPartitionContinues) {
  StartStream();
  hub_->Send(Assigned(1, 0));
  hub_->Send(Events(0, 0, 3));
  RetryOne(0);
  hub_->Send(Events(1, 0, 2));
  hub_->Send(Rewound(1, 0));  // For an earlier lease.
  hub_->Send(Events(0, 3, 1));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("1/0", "1/1"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 1@11 [0,2)"));
}

TEST_F(SubscriberRewindTest, PerKeyEventsKeepTheirOutcomes) {
  outcomes_ = {{"0/0", Outcome::Retry("")}, {"0/3", Outcome::Park("bad")}};
  StartPerKey("0/0");
  hub_->HoldConsumeWrites(true);
  subscriber_->SetCredit({.events = 100, .bytes = 1000});  // Keeps the stream busy.
  hub_->Send(Events(0, 0, 4, 1, {"a", "b"}));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/1", "0/3", "0/0"));
  Sent();
  hub_->HoldConsumeWrites(false);
  // In this order the hub refuses none.
  EXPECT_THAT(Sent(),
              ElementsAre("ack exact 0@10 [1,2)", "park 0@10 [3,4): bad", "retry 0@10 [0,1)"));
  hub_->Send(Rewound(0, 0));
  EXPECT_THAT(SettleLast(), IsEmpty());
  hub_->Send(Events(0, 0, 1, 2, {"a"}));
  hub_->Send(Events(0, 2, 1, 2, {"a"}));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/2"));
  Sent();
  SettleLast();
  SettleLast();
  EXPECT_EQ(subscriber_->counters().acked, 3u);
  EXPECT_EQ(subscriber_->counters().nacked, 2u);
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);
}

TEST_F(SubscriberRewindTest, IgnoresOutcomeOfRewoundEvent) {
  absl::Notification at_it;
  absl::Notification taken_back;
  SubscriberOptions options{.order = Order::kPerKey};
  options.on_event = [&](const ReceivedEvent& received) {
    if (received.delivery_attempt() > 1) return Outcome::Ack();
    if (received.offset() == 0) {
      at_it.WaitForNotification();
      return Outcome::Retry("");
    }
    at_it.Notify();
    taken_back.WaitForNotification();
    return Outcome::Park("in vain");
  };
  threads_ = 2;
  StartStream(std::move(options));
  hub_->Send(Events(0, 0, 2, 1, {"a", "b"}));
  const auto handled = [this](uint64_t events) {
    return Eventually([&] { return subscriber_->counters().handled == events; });
  };
  EXPECT_TRUE(handled(1));
  EXPECT_THAT(AwaitSent(), ElementsAre("retry 0@10 [0,1)"));
  hub_->Send(Rewound(0, 0));
  hub_->Send(Events(0, 0, 2, 2, {"a", "b"}));
  EXPECT_TRUE(handled(2));  // 0/0; 0/1 waits for its key.
  taken_back.Notify();
  EXPECT_TRUE(handled(4));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [0,2)"));
  SettleLast();
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);
  subscriber_.reset();  // Its threads use the variables above.
}

TEST_F(SubscriberRewindTest, AwaitsLowerRetryAfterHigherOne) {
  outcomes_ = {{"0/0", Outcome::Retry("low")}, {"0/1", Outcome::Retry("high")}};
  StartPerKey("0/0");
  during_ = [this] {
    Run();
    EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [1,2): high"));
  };
  hub_->Send(Events(0, 0, 3, 1, {"a", "b", "c"}));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/1", "0/0"));
  hub_->Send(Rewound(0, 1));
  hub_->Send(Events(0, 1, 2, 2));  // Sent before the second retry reaches the hub.
  EXPECT_THAT(SettleLast(), ElementsAre("retry 0@10 [0,1): low"));
  hub_->Send(Events(0, 3, 1));
  Run();
  EXPECT_THAT(Handled(), IsEmpty());
  hub_->Send(Rewound(0, 0));
  hub_->Send(Events(0, 0, 4, 2));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/1", "0/2", "0/3"));
}

TEST_F(SubscriberRewindTest, SendsLowerOfTwoPendingRetries) {
  outcomes_ = {{"0/0", Outcome::Retry("low")}, {"0/1", Outcome::Retry("high")}};
  StartPerKey("0/0");
  hub_->HoldConsumeWrites(true);
  subscriber_->SetCredit({.events = 100, .bytes = 1000});
  hub_->Send(Events(0, 0, 2, 1, {"a", "b"}));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/1", "0/0"));
  Sent();
  hub_->HoldConsumeWrites(false);
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [0,1): low"));
  EXPECT_THAT(SettleLast(), IsEmpty());
  EXPECT_EQ(subscriber_->counters().nacked, 1u);
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);
}

TEST_F(SubscriberRewindTest, ReplayContinuesDuringRewind) {
  StartStream({}, 50);
  hub_->Send(Events(0, 50, 2));
  hub_->Send(Replayed(0, 0, 2));
  hub_->Send(Events(0, 52, 1));
  outcomes_ = {{"0/50", Outcome::Retry("")}};
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/50", "0/0", "0/1"));
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [50,51)"));
  hub_->Send(Replayed(0, 60, 1));  // A later event, acked before a seek back.
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/60"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [0,2)[60,61)"));
}

TEST_F(SubscriberRewindTest, RetryOfReplayedEventDoesNotRewind) {
  StartStream({}, 50);
  hub_->Send(Events(0, 50, 2));
  hub_->Send(Replayed(0, 0, 2));
  hub_->Send(Events(0, 52, 1));
  RetryOne(0);
  EXPECT_EQ(subscriber_->counters().handled, 5u);
  hub_->Send(Events(0, 53, 1));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/53"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [53,54)"));
}

TEST_F(SubscriberRewindTest, RefusalEndsDropping) {
  StartStream();
  hub_->Send(Events(0, 0, 1));
  RetryOne(0);
  v1::ConsumeResponse settled = Settled(last_request_);
  Refuse(0, 0, 1, absl::StatusCode::kAborted, settled);
  hub_->Send(settled);
  hub_->Send(Events(0, 1, 1));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/1"));
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [1,2)"));
  EXPECT_EQ(subscriber_->counters().lease_lost, 1u);
  EXPECT_EQ(subscriber_->counters().nacked, 0u);
}

TEST_F(SubscriberRewindTest, RequestsDroppedEventsAgainAfterRefusal) {
  // Retention removed the event, but not the later ones.
  StartStream();
  hub_->Send(Events(0, 0, 2));
  RetryOne(0);
  hub_->Send(Events(0, 2, 2));
  v1::ConsumeResponse settled = Settled(last_request_);
  Refuse(0, 0, 1, absl::StatusCode::kAborted, settled);
  hub_->Send(settled);
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [1,2) after 0: an event before it is gone"));
  hub_->Send(Events(0, 4, 1));
  Run();
  EXPECT_THAT(Handled(), IsEmpty());
  // The next event was removed, too.
  settled = Settled(last_request_);
  Refuse(0, 1, 2, absl::StatusCode::kAborted, settled);
  hub_->Send(settled);
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [2,3) after 0: an event before it is gone"));
  hub_->Send(Rewound(0, 2));
  EXPECT_THAT(SettleLast(), IsEmpty());
  hub_->Send(Events(0, 2, 3, 2));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/2", "0/3", "0/4"));
  Sent();
  SettleLast();
  SettleLast();
  EXPECT_EQ(subscriber_->counters().acked, 3u);
  EXPECT_EQ(subscriber_->counters().lease_lost, 2u);
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);
}

TEST_F(SubscriberRewindTest, RevocationEndsDropping) {
  StartStream();
  hub_->Send(Events(0, 0, 2));
  RetryOne(0);
  v1::ConsumeResponse moved = Revoked(0);
  moved.MergeFrom(Assigned(0, 0, /*epoch=*/20));
  hub_->Send(moved);
  hub_->Send(Events(0, 0, 2, 2, {}, 20));
  v1::ConsumeResponse settled = Settled(last_request_);
  Refuse(0, 0, 1, absl::StatusCode::kAborted, settled);
  hub_->Send(settled);
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/1"));
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@20 [0,2)"));
}

TEST_F(SubscriberRewindTest, DoesNotSendRetryOfEndedLease) {
  StartStream();
  hub_->HoldConsumeWrites(true);
  subscriber_->SetCredit({.events = 100, .bytes = 1000});
  hub_->Send(Events(0, 0, 2));
  outcomes_ = {{"0/0", Outcome::Retry("")}};
  Run();
  hub_->Send(Revoked(0));
  Sent();
  hub_->HoldConsumeWrites(false);
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(subscriber_->counters().lease_lost, 1u);
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);
}

TEST_F(SubscriberRewindTest, NewConnectionEndsDropping) {
  StartStream();
  hub_->Send(Events(0, 0, 2));
  RetryOne(0);
  hub_->CloseConsume(absl::UnavailableError("reset"));
  hub_->Advance(absl::Seconds(3));
  hub_->Send(Opened(/*queue=*/false));
  hub_->Send(Assigned(0, 0));
  hub_->Send(Events(0, 0, 2, 2));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/1"));
}

TEST_F(SubscriberRewindTest, ClampsExcessiveDelay) {
  outcomes_ = {{"0/0", Outcome::Retry("", absl::Hours(1000))}};
  StartStream();
  hub_->Send(Events(0, 0, 1));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [0,1) after 168h"));
}

}  // namespace
}  // namespace eventhub::client

// The subscriber with a handler that settles later: from other threads, in any order, or never.

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/src/subscribe/turn.h"
#include "gtest/gtest.h"
#include "tests/client/subscriber_fixture.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class SubscriberAsyncTest : public SubscriberTest {
 protected:
  // Keeps the settlers of events, by id.
  SubscriberOptions Keeping(Order order = Order::kDefault) {
    SubscriberOptions options{.order = order};
    options.on_event_async = [this](ReceivedEvent event, Settler settler) {
      const std::string id = IdOf(event);
      MutexLock lock(handled_mutex_);
      handled_.push_back(id);
      events_.insert_or_assign(id, event);
      settlers_.insert_or_assign(id, std::move(settler));
    };
    return options;
  }

  static std::string IdOf(const ReceivedEvent& event) {
    v1::Event parsed;
    EXPECT_TRUE(event.ParseTo(parsed).ok());
    return parsed.id();
  }

  Settler Take(const std::string& id) {
    MutexLock lock(handled_mutex_);
    return std::move(settlers_.at(id));
  }

  std::map<std::string, ReceivedEvent> events_;
  std::map<std::string, Settler> settlers_;
};

TEST_F(SubscriberAsyncTest, QueueSettlesInAnyOrder) {
  StartQueue(Keeping());
  hub_->Send(Events(0, 0, 5));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/1", "0/2", "0/3", "0/4"));
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(subscriber_->counters().unsettled, 5u);
  EXPECT_EQ(subscriber_->counters().handled, 0u);
  // The event remains valid until it is settled.
  EXPECT_EQ(IdOf(events_.at("0/3")), "0/3");
  Take("0/3").Ack();
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [3,4)"));
  Take("0/0").Retry("later", absl::Seconds(2));
  Take("0/1").Park("broken");
  Take("0/4").Skip("not mine");
  Take("0/2").Ack();
  EXPECT_THAT(SettleLast(), ElementsAre("ack 0@10 [2,3)", "retry 0@10 [0,1) after 2s: later",
                                        "park 0@10 [1,2): broken", "skip 0@10 [4,5): not mine"));
  EXPECT_THAT(SettleLast(), IsEmpty());
  EXPECT_EQ(subscriber_->counters().handled, 5u);
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);
}

TEST_F(SubscriberAsyncTest, FirstOutcomeWins) {
  StartQueue(Keeping());
  hub_->Send(Events(0, 0, 1));
  Run();
  Settler settler = Take("0/0");
  EXPECT_TRUE(settler);
  settler.Ack();
  EXPECT_FALSE(settler);
  settler.Park("no");
  settler.Settle(Outcome::Skip("no"));
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,1)"));
  EXPECT_THAT(SettleLast(), IsEmpty());
}

TEST_F(SubscriberAsyncTest, DroppedSettlerRetries) {
  StartQueue(Keeping());
  hub_->Send(Events(0, 0, 2));
  Run();
  { const Settler dropped = Take("0/0"); }
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [0,1): the event's settler was destroyed"));
  Settler replaced = Take("0/1");
  replaced = Settler();
  EXPECT_THAT(SettleLast(), ElementsAre("retry 0@10 [1,2): the event's settler was replaced"));
}

TEST_F(SubscriberAsyncTest, ThrowingHandlerRetries) {
  SubscriberOptions options;
  options.on_event_async = [](ReceivedEvent, Settler) { throw 1; };
  StartQueue(std::move(options));
  hub_->Send(Events(0, 0, 1));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [0,1): the event's settler was destroyed"));
}

TEST_F(SubscriberAsyncTest, SettlesWithinTheHandler) {
  SubscriberOptions options;
  options.on_event_async = [](ReceivedEvent, Settler settler) { settler.Ack(); };
  StartStream(std::move(options));
  hub_->Send(Events(0, 0, 3));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [0,1)"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [1,3)"));
}

// A thread takes 1, 2, 4, ... events while their handlers are fast.
TEST_F(SubscriberAsyncTest, SettlesEventsOfATurnTogether) {
  SubscriberOptions options;
  options.on_event_async = [](ReceivedEvent event, Settler settler) {
    IdOf(event) == "0/4" ? settler.Park("broken") : settler.Ack();
  };
  StartQueue(std::move(options));
  hub_->Send(Events(0, 0, 7));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,1)"));
  EXPECT_EQ(subscriber_->counters().handled, 7u);
  EXPECT_THAT(SettleLast(), ElementsAre("ack 0@10 [1,4)[5,7)", "park 0@10 [4,5): broken"));
}

TEST_F(SubscriberAsyncTest, SettlesASingleEventBeforeItsHandlerReturns) {
  SubscriberOptions options;
  std::vector<std::string> sent;
  options.on_event_async = [&](ReceivedEvent, Settler settler) {
    settler.Ack();
    sent = Sent();
  };
  StartQueue(std::move(options));
  hub_->Send(Events(0, 0, 1));
  Run();
  EXPECT_THAT(sent, ElementsAre("ack 0@10 [0,1)"));
}

TEST_F(SubscriberAsyncTest, TurnOutsideOfHandlersSettlesTogether) {
  StartQueue(Keeping());
  hub_->Send(Events(0, 0, 2));
  hub_->Send(Events(1, 0, 2));
  Run();
  {
    const Turn turn;
    Take("1/0").Ack();
    Take("0/0").Ack();
    Take("1/1").Retry("later", absl::Seconds(1));
    {
      const Turn inner;
      Take("0/1").Ack();
    }
    EXPECT_THAT(Sent(), IsEmpty());
    EXPECT_EQ(subscriber_->counters().handled, 0u);
  }
  EXPECT_THAT(Sent(), UnorderedElementsAre("ack 0@10 [0,2)", "ack 1@11 [0,1)",
                                           "retry 1@11 [1,2) after 1s: later"));
}

// A thread takes up to 64 events of a handler that was fast, which may be slow then.
TEST_F(SubscriberAsyncTest, OutcomesDoNotWaitForManySlowHandlers) {
  SubscriberOptions options;
  bool slow = false;
  uint64_t handled = 0;
  uint64_t withheld = 0;
  options.on_event_async = [&](ReceivedEvent, Settler settler) {
    withheld = std::max(withheld, handled - subscriber_->counters().handled);
    ++handled;
    settler.Ack();
    if (slow) hub_->Advance(absl::Milliseconds(2));
  };
  StartQueue(std::move(options));
  hub_->Send(Events(0, 0, 127));
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(RunOne());
  EXPECT_EQ(handled, 63u);
  slow = true;
  withheld = 0;
  Run();
  EXPECT_EQ(handled, 127u);
  EXPECT_LE(withheld, 8u);
}

TEST_F(SubscriberAsyncTest, WaitSettlesWhatItsThreadHasCollected) {
  StartQueue(Keeping());
  hub_->Send(Events(0, 0, 1));
  Run();
  const Turn turn;
  Take("0/0").Ack();
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_TRUE(absl::IsDeadlineExceeded(subscriber_->Wait(absl::ZeroDuration())));
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,1)"));
}

TEST_F(SubscriberAsyncTest, OutcomesGivenWhileOthersTakeEffectAreCollected) {
  StartQueue(Keeping());
  hub_->Send(Events(0, 0, 2));
  Run();
  hub_->SetOnConsumeWrite([this] { Take("0/1").Park("broken"); });
  {
    const Turn turn;
    Take("0/0").Ack();
    Turn::SettleCollected();
    EXPECT_EQ(subscriber_->counters().handled, 1u);
    hub_->SetOnConsumeWrite({});
  }
  EXPECT_EQ(subscriber_->counters().handled, 2u);
}

TEST_F(SubscriberAsyncTest, StreamPartitionWaitsForPreviousEvent) {
  StartStream(Keeping());
  hub_->Send(Assigned(1, 0));
  hub_->Send(Events(0, 0, 3));
  hub_->Send(Events(1, 0, 2));
  Run();
  EXPECT_THAT(Handled(), UnorderedElementsAre("0/0", "1/0"));
  Take("0/0").Ack();
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/1"));
  // Rewinds the partition: later events are redelivered.
  Take("0/1").Retry("not yet");
  Run();
  EXPECT_THAT(Handled(), IsEmpty());
  Take("1/0").Ack();
  Run();
  EXPECT_THAT(Handled(), ElementsAre("1/1"));
}

TEST_F(SubscriberAsyncTest, KeyWaitsForPreviousEvent) {
  StartQueue(Keeping(Order::kPerKey));
  hub_->Send(Events(0, 0, 4, 1, {"a", "b"}));
  Run();
  EXPECT_THAT(Handled(), UnorderedElementsAre("0/0", "0/1"));
  Take("0/1").Ack();
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/3"));
  Take("0/0").Retry("not yet");
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/2"));
}

TEST_F(SubscriberAsyncTest, SettlingAfterLeaseHasNoEffect) {
  StartStream(Keeping());
  hub_->Send(Events(0, 0, 2));
  Run();
  Settler late = Take("0/0");
  hub_->Send(Revoked(0));
  hub_->Send(Assigned(0, 0, 20));
  late.Ack();
  Run();
  EXPECT_THAT(Sent(), IsEmpty());
  hub_->Send(Events(0, 0, 2, 1, {}, 20));
  Run();
  Take("0/0").Ack();
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@20 [0,1)"));
}

TEST_F(SubscriberAsyncTest, SettlerMayOutliveSubscriber) {
  StartQueue(Keeping());
  hub_->Send(Events(0, 0, 2));
  Run();
  subscriber_.reset();
  core_.reset();
  EXPECT_EQ(IdOf(events_.at("0/0")), "0/0");
  Take("0/0").Ack();
  { const Settler dropped = Take("0/1"); }
}

TEST_F(SubscriberAsyncTest, StopWaitsForSettlers) {
  StartQueue(Keeping());
  hub_->Send(Events(0, 0, 1));
  Run();
  subscriber_->RequestStop();
  hub_->CloseConsume(absl::OkStatus());
  EXPECT_EQ(subscriber_->Wait(absl::ZeroDuration()).code(), absl::StatusCode::kDeadlineExceeded);
  Take("0/0").Ack();
  EXPECT_TRUE(subscriber_->Wait(absl::ZeroDuration()).ok());
}

TEST_F(SubscriberAsyncTest, OneThreadUsesFullCredit) {
  threads_ = 1;
  StartQueue(Keeping());
  hub_->Send(Events(0, 0, 500));
  ASSERT_TRUE(Eventually([&] {
    MutexLock lock(handled_mutex_);
    return handled_.size() == 500;
  }));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = t; i < 500; i += 4) Take("0/" + std::to_string(i)).Ack();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(subscriber_->counters().handled, 500u);
  for (bool more = true; more;) {
    more = false;
    for (const v1::ConsumeRequest& request : hub_->TakeConsumeRequests()) {
      more = true;
      hub_->Send(Settled(request.correlation_id()));
    }
  }
  EXPECT_EQ(subscriber_->counters().acked, 500u);
}

}  // namespace
}  // namespace eventhub::client

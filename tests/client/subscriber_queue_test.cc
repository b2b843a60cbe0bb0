// The subscriber on a QUEUE subscription: acks by name, orders, lease extension.

#include <future>
#include <set>

#include "gtest/gtest.h"
#include "tests/client/subscriber_fixture.h"
#include "tests/support/eventually.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using SubscriberQueueTest = SubscriberTest;

TEST_F(SubscriberQueueTest, AcksExactlyTheHandledEvents) {
  outcomes_ = {{"0/3", Outcome::Retry("slow")},
               {"0/4", Outcome::Retry("slow")},
               {"0/6", Outcome::Park("broken")}};
  StartQueue();
  hub_->HoldConsumeWrites(true);
  subscriber_->Pause();
  hub_->Send(Events(0, 0, 8));
  hub_->Send(Events(1, 5, 1));
  hub_->Send(EventsAt(0, {20, 21, 30}));
  Run();
  Sent();
  hub_->HoldConsumeWrites(false);
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,3)[5,6)[7,8)[20,22)[30,31)", "ack 1@11 [5,6)",
                                  "retry 0@10 [3,5): slow", "park 0@10 [6,7): broken"));
  EXPECT_EQ(subscriber_->counters().unsettled, 12u);
  v1::ConsumeResponse settled = Settled(last_request_);
  Refuse(0, 2, 4, absl::StatusCode::kAborted, settled);
  Refuse(0, 30, 31, absl::StatusCode::kUnavailable, settled);
  Refuse(7, 0, 1000, absl::StatusCode::kNotFound, settled);
  hub_->Send(settled);
  const SubscriberCounters counters = subscriber_->counters();
  EXPECT_EQ(counters.acked, 7u);
  EXPECT_EQ(counters.nacked, 2u);
  EXPECT_EQ(counters.parked, 1u);
  EXPECT_EQ(counters.skipped, 0u);
  EXPECT_EQ(counters.lease_lost, 2u);
  EXPECT_EQ(counters.failed, 1u);
  EXPECT_EQ(counters.unsettled, 0u);
}

TEST_F(SubscriberQueueTest, RetryDoesNotRewind) {
  outcomes_ = {{"0/0", Outcome::Retry("", absl::Milliseconds(1500))}};
  StartQueue();
  hub_->Send(Events(0, 0, 3));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/1", "0/2"));
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [0,1) after 1.5s"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack 0@10 [1,3)"));
  hub_->Send(Events(0, 0, 1, 2));
  Run();
  EXPECT_THAT(SettleLast(), ElementsAre("ack 0@10 [0,1)"));
}

// The hub delivered the event to the same consumer again before the ack arrived.
TEST_F(SubscriberQueueTest, SendsRepeatedAckOnce) {
  StartQueue();
  hub_->Send(Events(0, 0, 1));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,1)"));
  hub_->Send(Events(0, 5, 3));
  Run();
  hub_->Send(Events(0, 4, 3, 2));
  Run();
  EXPECT_THAT(Sent(), IsEmpty());  // Gathered until the hub has answered.
  EXPECT_EQ(subscriber_->counters().unsettled, 5u);
  EXPECT_THAT(SettleLast(), ElementsAre("ack 0@10 [4,8)"));
  hub_->Send(Settled(last_request_));
  EXPECT_THAT(hub_->TakeConsumeRequests(), IsEmpty());
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);
  EXPECT_EQ(subscriber_->counters().acked, 5u);
  hub_->Send(Events(0, 8, 1));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [8,9)"));
}

TEST_F(SubscriberQueueTest, UnsentAckPrevailsOverNack) {
  StartQueue();
  hub_->Send(Events(0, 0, 1));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,1)"));
  hub_->Send(Events(0, 5, 1));
  Run();
  outcomes_ = {{"0/4", Outcome::Park("broken")},
               {"0/5", Outcome::Park("broken")},
               {"0/6", Outcome::Park("broken")}};
  hub_->Send(Events(0, 4, 3, 2));
  Run();
  EXPECT_THAT(SettleLast(), ElementsAre("ack 0@10 [5,6)", "park 0@10 [4,5)[6,7): broken"));
  SettleLast();
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);
}

TEST_F(SubscriberQueueTest, ExceptionRetriesEvent) {
  StartQueue({.on_event = [](const ReceivedEvent& event) -> Outcome {
    if (event.offset() == 0) throw std::runtime_error("bad \xFF luck");
    throw 7;
  }});
  hub_->Send(Events(0, 0, 1));
  hub_->Send(Events(0, 5, 1));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [0,1): bad ? luck"));
  EXPECT_THAT(
      SettleLast(),
      ElementsAre("retry 0@10 [5,6): the handler threw something other than a std::exception"));
}

TEST_F(SubscriberQueueTest, ExceptionInBatchHandlerRetriesBatch) {
  StartQueue(
      {.on_batch = [](const EventBatch&) -> BatchOutcome { throw std::runtime_error("no disk"); }});
  hub_->Send(EventsAt(0, {1, 2, 9}));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [1,3)[9,10): no disk"));
}

TEST_F(SubscriberQueueTest, TruncatesLongReasons) {
  outcomes_ = {{"0/0", Outcome::Park(std::string(511, 'x') + "\xC3\xA9 and more")}};
  StartQueue();
  hub_->Send(Events(0, 0, 1));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("park 0@10 [0,1): " + std::string(511, 'x')));
}

TEST_F(SubscriberQueueTest, SeekRevokesEventsInFlight) {
  StartQueue();
  hub_->Send(Events(0, 0, 4));
  ASSERT_TRUE(RunOne());
  Sent();
  hub_->Send(Revoked(0, 10));
  hub_->Send(Events(0, 100, 1, 1, {}, /*epoch=*/11));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/100"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack 0@11 [100,101)"));
}

// Runs handlers on separate threads that wait until the test releases them.
class SubscriberThreadsTest : public SubscriberTest {
 protected:
  SubscriberThreadsTest() { threads_ = 4; }
  ~SubscriberThreadsTest() override {
    ReleaseAll();
    subscriber_.reset();  // Its threads use the members below.
  }

  Outcome Block(const ReceivedEvent& received) {
    v1::Event event;
    EXPECT_TRUE(received.ParseTo(event).ok());
    MutexLock lock(blocked_mutex_);
    blocked_.insert(event.id());
    while (released_.count(event.id()) == 0 && !all_released_) changed_.Wait(blocked_mutex_);
    blocked_.erase(event.id());
    done_.push_back(event.id());
    return Outcome::Ack();
  }
  SubscriberOptions Blocking(Order order) {
    return {.on_event = [this](const ReceivedEvent& event) { return Block(event); },
            .order = order};
  }
  void Release(const std::string& id) {
    MutexLock lock(blocked_mutex_);
    released_.insert(id);
    changed_.NotifyAll();
  }
  void ReleaseAll() {
    MutexLock lock(blocked_mutex_);
    all_released_ = true;
    changed_.NotifyAll();
  }
  bool AreRunning(const std::set<std::string>& ids) {
    return Eventually([&] {
      MutexLock lock(blocked_mutex_);
      return blocked_ == ids;
    });
  }
  std::vector<std::string> Done() {
    MutexLock lock(blocked_mutex_);
    return done_;
  }

  Mutex blocked_mutex_;
  CondVar changed_;
  std::set<std::string> blocked_;
  std::set<std::string> released_;
  std::vector<std::string> done_;
  bool all_released_ = false;
};

TEST_F(SubscriberThreadsTest, UnorderedHandlersUseAllThreads) {
  StartQueue(Blocking(Order::kDefault));
  hub_->Send(Events(0, 0, 6));
  EXPECT_TRUE(AreRunning({"0/0", "0/1", "0/2", "0/3"}));
  Release("0/1");
  EXPECT_TRUE(AreRunning({"0/0", "0/2", "0/3", "0/4"}));
  EXPECT_THAT(AwaitSent(), ElementsAre("ack 0@10 [1,2)"));
}

TEST_F(SubscriberThreadsTest, RunsOneHandlerPerPartition) {
  StartStream(Blocking(Order::kDefault));
  hub_->Send(Assigned(1, 0));
  hub_->Send(Events(0, 0, 3));
  hub_->Send(Events(1, 0, 3));
  EXPECT_TRUE(AreRunning({"0/0", "1/0"}));
  Release("0/0");
  EXPECT_TRUE(AreRunning({"0/1", "1/0"}));
}

TEST_F(SubscriberThreadsTest, RunsOneHandlerPerKey) {
  StartQueue(Blocking(Order::kPerKey));
  hub_->Send(Events(0, 0, 6, 1, {"a", "b", ""}));
  // The last two have no key, and do not wait.
  EXPECT_TRUE(AreRunning({"0/0", "0/1", "0/2", "0/5"}));
  Release("0/2");
  EXPECT_TRUE(AreRunning({"0/0", "0/1", "0/5"}));
  Release("0/1");
  EXPECT_TRUE(AreRunning({"0/0", "0/4", "0/5"}));
  ReleaseAll();
  EXPECT_TRUE(Eventually([&] { return Done().size() == 6; }));
}

TEST_F(SubscriberThreadsTest, StopWaitsForHandlersAndHub) {
  StartQueue(Blocking(Order::kDefault));
  hub_->Send(Events(0, 0, 1));
  ASSERT_TRUE(AreRunning({"0/0"}));
  auto stopped = std::async(std::launch::async, [&] { return subscriber_->Stop(); });
  EXPECT_TRUE(Eventually([&] {
    const std::vector<std::string> sent = Sent();
    return !sent.empty() && sent.back() == "leave";
  }));
  ReleaseAll();
  EXPECT_TRUE(Eventually([&] {
    const std::vector<std::string> sent = Sent();
    return !sent.empty() && sent.back() == "ack 0@10 [0,1)";
  }));
  hub_->Send(Settled(last_request_));
  hub_->CloseConsume(absl::OkStatus());
  EXPECT_TRUE(stopped.get().ok());
  EXPECT_EQ(subscriber_->counters().acked, 1u);
}

TEST_F(SubscriberThreadsTest, LostConnectionDuringStopReleasesEvents) {
  StartQueue(Blocking(Order::kDefault));
  hub_->Send(Events(0, 0, 2));
  ASSERT_TRUE(AreRunning({"0/0", "0/1"}));
  subscriber_->RequestStop();
  hub_->CloseConsume(absl::UnavailableError("reset"));
  ReleaseAll();  // Wait also waits for running handlers.
  EXPECT_EQ(subscriber_->Wait().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(hub_->consume_streams_opened(), 1u);
}

class SubscriberExtensionTest : public SubscriberTest {
 protected:
  SubscriberExtensionTest() { ack_deadline_ = absl::Seconds(30); }
};

TEST_F(SubscriberExtensionTest, ExtendsUnfinishedEvents) {
  StartQueue({.max_lease_extension = absl::Minutes(1)});
  hub_->Send(Events(0, 0, 4));
  ASSERT_TRUE(RunOne());
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,1)"));
  SettleLast();
  hub_->Advance(absl::Seconds(9));
  EXPECT_THAT(Sent(), IsEmpty());
  hub_->Advance(absl::Seconds(1));
  EXPECT_THAT(Sent(), ElementsAre("extend 0@10"));  // The whole lease.
  // Recently delivered events are not extended.
  hub_->Advance(absl::Seconds(8));
  hub_->Send(Events(0, 10, 1));
  hub_->Advance(absl::Seconds(2));
  EXPECT_THAT(Sent(), ElementsAre("extend 0@10 [1,4)"));
  // Extension stops after a minute. Then the lease ends, and its events are not handled.
  hub_->Advance(absl::Seconds(40));
  EXPECT_THAT(Sent(), ElementsAre("extend 0@10", "extend 0@10", "extend 0@10", "extend 0@10"));
  hub_->Advance(absl::Seconds(60));
  Sent();
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/0"));
  EXPECT_EQ(subscriber_->counters().dropped, 4u);
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);
  hub_->Advance(absl::Minutes(1));
  EXPECT_EQ(hub_->timers(), 0u);
}

TEST_F(SubscriberExtensionTest, SendsLateOutcomesAlongsideDroppedEvents) {
  SubscriberOptions options{.order = Order::kPerKey, .max_lease_extension = absl::ZeroDuration()};
  options.on_event = [this](const ReceivedEvent& received) {
    // Runs while the other events of its delivery are unsettled.
    if (received.offset() == 1) {
      hub_->Advance(absl::Minutes(1));
      EXPECT_FALSE(RunOne());
      EXPECT_EQ(subscriber_->counters().unsettled, 3u)
          << "the one before, this, and the next of its key";
    }
    return Outcome::Ack();
  };
  StartQueue(std::move(options));
  hub_->Send(Events(0, 0, 6, 1, {"a", "b", "c"}));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,1)"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack 0@10 [1,2)"));
  SettleLast();
  EXPECT_EQ(subscriber_->counters().dropped, 4u);
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);
}

TEST_F(SubscriberExtensionTest, DoesNotExtendFinishedEvents) {
  SubscriberOptions options{.order = Order::kPerKey};
  options.on_event = [this](const ReceivedEvent& received) {
    if (received.offset() == 2) {
      hub_->Advance(absl::Seconds(8));
      hub_->Send(Events(0, 100, 1));
      hub_->Advance(absl::Seconds(3));
    }
    return Outcome::Ack();
  };
  StartQueue(std::move(options));
  hub_->HoldConsumeWrites(true);
  subscriber_->Pause();
  hub_->Send(Events(0, 0, 6, 1, {"a", "b", "c"}));
  Run();
  Sent();
  hub_->HoldConsumeWrites(false);
  // 0/0 and 0/1 were done when it was time, 0/3 and 0/4 not.
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,6)[100,101)", "extend 0@10 [2,6)"));
}

// A hub accepts 10,000 ranges in a request, and each extension counts as one more.
TEST_F(SubscriberExtensionTest, DividesExtensionsOfManyRanges) {
  StartQueue();
  std::vector<int64_t> offsets(25'000);
  for (size_t i = 0; i < offsets.size(); ++i) offsets[i] = 2 * static_cast<int64_t>(i);
  hub_->Send(EventsAt(0, offsets));
  hub_->Advance(absl::Seconds(8));
  hub_->Send(Events(0, 100'000, 1));
  hub_->Advance(absl::Seconds(2));
  std::set<int64_t> extended;
  for (const v1::ConsumeRequest& request : hub_->TakeConsumeRequests()) {
    int counted = 0;
    for (const v1::LeaseExtension& extension : request.extensions()) {
      EXPECT_GT(extension.ranges_size(), 0) << "that is all of the partition";
      counted += 1 + extension.ranges_size();
      for (const v1::OffsetRange& range : extension.ranges()) extended.insert(range.start());
    }
    EXPECT_LE(counted, 10'000);
  }
  EXPECT_EQ(extended, std::set<int64_t>(offsets.begin(), offsets.end()));
}

TEST_F(SubscriberExtensionTest, ExtendsStreamLeaseAsAWhole) {
  StartStream();
  hub_->Send(Events(0, 0, 2));
  hub_->Advance(absl::Seconds(10));
  EXPECT_THAT(Sent(), ElementsAre("extend 0@10"));
  Run();
  Sent();
  SettleLast();
  hub_->Advance(absl::Minutes(5));
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(hub_->timers(), 0u);  // No event is in flight, so no timer runs.
}

TEST_F(SubscriberExtensionTest, ShorterDeadlineTakesEffect) {
  StartQueue();
  hub_->Send(Events(0, 0, 1));
  v1::ConsumeResponse changed;
  changed.mutable_ack_deadline()->set_seconds(6);
  hub_->Send(changed);
  hub_->Send(Events(0, 10, 1));
  hub_->Advance(absl::Seconds(2));
  EXPECT_THAT(Sent(),
              ElementsAre("extend 0@10 [10,11)"));  // The lease of the first still lasts 30 s.
}

TEST_F(SubscriberExtensionTest, ExtendsStreamThatGetsDeadline) {
  ack_deadline_ = absl::ZeroDuration();
  StartStream();
  hub_->Send(Events(0, 0, 1));
  hub_->Advance(absl::Minutes(1));
  EXPECT_THAT(Sent(), IsEmpty());
  v1::ConsumeResponse changed;
  changed.mutable_ack_deadline()->set_seconds(6);
  hub_->Send(changed);
  hub_->Advance(absl::Seconds(2));
  EXPECT_THAT(Sent(), ElementsAre("extend 0@10"));
}

TEST_F(SubscriberExtensionTest, ExtendsNothingWithoutDeadline) {
  ack_deadline_ = absl::ZeroDuration();
  StartStream();
  hub_->Send(Events(0, 0, 2));
  hub_->Advance(absl::Hours(5));
  EXPECT_THAT(Sent(), IsEmpty());
}

}  // namespace
}  // namespace eventhub::client

// The subscriber's stream: opening, credit, batching of outcomes, reconnection, the end.

#include <stdexcept>

#include "gtest/gtest.h"
#include "tests/client/subscriber_fixture.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using SubscriberFlowTest = SubscriberTest;

TEST_F(SubscriberFlowTest, OpensWithItsCredit) {
  std::string name;
  SubscriberOptions options{
      .consumer = "me", .credit = {.events = 7, .bytes = 8000}, .max_response_bytes = 5000};
  options.hooks.on_connected = [&](const std::string& consumer) { name = consumer; };
  Start(std::move(options));
  const std::vector<v1::ConsumeRequest> requests = hub_->TakeConsumeRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_THAT(Describe(requests[0]), ElementsAre("open s", "credit 7 events 8000 bytes"));
  EXPECT_EQ(requests[0].open().consumer(), "me");
  EXPECT_EQ(requests[0].open().max_response_bytes(), 5000u);
  hub_->Send(Opened(true));
  EXPECT_EQ(name, "c1");
}

TEST_F(SubscriberFlowTest, CreditCanBeChangedAndWithheld) {
  StartQueue({.credit = {.events = 10, .bytes = 1000}});
  subscriber_->SetCredit({.events = 20, .bytes = 2000});
  EXPECT_THAT(Sent(), ElementsAre("credit 20 events 2000 bytes"));
  subscriber_->Pause();
  subscriber_->Pause();
  EXPECT_THAT(Sent(), ElementsAre("credit 0 events 0 bytes"));
  subscriber_->SetCredit({.events = 30, .bytes = 3000});
  EXPECT_THAT(Sent(), ElementsAre("credit 0 events 0 bytes"));
  subscriber_->Resume();
  EXPECT_THAT(Sent(), ElementsAre("credit 30 events 3000 bytes"));
}

TEST_F(SubscriberFlowTest, PauseOutlivesConnection) {
  StartQueue();
  subscriber_->Pause();
  hub_->CloseConsume(absl::UnavailableError("reset"));
  hub_->Advance(absl::Seconds(2));
  EXPECT_THAT(Sent(), ElementsAre("open s", "credit 0 events 0 bytes"));
}

TEST_F(SubscriberFlowTest, BatchesOutcomesByEventCredit) {
  StartQueue({.on_batch = [](const EventBatch&) { return Outcome::Ack(); },
              .credit = {.events = 80, .bytes = 1'000'000}});
  for (int i = 0; i < 25; ++i) {
    hub_->Send(Events(0, i, 1));
    Run();
  }
  // The first is sent at once, then one request per eighth of the credit, settled or not.
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,1)", "ack 0@10 [1,11)", "ack 0@10 [11,21)"));
  hub_->Send(Settled(1));
  hub_->Send(Settled(3));  // Not always in order.
  EXPECT_THAT(Sent(), IsEmpty());
  hub_->Send(Settled(2));
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [21,25)"));
}

TEST_F(SubscriberFlowTest, BatchesOutcomesByByteCredit) {
  StartQueue({.on_batch = [](const EventBatch&) { return Outcome::Ack(); },
              .credit = {.events = 1'000'000, .bytes = 1}});
  for (int i = 0; i < 3; ++i) {
    hub_->Send(Events(0, i, 1));
    Run();
  }
  EXPECT_THAT(Sent(), ElementsAre("ack 0@10 [0,1)", "ack 0@10 [1,2)", "ack 0@10 [2,3)"));
}

TEST_F(SubscriberFlowTest, AtMostSixteenRequestsWaitForSettlement) {
  StartQueue({.on_batch = [](const EventBatch&) { return Outcome::Ack(); },
              .credit = {.events = 1, .bytes = 1}});
  for (int i = 0; i < 20; ++i) {
    hub_->Send(Events(0, 2 * i, 1));
    Run();
  }
  EXPECT_EQ(Sent().size(), 16u);
  EXPECT_THAT(SettleLast(), ElementsAre("ack 0@10 [32,33)[34,35)[36,37)[38,39)"));
}

TEST_F(SubscriberFlowTest, DividesLargeRequests) {
  StartQueue();
  hub_->HoldConsumeWrites(true);
  subscriber_->Pause();
  for (int i = 0; i < 3000; ++i) {
    outcomes_[absl::StrCat("0/", i)] = Outcome::Park(absl::StrCat(i, std::string(500, 'x')));
  }
  hub_->Send(Events(0, 0, 3000));
  Run();
  hub_->HoldConsumeWrites(false);
  size_t parked = 0;
  for (int round = 0; parked < 3000 && round < 10; ++round) {
    for (const v1::ConsumeRequest& request : hub_->TakeConsumeRequests()) {
      parked += static_cast<size_t>(request.nacks_size());
      EXPECT_LT(request.ByteSizeLong(), size_t{3} << 19);
      hub_->Send(Settled(request.correlation_id()));
    }
  }
  EXPECT_EQ(parked, 3000u);
  EXPECT_EQ(subscriber_->counters().nacked, 3000u);
}

TEST_F(SubscriberFlowTest, HooksReportProgress) {
  std::vector<std::string> news;
  SubscriberOptions options;
  options.hooks.on_caught_up = [&] { news.push_back("caught up"); };
  options.hooks.on_fell_behind = [&] { news.push_back("fell behind"); };
  options.hooks.on_trimmed = [&](const PartitionRange& range) {
    news.push_back(
        absl::StrCat("lost ", range.partition, " [", range.range.start, ",", range.range.end, ")"));
    subscriber_->Pause();  // Hooks may use the subscriber.
  };
  StartStream(std::move(options));
  v1::ConsumeResponse response;
  response.set_caught_up(true);
  hub_->Send(response);
  response.Clear();
  response.set_fell_behind(true);
  v1::TrimmedRange& trimmed = *response.add_trimmed();
  trimmed.set_partition(3);
  trimmed.mutable_range()->set_start(5);
  trimmed.mutable_range()->set_end(9);
  hub_->Send(response);
  EXPECT_THAT(news, ElementsAre("caught up", "lost 3 [5,9)", "fell behind"));
  EXPECT_EQ(subscriber_->counters().trimmed, 4u);
  EXPECT_THAT(Sent(), ElementsAre("credit 0 events 0 bytes"));
}

TEST_F(SubscriberFlowTest, ReconnectsAndForgetsEventsInFlight) {
  std::vector<std::string> news;
  SubscriberOptions options;
  options.hooks.on_disconnected = [&](const absl::Status& status) {
    news.push_back(std::string(status.message()));
  };
  options.hooks.on_revoked = [&](uint32_t partition) {
    news.push_back(absl::StrCat("revoked ", partition));
  };
  StartStream(std::move(options));
  hub_->Send(Events(0, 0, 4));
  ASSERT_TRUE(RunOne());  // Sent, and never settled.
  ASSERT_TRUE(RunOne());  // Never sent.
  EXPECT_THAT(Handled(), ElementsAre("0/0", "0/1", "0/2"));
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [0,1)"));
  hub_->CloseConsume(absl::UnavailableError("reset"));
  Run();
  EXPECT_THAT(Handled(), IsEmpty());
  EXPECT_THAT(news, ElementsAre("revoked 0", "reset"));
  EXPECT_EQ(subscriber_->counters().in_doubt, 3u);
  EXPECT_EQ(subscriber_->counters().dropped, 1u);
  EXPECT_EQ(subscriber_->counters().unsettled, 0u);

  hub_->SetDown(true);
  hub_->Advance(absl::Seconds(3));
  EXPECT_GE(hub_->consume_streams_opened(), 4u);
  hub_->SetDown(false);
  hub_->Advance(absl::Seconds(3));
  EXPECT_THAT(Sent(), ElementsAre("open s", "credit 1000 events 16777216 bytes"));
  hub_->Send(Opened(false));
  hub_->Send(Assigned(0, 1, 33));
  hub_->Send(Events(0, 1, 3, 2, {}, 33));
  Run();
  EXPECT_THAT(Handled(), ElementsAre("0/1", "0/2", "0/3"));
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@33 [1,4)"));
  EXPECT_EQ(subscriber_->counters().connections, 2u);
}

TEST_F(SubscriberFlowTest, RespectsRetryDelayOfHub) {
  StartQueue();
  hub_->CloseConsume(HubError(absl::StatusCode::kUnavailable, {.reason = ErrorReason::kShuttingDown,
                                                               .retry_delay = absl::Seconds(20)}));
  hub_->Advance(absl::Seconds(19));
  EXPECT_EQ(hub_->consume_streams_opened(), 1u);
  hub_->Advance(absl::Seconds(1));
  EXPECT_EQ(hub_->consume_streams_opened(), 2u);
}

TEST_F(SubscriberFlowTest, GivesUpAfterTheReconnectDeadline) {
  StartQueue({.reconnect_deadline = absl::Seconds(30)});
  hub_->SetDown(true);
  hub_->CloseConsume(absl::UnavailableError("reset"));
  hub_->Advance(absl::Seconds(29));
  EXPECT_EQ(subscriber_->Wait(absl::ZeroDuration()).code(), absl::StatusCode::kDeadlineExceeded);
  hub_->Advance(absl::Seconds(3));
  const absl::Status status = subscriber_->Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("subscription s"));
}

TEST_F(SubscriberFlowTest, ReportsWhyItEnded) {
  std::vector<absl::StatusCode> ended;
  SubscriberOptions options;
  options.hooks.on_ended = [&](const absl::Status& status) {
    ended.push_back(status.code());
    EXPECT_EQ(subscriber_->Wait(absl::ZeroDuration()).code(), status.code());
  };
  StartQueue(options);
  hub_->CloseConsume(absl::UnavailableError("reset"));
  EXPECT_THAT(ended, IsEmpty());
  hub_->Advance(absl::Seconds(1));
  hub_->CloseConsume(absl::NotFoundError("subscription s does not exist"));
  EXPECT_THAT(ended, ElementsAre(absl::StatusCode::kNotFound));

  StartQueue(options);  // Ends as requested.
  subscriber_->RequestStop();
  hub_->CloseConsume(absl::OkStatus());
  EXPECT_THAT(ended, ElementsAre(absl::StatusCode::kNotFound, absl::StatusCode::kOk));

  StartQueue(options);  // Without a connection.
  hub_->CloseConsume(absl::UnavailableError("reset"));
  subscriber_->RequestStop();
  hub_->Advance(absl::Milliseconds(1));
  EXPECT_EQ(ended.size(), 3u);

  StartQueue(options);
  subscriber_.reset();  // The program itself destroys the subscriber: no report.
  EXPECT_EQ(ended.size(), 3u);
}

TEST_F(SubscriberFlowTest, ThrowingHookIsCountedAndOthersRun) {
  int lost = 0;
  SubscriberOptions options;
  options.hooks.on_revoked = [&](uint32_t) { throw std::runtime_error("no"); };
  options.hooks.on_disconnected = [&](const absl::Status&) {
    ++lost;
    throw 1;
  };
  StartStream(std::move(options));
  hub_->CloseConsume(absl::UnavailableError("reset"));
  EXPECT_EQ(lost, 1);
  EXPECT_EQ(subscriber_->counters().hooks_thrown, 2u);
  hub_->Advance(absl::Seconds(1));
  EXPECT_EQ(hub_->consume_streams_opened(), 2u);
}

TEST_F(SubscriberFlowTest, PermanentErrorEndsSubscriber) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kNotFound, absl::StatusCode::kPermissionDenied,
        absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnimplemented}) {
    StartQueue();
    hub_->Send(Events(0, 0, 2));
    hub_->CloseConsume(absl::Status(code, "no"));
    EXPECT_EQ(subscriber_->Wait().code(), code);
    Run();
    EXPECT_THAT(Handled(), IsEmpty());
    hub_->Advance(absl::Minutes(1));
    EXPECT_THAT(Sent(), IsEmpty());
  }
}

TEST_F(SubscriberFlowTest, MalformedResponseEndsSubscriber) {
  StartQueue();
  hub_->SendBytes(Bytes::Of("\x0A\x7Fxx"));
  EXPECT_EQ(subscriber_->Wait().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(hub_->consume_cancels(), 1);
}

TEST_F(SubscriberFlowTest, StopsWhenEverythingIsSettled) {
  StartStream();
  hub_->Send(Events(0, 0, 2));
  subscriber_->RequestStop();
  subscriber_->RequestStop();
  EXPECT_THAT(Sent(), ElementsAre("leave"));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("ack exact 0@10 [0,1)"));
  EXPECT_THAT(SettleLast(), ElementsAre("ack exact 0@10 [1,2)"));
  EXPECT_EQ(subscriber_->Wait(absl::ZeroDuration()).code(), absl::StatusCode::kDeadlineExceeded);
  SettleLast();
  hub_->CloseConsume(absl::OkStatus());
  EXPECT_TRUE(subscriber_->Wait().ok());
  hub_->Advance(absl::Minutes(1));
  EXPECT_EQ(hub_->consume_streams_opened(), 1u);
}

TEST_F(SubscriberFlowTest, StopBeforeOpenSendsOpenFirst) {
  hub_->HoldConsumeWrites(true);
  Start();
  subscriber_->RequestStop();
  EXPECT_THAT(Sent(), ElementsAre("open s", "credit 1000 events 16777216 bytes"));
  hub_->HoldConsumeWrites(false);
  EXPECT_THAT(Sent(), ElementsAre("leave"));
}

TEST_F(SubscriberFlowTest, StopWithoutConnectionEndsImmediately) {
  StartQueue();
  hub_->CloseConsume(absl::UnavailableError("reset"));
  subscriber_->RequestStop();
  EXPECT_TRUE(subscriber_->Wait().ok());
  hub_->Advance(absl::Minutes(1));
  EXPECT_EQ(hub_->consume_streams_opened(), 1u);
}

TEST_F(SubscriberFlowTest, StopTimeoutCancelsStream) {
  StartQueue();
  hub_->Send(Events(0, 0, 1));
  EXPECT_EQ(subscriber_->Stop(absl::ZeroDuration()).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(hub_->consume_cancels(), 1);
  EXPECT_EQ(subscriber_->Wait().code(), absl::StatusCode::kCancelled);
  Run();
  EXPECT_THAT(Handled(), IsEmpty());
}

TEST_F(SubscriberFlowTest, DestructorCancelsStream) {
  StartQueue();
  subscriber_.reset();
  EXPECT_EQ(hub_->consume_cancels(), 1);
}

TEST(SubscriberOptionsTest, AreValidated) {
  const auto hub = std::make_shared<testing::NiceMock<FakeHub>>();
  const auto fault = [&](SubscriberOptions options) {
    const absl::Status status = Subscriber::Start(hub, std::move(options)).status();
    EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  const auto on_event = [](const ReceivedEvent&) { return Outcome::Ack(); };
  const auto on_batch = [](const EventBatch&) { return Outcome::Ack(); };
  EXPECT_EQ(fault({.subscription = "s", .on_event = on_event}), "");
  EXPECT_THAT(fault({.on_event = on_event}), HasSubstr("subscription"));
  EXPECT_THAT(fault({.subscription = "s"}), HasSubstr("on_event"));
  EXPECT_THAT(fault({.subscription = "s", .on_event = on_event, .on_batch = on_batch}),
              HasSubstr("on_event"));
  EXPECT_THAT(fault({.subscription = "s", .consumer = std::string(257, 'x'), .on_event = on_event}),
              HasSubstr("consumer"));
  EXPECT_THAT(fault({.subscription = "s", .on_batch = on_batch, .order = Order::kPerKey}),
              HasSubstr("kPerKey"));
  EXPECT_THAT(fault({.subscription = "s", .on_event = on_event, .max_batch_events = 3}),
              HasSubstr("max_batch_events"));
  EXPECT_THAT(fault({.subscription = "s", .on_event = on_event, .threads = 0}),
              HasSubstr("threads"));
  EXPECT_THAT(fault({.subscription = "s", .on_event = on_event, .max_response_bytes = 1}),
              HasSubstr("max_response_bytes"));
  EXPECT_THAT(
      fault({.subscription = "s", .on_event = on_event, .max_lease_extension = absl::Seconds(-1)}),
      HasSubstr("max_lease_extension"));
  EXPECT_THAT(
      fault(
          {.subscription = "s", .on_event = on_event, .reconnect_deadline = absl::ZeroDuration()}),
      HasSubstr("reconnect_deadline"));
}

}  // namespace
}  // namespace eventhub::client

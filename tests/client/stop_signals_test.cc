// Signals that end a subscriber: gracefully, by force, and with the process's handlers afterwards.
#include "client/src/base/stop_signals.h"

#include <signal.h>

#include <future>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/subscriber_fixture.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;

volatile sig_atomic_t own_calls = 0;

void OwnHandler(int) { own_calls = own_calls + 1; }

class StopSignalsTest : public SubscriberTest {
 protected:
  StopSignalsTest() {
    own_calls = 0;
    signal(SIGTERM, OwnHandler);
    signal(SIGINT, SIG_DFL);
  }
  ~StopSignalsTest() override {
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
  }

  static sighandler_t HandlerOf(int number) {
    struct sigaction action;
    sigaction(number, nullptr, &action);
    return action.sa_handler;
  }

  std::future<absl::Status> WaitForSignal(absl::Duration stop_timeout = absl::Minutes(1)) {
    auto status = std::async(std::launch::async,
                             [this, stop_timeout] { return core_->WaitForSignal(stop_timeout); });
    EXPECT_TRUE(Eventually([] { return HandlerOf(SIGTERM) != OwnHandler; }));
    return status;
  }
};

TEST_F(StopSignalsTest, SignalStopsGracefully) {
  StartQueue();
  auto status = WaitForSignal();
  raise(SIGTERM);
  EXPECT_THAT(AwaitSent(), ElementsAre("leave"));
  hub_->CloseConsume(absl::OkStatus());
  EXPECT_TRUE(status.get().ok());
  EXPECT_EQ(own_calls, 0);
  // The process has its handlers back.
  EXPECT_EQ(HandlerOf(SIGTERM), OwnHandler);
  EXPECT_EQ(HandlerOf(SIGINT), SIG_DFL);
}

TEST_F(StopSignalsTest, SecondSignalCutsOffAndThirdGoesToTheProcess) {
  StartQueue();
  auto status = WaitForSignal();
  raise(SIGINT);
  EXPECT_THAT(AwaitSent(), ElementsAre("leave"));
  raise(SIGINT);
  EXPECT_TRUE(absl::IsCancelled(status.get()));
  raise(SIGTERM);
  EXPECT_EQ(own_calls, 1);
}

TEST_F(StopSignalsTest, TimeoutCutsOff) {
  StartQueue();
  auto status = WaitForSignal(absl::Seconds(10));
  raise(SIGTERM);
  EXPECT_THAT(AwaitSent(), ElementsAre("leave"));
  ASSERT_TRUE(Eventually([&] {
    hub_->Advance(absl::Seconds(11));
    return status.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }));
  EXPECT_TRUE(absl::IsCancelled(status.get()));
}

TEST_F(StopSignalsTest, ReturnsAnotherReasonForTheEnd) {
  StartQueue();
  auto status = WaitForSignal();
  hub_->CloseConsume(
      HubError(absl::StatusCode::kNotFound, {.reason = ErrorReason::kSubscriptionNotFound}));
  EXPECT_TRUE(absl::IsNotFound(status.get()));
  EXPECT_EQ(HandlerOf(SIGTERM), OwnHandler);
}

TEST_F(StopSignalsTest, IgnoredSignalStaysIgnoredAndAllObjectsAreCalled) {
  signal(SIGINT, SIG_IGN);
  std::atomic<int> first{0}, second{0};
  {
    const StopSignals one([&](int count) { first = count; });
    const StopSignals two([&](int count) { second = count; });
    EXPECT_EQ(HandlerOf(SIGINT), SIG_IGN);
    raise(SIGINT);
    raise(SIGTERM);
    EXPECT_TRUE(Eventually([&] { return first == 1 && second == 1; }));
  }
  EXPECT_EQ(HandlerOf(SIGINT), SIG_IGN);
  EXPECT_EQ(HandlerOf(SIGTERM), OwnHandler);
}

}  // namespace
}  // namespace eventhub::client

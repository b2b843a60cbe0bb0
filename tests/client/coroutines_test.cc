// Handlers as coroutines.
#include "eventhub/coroutines.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/subscriber_fixture.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CoroutinesTest : public SubscriberTest {
 protected:
  // A call of a service, which the test answers.
  auto Ask() {
    auto call = [this](absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
      if (!accepting_) return absl::ResourceExhaustedError("full");
      calls_.push_back(std::move(done));
      return absl::OkStatus();
    };
    return Awaited<std::string, decltype(call)>(std::move(call));
  }
  void Answer(size_t i, absl::StatusOr<std::string> answer) { calls_[i](std::move(answer)); }

  bool accepting_ = true;
  std::vector<absl::AnyInvocable<void(absl::StatusOr<std::string>)>> calls_;
};

TEST_F(CoroutinesTest, SettleWhenTheyAreDone) {
  StartQueue({.on_event_async = AsCoroutine([this](ReceivedEvent received) -> Handling {
                const auto first = co_await Ask();
                if (!first.ok()) co_return Outcome::Park(std::string(first.status().message()));
                const auto second = co_await Ask();
                v1::Event event;
                EXPECT_TRUE(received.ParseTo(event).ok());
                co_return Outcome::Skip(*first + *second + event.id());
              })});
  hub_->Send(Events(0, 0, 2));
  Run();
  EXPECT_THAT(Sent(), IsEmpty());
  ASSERT_EQ(calls_.size(), 2u);
  Answer(1, absl::InternalError("broken"));
  EXPECT_THAT(Sent(), ElementsAre("park 0@10 [1,2): broken"));
  Answer(0, "a");
  ASSERT_EQ(calls_.size(), 3u);
  Answer(2, "b");
  EXPECT_THAT(SettleLast(), ElementsAre("skip 0@10 [0,1): ab0/0"));
}

TEST_F(CoroutinesTest, ACallThatIsNotTakenIsAnError) {
  accepting_ = false;
  StartQueue({.on_event_async = AsCoroutine([this](ReceivedEvent) -> Handling {
                const auto answer = co_await Ask();
                co_return Outcome::Park(std::string(answer.status().message()));
              })});
  hub_->Send(Events(0, 0, 1));
  Run();
  EXPECT_THAT(Sent(), ElementsAre("park 0@10 [0,1): full"));
}

TEST_F(CoroutinesTest, AnExceptionRetries) {
  StartQueue({.on_event_async = AsCoroutine([this](ReceivedEvent) -> Handling {
                const auto answer = co_await Ask();
                if (!answer.ok()) throw std::runtime_error("no answer");
                co_return Outcome::Ack();
              })});
  hub_->Send(Events(0, 0, 1));
  Run();
  Answer(0, absl::InternalError(""));
  EXPECT_THAT(Sent(), ElementsAre("retry 0@10 [0,1): no answer"));
}

// The handler's captures live as long as the last coroutine.
TEST_F(CoroutinesTest, MayOutliveTheSubscriber) {
  const auto token = std::make_shared<int>(7);
  StartQueue({.on_event_async = AsCoroutine([this, token](ReceivedEvent) -> Handling {
                (void)co_await Ask();
                EXPECT_EQ(*token, 7);
                co_return Outcome::Ack();
              })});
  hub_->Send(Events(0, 0, 1));
  Run();
  subscriber_.reset();
  core_.reset();
  EXPECT_EQ(token.use_count(), 2);
  Answer(0, "late");
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace eventhub::client

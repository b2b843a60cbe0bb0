// Steps that skip, slow down and look up: repetitions, rates, caches.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eventhub/processor/internal/recent_map.h"
#include "tests/client/processor/processor_fixture.h"

namespace eventhub::processor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(RecentMapTest, ForgetsWhatIsOldAndWhatIsTooMuch) {
  internal::RecentMap<std::string, int> map(2, absl::Seconds(10));
  map.Put("a", 1, absl::Seconds(0));
  map.Put("b", 2, absl::Seconds(5));
  ASSERT_NE(map.Find("a", absl::Seconds(9)), nullptr);
  EXPECT_EQ(*map.Find("a", absl::Seconds(9)), 1);
  EXPECT_EQ(map.Find("a", absl::Seconds(10)), nullptr);
  map.Put("b", 3, absl::Seconds(11));
  map.Put("c", 4, absl::Seconds(12));
  map.Put("d", 5, absl::Seconds(13));
  EXPECT_EQ(map.Find("b", absl::Seconds(13)), nullptr) << "there is room for two";
  EXPECT_EQ(*map.Find("c", absl::Seconds(13)), 4);
  EXPECT_EQ(map.size(), 2u);
}

AnyPipeline Copy(Memory memory = {}) {
  return Pipeline("copy")
      .SkipRepeats(memory)
      .Map(ParseNumber)
      .Publish("out", [](const Number& number) { return Result(number.value); });
}

TEST(SkipRepeatsTest, DropsOtherEventsWithTheSameId) {
  TestProcessor test(Rules({Copy()}));
  test.Deliver(NumberEvent(1));
  test.Deliver(NumberEvent(2));
  test.Deliver(NumberEvent(1));
  v1::Event of_another = NumberEvent(1);
  of_another.set_source("/another");
  test.Deliver(of_another);
  EXPECT_THAT(Emitted(test), ElementsAre("out:1", "out:2", "out:1"));
  EXPECT_EQ(test.counters().repeats, 1u);
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(SkipRepeatsTest, AnEventThatIsDeliveredAgainIsNoRepetition) {
  TestProcessor test(Rules({Copy()}));
  test.OnCommit([](const client::Transaction&) { return absl::UnavailableError("down"); });
  test.Deliver(NumberEvent(1));
  test.Reconnect();
  test.OnCommit(nullptr);
  test.Advance(absl::Minutes(1));
  EXPECT_THAT(Emitted(test), ElementsAre("out:1"));
}

TEST(SkipRepeatsTest, ForgetsAfterAWhile) {
  TestProcessor test(Rules({Copy({.ttl = absl::Minutes(1)})}));
  test.Deliver(NumberEvent(1));
  test.Advance(absl::Minutes(1));
  test.Deliver(NumberEvent(1));
  EXPECT_THAT(test.emitted(), SizeIs(2));
}

TEST(SkipOlderTest, OnlyWhatIsNewerThanAllBeforePasses) {
  TestProcessor test(
      Rules({Pipeline("newest")
                 .Map(ParseNumber)
                 .SkipOlder([](const v1::Event& event, const Number& number) {
                   return Sequence{event.partition_key(), number.value};
                 })
                 .Publish("out", [](const Number& number) { return Result(number.value); })}));
  for (const int number : {3, 1, 3, 5, 4}) test.Deliver(NumberEvent(number, "a"));
  test.Deliver(NumberEvent(2, "b"));
  EXPECT_THAT(Emitted(test), ElementsAre("out:3", "out:5", "out:2"));
  EXPECT_EQ(test.counters().repeats, 3u);
}

AnyPipeline Limited(Rate rate) {
  return Pipeline("limited")
      .RateLimit(rate)
      .Map(ParseNumber)
      .Publish("out", [](const Number& number) { return Result(number.value); });
}

TEST(RateLimitTest, UnitsPassAtTheRateInOrder) {
  TestProcessor test(Rules({Limited({.per_second = 10})}));
  for (int i = 0; i < 30; ++i) test.Deliver(NumberEvent(i));
  EXPECT_THAT(test.emitted(), SizeIs(1));
  EXPECT_EQ(test.counters().waiting, 29u);
  test.Advance(absl::Milliseconds(99));
  EXPECT_THAT(test.emitted(), SizeIs(1));
  test.Advance(absl::Milliseconds(901));
  EXPECT_THAT(test.emitted(), SizeIs(11));
  test.Advance(absl::Seconds(2));
  ASSERT_THAT(test.emitted(), SizeIs(30));
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(Emitted(test)[static_cast<size_t>(i)], absl::StrCat("out:", i));
  EXPECT_EQ(test.counters().waiting, 0u);
}

TEST(RateLimitTest, AfterAPauseAsManyAsTheBurstPassAtOnce) {
  TestProcessor test(Rules({Limited({.per_second = 10, .burst = 5})}));
  test.Advance(absl::Hours(1));
  for (int i = 0; i < 8; ++i) test.Deliver(NumberEvent(i));
  EXPECT_THAT(test.emitted(), SizeIs(5));
  test.Advance(absl::Milliseconds(300));
  EXPECT_THAT(test.emitted(), SizeIs(8));
}

TEST(RateLimitTest, WhatIsLostTakesNoPartOfTheRate) {
  TestProcessor test(Rules({Limited({.per_second = 1})}));
  for (int i = 0; i < 3; ++i) test.Deliver(NumberEvent(i));
  test.Reconnect();
  test.Advance(absl::Seconds(2));
  EXPECT_THAT(Emitted(test), ElementsAre("out:0", "out:1", "out:2"));
  EXPECT_EQ(test.counters().waiting, 0u);
}

struct Name {
  std::string value;
};

// Looks up the name of an event's key.
class LookupTest : public testing::Test {
 protected:
  AnyPipeline Rule(LookupOptions options = {}, client::Order order = client::Order::kNone) {
    return Pipeline("lookup")
        .InOrder(order)
        .Lookup(
            "name", [](const v1::Event& event) { return event.subject(); },
            [this](const std::string& key, Reply<Name> reply) {
              asked_.emplace_back(key, std::move(reply));
            },
            options)
        .Publish("out", [](const v1::Event& cause, const Name& name) {
          v1::Event event;
          event.set_type("named");
          event.set_data(absl::StrCat(cause.id(), "=", name.value));
          return event;
        });
  }
  static v1::Event About(int number, const std::string& subject, const std::string& key = "k") {
    v1::Event event = NumberEvent(number, key);
    event.set_subject(subject);
    return event;
  }
  // Answers the first request.
  void Answer(TestProcessor& test, absl::StatusOr<Name> answer) {
    ASSERT_THAT(asked_, testing::Not(IsEmpty()));
    Reply<Name> reply = std::move(asked_.front().second);
    asked_.erase(asked_.begin());
    reply(std::move(answer));
    test.Run();
  }

  std::vector<std::pair<std::string, Reply<Name>>> asked_;
};

TEST_F(LookupTest, AsksOnceForUnitsThatWaitAndForThoseThatCome) {
  TestProcessor test(Rules({Rule()}));
  test.Deliver(About(1, "x"));
  test.Deliver(About(2, "x"));
  test.Deliver(About(3, "y"));
  ASSERT_THAT(asked_, SizeIs(2));
  Answer(test, Name{"X"});
  EXPECT_THAT(Emitted(test), ElementsAre("out:1=X", "out:2=X"));
  test.Deliver(About(4, "x"));
  EXPECT_THAT(Emitted(test), ElementsAre("out:1=X", "out:2=X", "out:4=X"));
  EXPECT_EQ(test.counters().lookups, 4u);
  EXPECT_EQ(test.counters().cache_hits, 2u);
  EXPECT_EQ(test.counters().calls, 2u);
}

TEST_F(LookupTest, AnAnswerIsGoodForItsTime) {
  TestProcessor test(Rules({Rule({.ttl = absl::Minutes(1)})}));
  test.Deliver(About(1, "x"));
  Answer(test, Name{"X"});
  test.Advance(absl::Minutes(1));
  test.Deliver(About(2, "x"));
  ASSERT_THAT(asked_, SizeIs(1));
  Answer(test, Name{"new"});
  EXPECT_THAT(Emitted(test), ElementsAre("out:1=X", "out:2=new"));
}

TEST_F(LookupTest, WithoutATimeOnlyUnitsThatWaitShareAnAnswer) {
  TestProcessor test(Rules({Rule({.ttl = absl::ZeroDuration()})}));
  test.Deliver(About(1, "x"));
  test.Deliver(About(2, "x"));
  Answer(test, Name{"X"});
  test.Deliver(About(3, "x"));
  EXPECT_THAT(asked_, SizeIs(1));
  Answer(test, Name{"Y"});
  EXPECT_THAT(Emitted(test), ElementsAre("out:1=X", "out:2=X", "out:3=Y"));
}

TEST_F(LookupTest, OldAnswersMakeRoomForNewOnes) {
  TestProcessor test(Rules({Rule({.max_entries = 1})}));
  for (const char* const subject : {"x", "y"}) {
    test.Deliver(About(1, subject));
    Answer(test, Name{subject});
  }
  test.Deliver(About(2, "x"));
  EXPECT_THAT(asked_, SizeIs(1));
}

TEST_F(LookupTest, AnErrorFailsAllThatWaitAndIsRememberedForAWhile) {
  TestProcessor test(Rules({Rule({.error_ttl = absl::Seconds(5)})}));
  test.Deliver(About(1, "x"));
  test.Deliver(About(2, "x"));
  Answer(test, absl::NotFoundError("nobody"));
  EXPECT_THAT(test.faults(), SizeIs(2));
  test.Deliver(About(3, "x"));
  EXPECT_THAT(test.faults(), SizeIs(3));
  EXPECT_EQ(test.faults()[2].step, "name");
  test.Advance(absl::Seconds(5));
  test.Deliver(About(4, "x"));
  EXPECT_THAT(asked_, SizeIs(1));
}

TEST_F(LookupTest, WhatMayPassIsAskedAgain) {
  TestProcessor test(Rules({Rule()}));
  test.Deliver(About(1, "x"));
  Answer(test, absl::UnavailableError("busy"));
  test.Advance(absl::Seconds(1));
  test.Deliver(About(2, "x"));
  ASSERT_THAT(asked_, SizeIs(1));
  Answer(test, Name{"X"});
  EXPECT_THAT(Emitted(test), ElementsAre("out:1=X", "out:2=X"));
  EXPECT_THAT(test.faults(), IsEmpty());
}

TEST_F(LookupTest, UnitsOfAKeyStayInOrder) {
  TestProcessor test(Rules({Rule({}, client::Order::kPerKey)}));
  test.Deliver(About(1, "known"));
  Answer(test, Name{"K"});
  test.Deliver(About(2, "slow", "a"));
  test.Deliver(About(3, "known", "a"));
  test.Deliver(About(4, "known", "b"));
  EXPECT_THAT(Emitted(test), ElementsAre("out:1=K", "out:4=K"));
  Answer(test, Name{"S"});
  EXPECT_THAT(Emitted(test), ElementsAre("out:1=K", "out:4=K", "out:2=S", "out:3=K"));
}

TEST_F(LookupTest, NobodyIsAskedForUnitsThatAreLost) {
  CallOptions one;
  one.parallel = 1;
  TestProcessor test(Rules({Rule({.call = one})}));
  test.Deliver(About(1, "x"));
  test.Deliver(About(2, "y"));
  test.Reconnect();
  Answer(test, Name{"X"});
  // Both were redelivered, and repeat the unanswered requests.
  while (!asked_.empty()) Answer(test, Name{asked_.front().first});
  test.Advance(absl::Minutes(1));
  while (!asked_.empty()) Answer(test, Name{asked_.front().first});
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_THAT(test.emitted(), SizeIs(2));
}

TEST(FlowOptionsTest, AreCheckedByName) {
  const auto refuses = [](AnyPipeline pipeline) {
    return std::string(pipeline.spec().Check().message());
  };
  EXPECT_EQ(refuses(Limited({.per_second = 0})),
            "step rate limit 1: per_second must be more than 0");
  EXPECT_EQ(refuses(Limited({.per_second = 1, .burst = 0})),
            "step rate limit 1: burst must be at least 1");
  EXPECT_EQ(refuses(Copy({.max_entries = 0})),
            "step skip repeats 1: max_entries must be at least 1");
  EXPECT_EQ(refuses(Copy({.ttl = absl::ZeroDuration()})),
            "step skip repeats 1: ttl must be more than 0");
}

}  // namespace
}  // namespace eventhub::processor

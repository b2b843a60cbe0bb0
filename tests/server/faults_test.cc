// Faults: the details and states of dead letters, and redrives to one pipeline.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/wire/fault_id.h"
#include "server/core/subscription/dead_letter/fault_detail.h"
#include "tests/server/subscription_admin_fixture.h"
#include "tests/support/caller.h"
#include "tests/support/events.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Letter = v1::DeadLetter;

v1::FaultDetail FaultDetailOf(const std::string& pipeline, const std::string& error = "TIMEOUT") {
  v1::FaultDetail detail;
  detail.set_processor("/shop/payments");
  detail.set_pipeline(pipeline);
  detail.set_step("call bank");
  detail.set_error(error);
  detail.set_message("no answer");
  return detail;
}

class FaultsTest : public SubscriptionAdminTest {
 protected:
  void SetUpEvents(const v1::Subscription& subscription, const std::vector<std::string>& ids) {
    Create(subscription);
    ASSERT_THAT(rig_.Publish("t", ids), IsOk());
    consumer_ = rig_.Consume("s", "c");
  }
  void TearDown() override { consumer_.reset(); }

  // Parks the next event.
  Received ParkNext(const std::vector<v1::FaultDetail>& faults) {
    const Received event = Next();
    EXPECT_THAT(RefusedOffsets(consumer_->Park(event, faults)), IsEmpty());
    return event;
  }
  Received Next() {
    if (ready_.empty()) ready_ = consumer_->Receive(1);
    EXPECT_FALSE(ready_.empty());
    if (ready_.empty()) return {};
    const Received first = ready_.front();
    ready_.erase(ready_.begin());
    return first;
  }

  static v1::DeadLetterSelector InState(Letter::State state) {
    v1::DeadLetterSelector selector;
    selector.add_states(state);
    return selector;
  }
  static v1::DeadLetterSelector OfPipeline(const std::string& pipeline) {
    v1::DeadLetterSelector selector;
    selector.add_pipelines(pipeline);
    return selector;
  }

  std::vector<Letter> List(const v1::DeadLetterSelector& selector = {},
                           const std::string& subscription = "s") {
    std::vector<Letter> letters;
    v1::ListDeadLettersRequest request;
    request.set_subscription(subscription);
    *request.mutable_selector() = selector;
    request.set_page_size(2);
    do {
      const auto page = rig_.subscriptions().dead_letters().List(kTester, request);
      EXPECT_THAT(page, IsOk());
      if (!page.ok()) break;
      letters.insert(letters.end(), page->dead_letters().begin(), page->dead_letters().end());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return letters;
  }
  std::vector<std::string> Pipelines(const v1::DeadLetterSelector& selector = {}) {
    std::vector<std::string> pipelines;
    for (const Letter& letter : List(selector)) pipelines.push_back(letter.fault().pipeline());
    return pipelines;
  }
  // All faults, in any state: `pipeline: state, failures`.
  std::vector<std::string> States() {
    v1::DeadLetterSelector all;
    for (int state = Letter::STATE_OPEN; state <= Letter::STATE_DISCARDED; ++state) {
      all.add_states(static_cast<Letter::State>(state));
    }
    std::vector<std::string> states;
    for (const Letter& letter : List(all)) {
      states.push_back(absl::StrCat(letter.fault().pipeline(), ": ",
                                    Letter::State_Name(letter.state()), ", ", letter.failures()));
    }
    return states;
  }

  v1::RedriveDeadLettersResponse Redrive(const v1::DeadLetterSelector& selector) {
    v1::RedriveDeadLettersRequest request;
    request.set_subscription("s");
    *request.mutable_selector() = selector;
    const auto response = rig_.Redrive(request);
    EXPECT_THAT(response, IsOk());
    return response.ok() ? *response : v1::RedriveDeadLettersResponse();
  }
  uint64_t Discard(const v1::DeadLetterSelector& selector) {
    v1::DiscardDeadLettersRequest request;
    request.set_subscription("s");
    *request.mutable_selector() = selector;
    const auto response = rig_.Discard(request);
    EXPECT_THAT(response, IsOk());
    return response.ok() ? response->events() : 0;
  }

  std::unique_ptr<TestConsumer> consumer_;
  std::vector<Received> ready_;
};

TEST_F(FaultsTest, DetailIsKeptAndSelected) {
  SetUpEvents(Queue(), {"a", "b"});
  v1::FaultDetail detail = FaultDetailOf("charge");
  detail.add_causes("Status: UNAVAILABLE");
  detail.add_causes("errno 111");
  detail.set_attempts(5);
  detail.set_host("pay-1");
  detail.mutable_time()->set_seconds(1'700'000'000);
  detail.set_trace_id("4bf92f3577b34da6a3ce929d0e0e4736");
  detail.set_group("g-1");
  ParkNext({detail});
  ParkNext({});  // A plain consumer.

  const std::vector<Letter> letters = List();
  ASSERT_THAT(letters, SizeIs(2));
  EXPECT_EQ(letters[0].fault().SerializeAsString(), detail.SerializeAsString());
  EXPECT_EQ(letters[0].fault_id(), wire::FaultId({.subscription = "s",
                                                  .pipeline = "charge",
                                                  .event_source = letters[0].event().source(),
                                                  .event_id = "a",
                                                  .partition = 0,
                                                  .offset = 0}));
  EXPECT_EQ(letters[0].state(), Letter::STATE_OPEN);
  EXPECT_EQ(letters[0].failures(), 1u);
  EXPECT_EQ(letters[0].subscription(), "s");
  EXPECT_TRUE(letters[0].event().attributes().empty());  // The event as it was published.
  EXPECT_FALSE(letters[1].has_fault());
  EXPECT_THAT(letters[1].fault_id(), SizeIs(32));

  // The attributes, as a filter sees them.
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read("s.dead-letters"));
  EXPECT_THAT(read.Ids(), ElementsAre("a", "b"));
  for (const char* sql :
       {"deadletterprocessor = '/shop/payments'", "deadletterpipeline = 'charge'",
        "deadletterstep = 'call bank'", "deadlettererror = 'TIMEOUT'",
        "deadlettermessage = 'no answer'", "deadletterstepattempts = 5", "deadletterhost = 'pay-1'",
        "deadlettertrace = '4bf92f3577b34da6a3ce929d0e0e4736'", "deadlettergroup = 'g-1'",
        "deadlettercauses LIKE 'Status: UNAVAILABLE%errno 111'", "EXISTS deadletterfailtime",
        "deadletterreason = 'why' AND EXISTS deadletterpipeline"}) {
    v1::DeadLetterSelector selector;
    selector.mutable_filter()->set_sql(sql);
    EXPECT_THAT(Pipelines(selector), ElementsAre("charge")) << sql;
  }
  v1::DeadLetterSelector by_id;
  by_id.add_fault_ids(letters[0].fault_id());
  EXPECT_THAT(Pipelines(by_id), ElementsAre("charge"));
  v1::DeadLetterSelector by_error;
  by_error.add_errors("TIMEOUT");
  by_error.add_processors("/shop/payments");
  by_error.add_steps("call bank");
  by_error.add_groups("g-1");
  EXPECT_THAT(Pipelines(by_error), ElementsAre("charge"));
  by_error.add_pipelines("other");
  EXPECT_THAT(Pipelines(by_error), IsEmpty());
}

TEST_F(FaultsTest, EachPipelineHasALetterAndIsRedrivenAlone) {
  SetUpEvents(Queue(), {"a"});
  ParkNext({FaultDetailOf("charge"), FaultDetailOf("notify", "404")});
  EXPECT_THAT(Pipelines(), ElementsAre("charge", "notify"));
  EXPECT_EQ(Stats().open_dead_letters(), 2u);
  EXPECT_EQ(Stats().dead_lettered_events(), 1u);

  EXPECT_EQ(Redrive(OfPipeline("notify")).events(), 1u);
  EXPECT_THAT(States(), ElementsAre("charge: STATE_OPEN, 1", "notify: STATE_RESUBMITTED, 1"));
  const Received event = Next();
  EXPECT_EQ(event.id, "a");
  EXPECT_THAT(event.pipelines, ElementsAre("notify"));
  EXPECT_TRUE(consumer_->AckAll({event}));
  EXPECT_THAT(States(), ElementsAre("charge: STATE_OPEN, 1", "notify: STATE_RESOLVED, 1"));
  EXPECT_EQ(Stats().open_dead_letters(), 1u);
  EXPECT_EQ(Discard(OfPipeline("charge")), 1u);
  EXPECT_EQ(Stats().open_dead_letters(), 0u);
  // Closed faults cannot be closed again.
  EXPECT_EQ(Discard({}), 0u);
  EXPECT_EQ(Redrive({}).events(), 0u);
}

TEST_F(FaultsTest, RedrivesOfOneEventAreJoinedUntilItIsDelivered) {
  SetUpEvents(Queue(), {"a"});
  ParkNext({FaultDetailOf("A"), FaultDetailOf("B"), FaultDetailOf("C")});
  EXPECT_EQ(Redrive(OfPipeline("A")).events(), 1u);
  EXPECT_EQ(Redrive(OfPipeline("B")).events(), 1u);
  const Received event = Next();
  EXPECT_THAT(event.pipelines, ElementsAre("A", "B"));
  // It is in flight to other pipelines, and follows afterwards.
  const v1::RedriveDeadLettersResponse busy = Redrive(OfPipeline("C"));
  EXPECT_EQ(busy.events(), 0u);
  EXPECT_EQ(busy.in_flight(), 1u);
  EXPECT_TRUE(consumer_->AckAll({event}));
  EXPECT_EQ(Redrive(OfPipeline("C")).events(), 1u);
  EXPECT_THAT(Next().pipelines, ElementsAre("C"));
}

// Neighbors in the log share a frame, but not their pipelines.
TEST_F(FaultsTest, NeighborsAreRedrivenToTheirOwnPipelines) {
  SetUpEvents(Queue(), {"a", "b", "c", "d"});
  ParkNext({FaultDetailOf("A")});
  ParkNext({FaultDetailOf("B")});
  ParkNext({FaultDetailOf("B")});
  ParkNext({});
  EXPECT_EQ(Redrive({}).events(), 4u);
  std::vector<std::string> events;
  for (const Received& event : consumer_->Receive(4)) {
    events.push_back(absl::StrCat(event.id, ": ", absl::StrJoin(event.pipelines, " ")));
  }
  EXPECT_THAT(events, ElementsAre("a: A", "b: B", "c: B", "d: "));
}

// They do not fit into one commit.
TEST_F(FaultsTest, ALargeEventOfManyPipelinesHasALetterInEach) {
  Create(Queue());
  v1::PublishStreamRequest request = MakeRequest("t", {});
  *request.add_events() = MakeEvent("large", "", std::string(100'000, 'x'));
  *request.add_events() = MakeEvent("next");
  ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
  consumer_ = rig_.Consume("s", "c");
  std::vector<v1::FaultDetail> faults;
  for (int i = 0; i < 100; ++i) faults.push_back(FaultDetailOf(absl::StrCat("p", i)));
  ParkNext(faults);
  ParkNext({FaultDetailOf("p0")});
  rig_.AwaitParking("s");
  EXPECT_THAT(List(OfPipeline("p99")), SizeIs(1));
  EXPECT_THAT(List(OfPipeline("p0")), SizeIs(2));
  EXPECT_EQ(Stats().dead_lettered_events(), 2u);
  EXPECT_EQ(Stats().open_dead_letters(), 101u);
  EXPECT_EQ(Stats().lag_events(), 0u);

  // Nor do they fit into one answer, with their data.
  v1::ListDeadLettersRequest list;
  list.set_subscription("s");
  list.set_page_size(1000);
  list.set_with_data(true);
  int letters = 0;
  do {
    ASSERT_OK_AND_ASSIGN(const v1::ListDeadLettersResponse page,
                         rig_.subscriptions().dead_letters().List(kTester, list));
    EXPECT_LT(page.ByteSizeLong(), 2'000'000u);
    letters += page.dead_letters_size();
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(letters, 101);
}

TEST(FaultDetailTest, CountsAsMemoryOfTheConsumer) {
  HostShares shares(size_t{1} << 20);
  const auto memory = std::make_shared<RequestMemory>(shares.Of("host"));
  v1::Nack nack;
  EXPECT_EQ(FaultsOf(nack, *memory), nullptr);
  *nack.add_faults() = FaultDetailOf(std::string(200, 'a'));
  *nack.add_faults() = FaultDetailOf("b");
  FaultDetails faults = FaultsOf(nack, *memory);
  ASSERT_THAT(*faults, SizeIs(2));
  EXPECT_EQ(faults->at(1).pipeline(), "b");
  EXPECT_GT(memory->used(), 400u);
  FaultDetails parked = std::exchange(faults, nullptr);
  EXPECT_GT(memory->used(), 400u);
  parked.reset();
  EXPECT_EQ(memory->used(), 0u);
}

TEST_F(FaultsTest, AFaultThatFailsAgainIsTheSame) {
  SetUpEvents(Queue(), {"a"});
  ParkNext({FaultDetailOf("charge")});
  const Letter first = List().at(0);
  for (uint32_t failures = 2; failures <= 3; ++failures) {
    rig_.Pass(absl::Seconds(1));
    EXPECT_EQ(Redrive({}).events(), 1u);
    ParkNext({FaultDetailOf("charge", "OTHER")});
    const std::vector<Letter> letters = List();
    ASSERT_THAT(letters, SizeIs(1));
    EXPECT_EQ(letters[0].fault_id(), first.fault_id());
    EXPECT_EQ(letters[0].state(), Letter::STATE_FAILED_AGAIN);
    EXPECT_EQ(letters[0].failures(), failures);
    EXPECT_EQ(letters[0].fault().error(), "OTHER");
    EXPECT_EQ(letters[0].first_time().seconds(), first.first_time().seconds());
    EXPECT_GT(letters[0].time().seconds(), first.time().seconds());
  }
  EXPECT_EQ(Stats().open_dead_letters(), 1u);
  EXPECT_THAT(States(), ElementsAre("charge: STATE_FAILED_AGAIN, 3"));
  EXPECT_THAT(Pipelines(InState(Letter::STATE_OPEN)), IsEmpty());
}

// After a seek back, the event is delivered again although its letter is still open.
TEST_F(FaultsTest, ARepetitionReplacesTheOpenLetter) {
  SetUpEvents(Queue(), {"a"});
  ParkNext({FaultDetailOf("charge")});
  SeekToEarliest();
  ParkNext({FaultDetailOf("charge")});
  const std::vector<Letter> letters = List();
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].failures(), 2u);
  EXPECT_EQ(letters[0].offset(), 1);
  EXPECT_EQ(Stats().open_dead_letters(), 1u);
  consumer_.reset();
  rig_.Reopen();
  EXPECT_EQ(Stats().open_dead_letters(), 1u);
  EXPECT_THAT(States(), ElementsAre("charge: STATE_FAILED_AGAIN, 2"));
}

TEST_F(FaultsTest, StatesSurviveARestart) {
  SetUpEvents(Queue(), {"a", "b", "c"});
  ParkNext({FaultDetailOf("A")});
  ParkNext({FaultDetailOf("B")});
  ParkNext({FaultDetailOf("C")});
  EXPECT_EQ(Discard(OfPipeline("A")), 1u);
  EXPECT_EQ(Redrive(OfPipeline("B")).events(), 1u);
  consumer_.reset();
  rig_.Reopen();
  EXPECT_THAT(States(),
              testing::UnorderedElementsAre("A: STATE_DISCARDED, 1", "B: STATE_RESUBMITTED, 1",
                                            "C: STATE_OPEN, 1"));
  consumer_ = rig_.Consume("s", "c");
  const Received event = Next();
  EXPECT_EQ(event.id, "b");
  EXPECT_THAT(event.pipelines, ElementsAre("B"));
  EXPECT_TRUE(consumer_->AckAll({event}));
  EXPECT_THAT(Pipelines(InState(Letter::STATE_RESOLVED)), ElementsAre("B"));
  consumer_.reset();
  // A deleted subscription leaves no records behind.
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  ASSERT_THAT(rig_.Subscribe(Queue()), IsOk());
  EXPECT_THAT(States(), IsEmpty());
}

// A pipeline that crashes its consumer reports nothing.
TEST_F(FaultsTest, ACrashIsAFaultOfThePipelineItWasRedrivenTo) {
  v1::Subscription queue = Queue();
  queue.set_max_delivery_attempts(1);
  SetUpEvents(queue, {"a"});
  ParkNext({FaultDetailOf("A"), FaultDetailOf("B")});
  EXPECT_EQ(Redrive(OfPipeline("A")).events(), 1u);
  EXPECT_EQ(Next().id, "a");
  consumer_.reset();
  rig_.AwaitParking("s");
  EXPECT_THAT(States(),
              testing::UnorderedElementsAre("A: STATE_FAILED_AGAIN, 2", "B: STATE_OPEN, 1"));
}

TEST_F(FaultsTest, ARetryThatIsTheLastAttemptKeepsItsDetail) {
  v1::Subscription queue = Queue();
  queue.set_max_delivery_attempts(1);
  SetUpEvents(queue, {"a"});
  const Received event = Next();
  v1::ConsumeRequest request;
  v1::Nack& nack = *request.add_nacks();
  nack.set_lease_epoch(event.epoch);
  nack.add_ranges()->set_end(1);
  *nack.add_faults() = FaultDetailOf("charge");
  EXPECT_THAT(RefusedOffsets(consumer_->Settle(std::move(request))), IsEmpty());
  rig_.AwaitParking("s");
  EXPECT_THAT(Pipelines(), ElementsAre("charge"));
}

TEST_F(FaultsTest, DetailIsCutAndTheEventIsNot) {
  SetUpEvents(Queue(), {"a"});
  v1::FaultDetail detail = FaultDetailOf("charge");
  detail.set_message(std::string(5000, 'm'));
  detail.set_host(std::string(255, 'h') + "\u00e4\u00e4");
  for (int i = 0; i < 20; ++i) detail.add_causes(std::string(1000, 'c'));
  detail.mutable_time()->set_nanos(-1);
  ParkNext({detail});
  const v1::FaultDetail kept = List().at(0).fault();
  EXPECT_EQ(kept.message(), std::string(2048, 'm') + " [2952 bytes cut]");
  EXPECT_EQ(kept.host(), std::string(255, 'h') + " [4 bytes cut]");
  EXPECT_THAT(kept.causes(), SizeIs(8));
  EXPECT_EQ(kept.causes(0), std::string(512, 'c') + " [488 bytes cut]");
  EXPECT_FALSE(kept.has_time());
}

TEST_F(FaultsTest, InvalidDetailIsRefused) {
  SetUpEvents(Queue(), {"a"});
  const Received event = Next();
  const auto refused = [&](const std::vector<v1::FaultDetail>& faults) {
    return RefusedOffsets(consumer_->Park(event, faults), absl::StatusCode::kInvalidArgument);
  };
  EXPECT_THAT(refused({FaultDetailOf("A"), FaultDetailOf("A")}), ElementsAre(0));
  EXPECT_THAT(refused({FaultDetailOf(std::string(257, 'p'))}), ElementsAre(0));
  std::vector<v1::FaultDetail> many;
  for (int i = 0; i <= 100; ++i) many.push_back(FaultDetailOf(absl::StrCat("p", i)));
  EXPECT_THAT(refused(many), ElementsAre(0));
  many.pop_back();
  EXPECT_THAT(refused(many), IsEmpty());
  EXPECT_THAT(List(), SizeIs(100));
}

TEST_F(FaultsTest, InvalidSelectorsAreRefused) {
  SetUpEvents(Queue(), {"a"});
  const auto field_of = [&](const v1::DeadLetterSelector& selector, bool list) {
    if (list) {
      v1::ListDeadLettersRequest request;
      *request.mutable_selector() = selector;
      return FaultyField(rig_.subscriptions().dead_letters().List(kTester, request).status());
    }
    v1::RedriveDeadLettersRequest request;
    request.set_subscription("s");
    *request.mutable_selector() = selector;
    return FaultyField(rig_.Redrive(request).status());
  };
  v1::DeadLetterSelector id;
  id.add_fault_ids("12");
  v1::DeadLetterSelector filter;
  filter.mutable_filter()->set_sql("deadletterpipeline =");
  for (const bool list : {true, false}) {
    EXPECT_EQ(field_of(id, list), "selector.fault_ids");
    EXPECT_EQ(field_of(filter, list), "selector.filter.sql");
    EXPECT_EQ(field_of(InState(Letter::STATE_UNSPECIFIED), list), "selector.states");
  }
  EXPECT_EQ(field_of(InState(Letter::STATE_RESOLVED), false), "selector.states");
  v1::RedriveDeadLettersRequest request;
  request.set_subscription("s");
  request.mutable_selector();
  request.set_max_events(10'001);
  EXPECT_EQ(FaultyField(rig_.Redrive(request).status()), "max_events");
  request.set_max_events(1);
  for (const char* token : {"x", "1.", "1.zz", ".o00"}) {
    request.set_page_token(token);
    EXPECT_EQ(FaultyField(rig_.Redrive(request).status()), "page_token") << token;
  }
}

TEST_F(FaultsTest, AreListedAndCountedAcrossSubscriptions) {
  SetUpEvents(Queue(), {"a", "b", "c"});
  v1::Subscription other = Queue();
  other.set_name("other");
  ASSERT_THAT(rig_.Subscribe(other), IsOk());
  ParkNext({FaultDetailOf("charge")});
  rig_.Pass(absl::Seconds(1));
  ParkNext({FaultDetailOf("charge")});
  ParkNext({FaultDetailOf("notify")});
  consumer_ = rig_.Consume("other", "c");
  ready_.clear();
  ParkNext({FaultDetailOf("charge")});

  std::vector<std::string> listed;
  for (const Letter& letter : List({}, "")) {
    listed.push_back(absl::StrCat(letter.subscription(), "/", letter.event().id()));
  }
  EXPECT_THAT(listed, ElementsAre("other/a", "s/a", "s/b", "s/c"));

  ASSERT_OK_AND_ASSIGN(const v1::CountDeadLettersResponse counted,
                       rig_.subscriptions().dead_letters().Count(kTester, {}));
  ASSERT_THAT(counted.groups(), SizeIs(3));
  EXPECT_EQ(counted.groups(0).subscription(), "other");
  const v1::DeadLetterGroup& group = counted.groups(1);
  EXPECT_EQ(group.subscription(), "s");
  EXPECT_EQ(group.pipeline(), "charge");
  EXPECT_EQ(group.error(), "TIMEOUT");
  EXPECT_EQ(group.events(), 2u);
  EXPECT_EQ(group.failed_again(), 0u);
  EXPECT_EQ(group.last_time().seconds(), group.first_time().seconds() + 1);
  EXPECT_EQ(group.message(), "no answer");
  EXPECT_EQ(counted.groups(2).pipeline(), "notify");
  EXPECT_EQ(counted.next_page_token(), "");
}

// The pages cover the letters that existed at the first call.
TEST_F(FaultsTest, AreRedrivenInPages) {
  std::vector<std::string> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(absl::StrCat("e", i));
  SetUpEvents(Queue(), ids);
  for (int i = 0; i < 10; ++i) ParkNext({FaultDetailOf("charge")});
  v1::RedriveDeadLettersRequest request;
  request.set_subscription("s");
  request.mutable_selector();
  request.set_max_events(4);
  request.mutable_rate_limit()->set_events_per_second(3);
  rig_.Pass(absl::Seconds(1));
  std::vector<uint64_t> pages;
  do {
    ASSERT_OK_AND_ASSIGN(const v1::RedriveDeadLettersResponse page, rig_.Redrive(request));
    pages.push_back(page.events());
    request.set_page_token(page.next_page_token());
    // These fail again at once; this call does not cover their new letters.
    if (pages.size() == 1) {
      ParkNext({FaultDetailOf("charge")});
      ParkNext({FaultDetailOf("charge")});
    }
  } while (!request.page_token().empty() && pages.size() < 10);
  EXPECT_EQ(pages, (std::vector<uint64_t>{4, 4, 2}));
  EXPECT_EQ(Pipelines(), (std::vector<std::string>{"charge", "charge"}));
  EXPECT_THAT(Pipelines(InState(Letter::STATE_RESUBMITTED)), SizeIs(8));
  // In the order of the log, three a second.
  std::vector<Received> events = std::move(ready_);
  const std::vector<Received> more = consumer_->Receive();
  events.insert(events.end(), more.begin(), more.end());
  EXPECT_THAT(IdsOf(events), ElementsAre("e2"));
  rig_.Pass(absl::Seconds(1));
  EXPECT_THAT(IdsOf(consumer_->Receive(3)), ElementsAre("e3", "e4", "e5"));
}

TEST_F(FaultsTest, ClosedOnesAreForgottenInTime) {
  SetUpEvents(Queue(), {"a", "b", "c", "d"});
  for (const char* pipeline : {"A", "B", "C", "D"}) ParkNext({FaultDetailOf(pipeline)});
  EXPECT_EQ(Discard(OfPipeline("A")), 1u);
  EXPECT_EQ(Redrive(OfPipeline("B")).events(), 1u);
  EXPECT_TRUE(consumer_->AckAll({Next()}));
  EXPECT_EQ(Redrive(OfPipeline("C")).events(), 1u);
  const auto forget = [&](absl::Duration after) {
    return rig_.subscriptions().dead_letters().ForgetClosed(rig_.clock.Now() - after,
                                                            [] { return false; });
  };
  rig_.Pass(absl::Hours(2));
  EXPECT_THAT(forget(absl::Hours(3)), IsOk());
  EXPECT_THAT(States(), SizeIs(4));
  EXPECT_THAT(forget(absl::Hours(1)), IsOk());
  EXPECT_THAT(States(),
              testing::UnorderedElementsAre("C: STATE_RESUBMITTED, 1", "D: STATE_OPEN, 1"));
  EXPECT_THAT(
      rig_.subscriptions().dead_letters().ForgetClosed(rig_.clock.Now(), [] { return true; }),
      StatusIs(absl::StatusCode::kCancelled));
}

// A dead letter that fails in a subscription of its topic keeps the details of the first failure.
TEST_F(FaultsTest, DetailOfALaterFailureHasNumberedAttributes) {
  SetUpEvents(Queue(), {"a"});
  ParkNext({FaultDetailOf("first")});
  ASSERT_THAT(
      rig_.Subscribe(SubscriptionOf("again", "s.dead-letters", v1::Subscription::KIND_QUEUE)),
      IsOk());
  consumer_ = rig_.Consume("again", "c");
  ready_.clear();
  ParkNext({FaultDetailOf("second")});
  v1::DeadLetterSelector selector;
  selector.mutable_filter()->set_sql(
      "deadletterpipeline = 'first' AND deadletter2pipeline = 'second'");
  const std::vector<Letter> letters = List(selector, "again");
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].event().attributes().at("deadletterpipeline").string(), "first");
  EXPECT_FALSE(letters[0].event().attributes().contains("deadletter2pipeline"));
}

}  // namespace
}  // namespace eventhub

// Dead letters: reports, redrives, discards.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/subscription_admin_fixture.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DeadLettersTest : public SubscriptionAdminTest {
 protected:
  // Five dead letters, a second apart: a to e, every other one of type `odd`.
  void Park() {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    for (const char* id : {"a", "b", "c", "d", "e"}) {
      v1::Event& event = *request.add_events();
      event = MakeEvent(id, "", "data of it");
      event.set_type(request.events_size() % 2 == 1 ? "odd" : "even");
    }
    ASSERT_THAT(rig_.Publish(request), IsOk());
    const auto consumer = rig_.Consume("s", "c");
    const std::vector<Received> events = consumer->Receive(5);
    ASSERT_THAT(events, SizeIs(5));
    parked_at_ = rig_.clock.Now();
    for (const Received& event : events) {
      ASSERT_THAT(RefusedOffsets(consumer->Nack(event, v1::Nack::ACTION_PARK, "no " + event.id)),
                  IsEmpty());
      rig_.Pass(absl::Seconds(1));
    }
    rig_.AwaitParking("s");
  }

  static v1::DeadLetterSelector Range(int64_t from, int64_t to, uint32_t partition = 0) {
    v1::DeadLetterSelector selector;
    v1::DeadLetterRange& range = *selector.add_ranges();
    range.set_partition(partition);
    range.mutable_range()->set_start(from);
    range.mutable_range()->set_end(to);
    return selector;
  }

  std::vector<std::string> Picked(const v1::DeadLetterSelector& selector) {
    v1::ListDeadLettersRequest request;
    request.set_subscription("s");
    *request.mutable_selector() = selector;
    const auto response = rig_.subscriptions().dead_letters().List(kTester, request);
    EXPECT_THAT(response, IsOk());
    std::vector<std::string> ids;
    for (const v1::DeadLetter& letter : response->dead_letters()) {
      ids.push_back(letter.event().id());
    }
    return ids;
  }

  uint64_t Redrive(const v1::DeadLetterSelector& selector, bool dry_run = false) {
    v1::RedriveDeadLettersRequest request;
    request.set_subscription("s");
    *request.mutable_selector() = selector;
    request.set_dry_run(dry_run);
    const auto response = rig_.Redrive(request);
    EXPECT_THAT(response, IsOk());
    return response.ok() ? response->events() : 0;
  }

  uint64_t Discard(const v1::DeadLetterSelector& selector, bool dry_run = false) {
    v1::DiscardDeadLettersRequest request;
    request.set_subscription("s");
    *request.mutable_selector() = selector;
    request.set_dry_run(dry_run);
    const auto response = rig_.Discard(request);
    EXPECT_THAT(response, IsOk());
    return response.ok() ? response->events() : 0;
  }

  static v1::DeadLetterSelector All() { return {}; }

  std::vector<std::string> Findings() {
    const v1::GetSubscriptionResponse response = rig_.Get("s");
    return {response.findings().begin(), response.findings().end()};
  }

  absl::Status Delete(
      const v1::DeleteTopicRequest& request,
      std::function<bool()> cancelled = [] { return false; }) {
    std::promise<absl::Status> outcome;
    rig_.broker().topics().Delete(
        CallerUntil(std::move(cancelled)), request,
        [&](absl::Status status) { outcome.set_value(std::move(status)); });
    return outcome.get_future().get();
  }

  absl::Time parked_at_;
};

TEST_F(DeadLettersTest, RecordSourceAndReason) {
  SetUpQueue();
  Park();
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_THAT(letters, SizeIs(5));
  const v1::DeadLetter& letter = letters[2];
  EXPECT_EQ(letter.partition(), 0u);
  EXPECT_EQ(letter.offset(), 2);
  EXPECT_EQ(letter.source_partition(), 0u);
  EXPECT_EQ(letter.source_offset(), 2);
  EXPECT_EQ(letter.attempts(), 1u);
  EXPECT_EQ(letter.reason(), "no c");
  EXPECT_EQ(letter.time().seconds(), absl::ToUnixSeconds(parked_at_) + 2);
  EXPECT_EQ(letter.event().id(), "c");
  EXPECT_EQ(letter.event().data(), "");
  v1::ListDeadLettersRequest request;
  request.set_subscription("s");
  request.set_with_data(true);
  ASSERT_OK_AND_ASSIGN(const v1::ListDeadLettersResponse with_data,
                       rig_.subscriptions().dead_letters().List(kTester, request));
  EXPECT_EQ(with_data.dead_letters(2).event().data(), "data of it");
  EXPECT_EQ(with_data.dead_letters(2).event().attributes().count("deadletterreason"), 0u)
      << "as it was published";
  EXPECT_EQ(Stats().open_dead_letters(), 5u);
  EXPECT_EQ(Stats().dead_lettered_events(), 5u);
}

TEST_F(DeadLettersTest, AreStoredAsEventsWithAddedAttributes) {
  SetUpQueue();
  Park();
  ASSERT_OK_AND_ASSIGN(const auto reader,
                       rig_.broker().readers().Open(kTester, ReadOf("s.dead-letters")));
  Frame frame;
  v1::EventBatch batch;
  while (batch.events_size() < 5) {
    ASSERT_OK_AND_ASSIGN(const TopicReader::Step step, reader->Poll(&frame));
    ASSERT_NE(step, TopicReader::Step::kEnd);
    for (const Delivery& delivery : frame.deliveries) {
      for (const SharedBytes& piece : delivery.events) {
        ASSERT_TRUE(batch.MergeFromString(std::string(piece.data(), piece.size())));
      }
    }
    frame = Frame();
  }
  const auto& attributes = batch.events(1).attributes();
  EXPECT_EQ(attributes.at("deadlettersubscription").string(), "s");
  EXPECT_EQ(attributes.at("deadlettertopic").string(), "t");
  EXPECT_EQ(attributes.at("deadletterreason").string(), "no b");
  EXPECT_EQ(attributes.at("deadletterpartition").integer(), 0);
  EXPECT_EQ(attributes.at("deadletterattempts").integer(), 1);
  EXPECT_EQ(attributes.at("deadletteroffset").string(), "1");
  EXPECT_EQ(attributes.at("deadlettertime").timestamp().seconds(),
            absl::ToUnixSeconds(parked_at_) + 1);
  EXPECT_EQ(batch.events(1).data(), "data of it");
}

TEST_F(DeadLettersTest, AreSelectedByRangeReasonTimeAndType) {
  SetUpQueue();
  Park();
  EXPECT_THAT(Picked(All()), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(Picked(Range(1, 3)), ElementsAre("b", "c"));
  EXPECT_THAT(Picked(Range(100, 103)), IsEmpty());
  v1::DeadLetterSelector two = Range(0, 1);
  *two.add_ranges() = Range(4, 100).ranges(0);
  EXPECT_THAT(Picked(two), ElementsAre("a", "e"));
  v1::DeadLetterSelector reason;
  reason.set_reason_contains("o d");
  EXPECT_THAT(Picked(reason), ElementsAre("d"));
  v1::DeadLetterSelector time;
  *time.mutable_start_time() = At(parked_at_ + absl::Seconds(1));
  *time.mutable_end_time() = At(parked_at_ + absl::Seconds(4));
  EXPECT_THAT(Picked(time), ElementsAre("b", "c", "d"));
  time.add_types("odd");
  EXPECT_THAT(Picked(time), ElementsAre("c"));
  time.add_types("even");
  EXPECT_THAT(Picked(time), ElementsAre("b", "c", "d"));
}

TEST_F(DeadLettersTest, RejectSelectorsWithUnknownPartition) {
  SetUpQueue();
  Park();
  const v1::DeadLetterSelector selector = Range(1, 3, /*partition=*/1);
  const auto fill = [&](auto request) {
    request.set_subscription("s");
    *request.mutable_selector() = selector;
    return request;
  };
  const auto refused = Refused(StatusCode::kNotFound, Reason::REASON_PARTITION_NOT_FOUND);
  EXPECT_THAT(rig_.subscriptions().dead_letters().List(kTester, fill(v1::ListDeadLettersRequest())),
              refused);
  EXPECT_THAT(rig_.Redrive(fill(v1::RedriveDeadLettersRequest())), refused);
  EXPECT_THAT(rig_.Discard(fill(v1::DiscardDeadLettersRequest())), refused);
  // The selector matches something.
  v1::DeadLetterSelector two = selector;
  *two.add_ranges() = Range(4, 5).ranges(0);
  EXPECT_THAT(Picked(two), ElementsAre("e"));
}

TEST_F(DeadLettersTest, AreListedInPages) {
  SetUpQueue();
  Park();
  v1::ListDeadLettersRequest request;
  request.set_subscription("s");
  request.set_page_size(2);
  std::vector<std::vector<std::string>> pages;
  do {
    ASSERT_OK_AND_ASSIGN(const v1::ListDeadLettersResponse page,
                         rig_.subscriptions().dead_letters().List(kTester, request));
    pages.emplace_back();
    for (const v1::DeadLetter& letter : page.dead_letters()) {
      pages.back().push_back(letter.event().id());
    }
    request.set_page_token(page.next_page_token());
    if (pages.size() == 1) {
      EXPECT_EQ(Discard(Range(1, 3)), 2u);  // The next page continues after the deleted letters.
    }
  } while (!request.page_token().empty() && pages.size() < 10);
  EXPECT_THAT(pages, ElementsAre(ElementsAre("a", "b"), ElementsAre("d", "e")));
  for (const char* token : {"x", "00", "zz"}) {
    request.set_page_token(token);
    EXPECT_EQ(FaultyField(rig_.subscriptions().dead_letters().List(kTester, request).status()),
              "page_token")
        << token;
  }
}

TEST_F(DeadLettersTest, AreRedrivenOnlyToTheirSubscription) {
  SetUpQueue();
  v1::Subscription other = Queue();
  other.set_name("other");
  ASSERT_THAT(rig_.Subscribe(other), IsOk());
  Park();
  const auto bystander = rig_.Consume("other", "c");
  EXPECT_TRUE(bystander->AckAll(bystander->Receive(5)));
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_EQ(Redrive(Range(1, 3), /*dry_run=*/true), 2u);
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(Redrive(Range(1, 3)), 2u);
  EXPECT_EQ(Redrive(Range(1, 3)), 0u);
  const std::vector<Received> events = consumer->Receive(2);
  EXPECT_THAT(IdsOf(events), ElementsAre("b", "c"));
  EXPECT_EQ(events[0].attempt, 1u);
  EXPECT_EQ(events[0].offset, 1);
  EXPECT_EQ(Stats().replay_events(), 2u);
  EXPECT_TRUE(consumer->AckAll(events));
  EXPECT_EQ(Stats().replay_events(), 0u);
  EXPECT_EQ(Stats().open_dead_letters(), 3u);
  EXPECT_THAT(Picked(All()), ElementsAre("a", "d", "e"));
  EXPECT_THAT(bystander->Receive(), IsEmpty());
  EXPECT_EQ(rig_.Get("other").stats().delivered_events(), 5u);
  EXPECT_EQ(rig_.Describe("t").end_offset(), 5);
}

// However many later events of the key the hub has examined: here, as many as it ever does.
TEST_F(DeadLettersTest, PrecedeLaterEventsOfTheirKey) {
  constexpr int kPerRequest = 10'000;
  constexpr int kLater = 11 * kPerRequest;
  v1::Subscription queue = Queue();
  queue.set_ordered_by_key(true);
  Create(queue);
  const auto publish = [&](int count) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    for (int i = 0; i < count; ++i) *request.add_events() = MakeEvent("e", "key", "");
    ASSERT_THAT(rig_.Publish(request), IsOk());
  };
  const auto consumer = rig_.Consume("s", "c", 1'000);
  publish(3);
  for (int i = 0; i < 3; ++i) {
    const std::vector<Received> bad = consumer->Receive(1);
    ASSERT_THAT(bad, SizeIs(1));
    consumer->Nack(bad[0], v1::Nack::ACTION_PARK, "bad");
    rig_.AwaitParking("s");
  }
  for (int i = 0; i < kLater; i += kPerRequest) publish(kPerRequest);
  std::vector<Received> events = consumer->Receive(1);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].offset, 3);
  ASSERT_TRUE(Eventually([&] {
    EXPECT_THAT(consumer->PollAnyway(), IsOk());
    return Stats().blocked_events() > kLater / 2;
  }));
  EXPECT_EQ(Redrive(Range(1, 3)), 2u);
  std::vector<int64_t> order;
  while (order.size() < 8) {
    ASSERT_TRUE(consumer->AckAll(events));
    events = consumer->Receive(1);
    ASSERT_THAT(events, SizeIs(1)) << order.size();
    order.push_back(events[0].offset);
    if (order.size() == 5) {
      EXPECT_EQ(Redrive(Range(0, 1)), 1u);
    }
  }
  // While the hub reads a redriven event, an event or two of the key may precede it.
  EXPECT_THAT(std::vector(order.begin(), order.begin() + 5), testing::IsSupersetOf({1, 2}));
  EXPECT_THAT(order, Contains(0));
  order.erase(std::remove_if(order.begin(), order.end(), [](int64_t event) { return event < 3; }),
              order.end());
  EXPECT_THAT(order, ElementsAre(4, 5, 6, 7, 8));
}

// Otherwise a new filter or retention could remove the only remaining copy.
TEST_F(DeadLettersTest, StayOpenWhileTheirEventsArePending) {
  SetUpQueue();
  Park();
  SeekToEarliest();
  v1::Subscription none = Queue();
  none.mutable_filter()->set_sql("FALSE");
  ASSERT_THAT(rig_.UpdateSubscription(none, {"filter"}), IsOk());
  for (const bool dry_run : {true, false}) {
    v1::RedriveDeadLettersRequest request;
    request.set_subscription("s");
    *request.mutable_selector() = Range(1, 3);
    request.set_dry_run(dry_run);
    ASSERT_OK_AND_ASSIGN(const v1::RedriveDeadLettersResponse response, rig_.Redrive(request));
    EXPECT_EQ(response.events(), 0u);
    EXPECT_EQ(response.to_come(), 2u);
  }
  EXPECT_EQ(Stats().open_dead_letters(), 5u);
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(Stats().lag_events(), 0u);
  EXPECT_EQ(Redrive(Range(1, 3)), 2u);
  EXPECT_THAT(IdsOf(consumer->Receive(2)), ElementsAre("b", "c"));
}

TEST_F(DeadLettersTest, AreRedrivenAfterPendingEventsWereTrimmed) {
  SetUpQueue();
  Park();
  SeekToEarliest();
  rig_.Trim("t", absl::ZeroDuration(), {5});
  EXPECT_EQ(Redrive(Range(1, 3)), 2u);
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(IdsOf(consumer->Receive(2)), ElementsAre("b", "c"));
}

TEST_F(DeadLettersTest, RestartAttemptsWhenRedriven) {
  v1::Subscription subscription = Queue();
  subscription.set_max_delivery_attempts(2);
  Create(subscription);
  Park();
  EXPECT_EQ(Redrive(Range(0, 1)), 1u);
  const auto consumer = rig_.Consume("s", "c");
  for (const uint32_t attempt : {1u, 2u}) {
    const std::vector<Received> events = consumer->Receive(1);
    ASSERT_THAT(events, SizeIs(1));
    EXPECT_EQ(events[0].attempt, attempt);
    EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "still bad",
                                              absl::ZeroDuration())),
                IsEmpty());
  }
  rig_.AwaitParking("s");
  v1::DeadLetterSelector bad;
  bad.set_reason_contains("still bad");
  EXPECT_THAT(Picked(bad), ElementsAre("a"));
  EXPECT_EQ(Stats().open_dead_letters(), 5u);
  EXPECT_EQ(Stats().replay_events(), 0u);
}

TEST_F(DeadLettersTest, AreRedrivenAfterTheirEventsWereTrimmed) {
  SetUpQueue();
  Park();
  rig_.Trim("t", absl::Seconds(1), {5});
  EXPECT_EQ(Redrive(Range(3, 4)), 1u);
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(1);
  EXPECT_THAT(IdsOf(events), ElementsAre("d"));
  EXPECT_EQ(events[0].offset, 3);
  v1::Event published = MakeEvent("d", "", "data of it");
  published.set_type("even");
  EXPECT_EQ(events[0].bytes, EncodeEvent(published).size());
  EXPECT_TRUE(consumer->AckAll(events));
  EXPECT_EQ(Stats().lost_events(), 0u);
}

TEST_F(DeadLettersTest, KeepFirstCauseAcrossSubscriptions) {
  SetUpQueue();
  constexpr int kSubscriptions = 10;  // The maximum of causes, plus two.
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  std::string name = "s";
  for (int i = 1; i <= kSubscriptions; ++i) {
    const auto consumer = rig_.Consume(name, "c");
    const std::vector<Received> events = consumer->Receive(1);
    ASSERT_THAT(events, SizeIs(1));
    EXPECT_THAT(RefusedOffsets(
                    consumer->Nack(events[0], v1::Nack::ACTION_PARK, "cause " + std::to_string(i))),
                IsEmpty());
    rig_.AwaitParking(name);
    const std::vector<v1::DeadLetter> letters = rig_.DeadLetters(name);
    ASSERT_THAT(letters, SizeIs(1));
    EXPECT_EQ(letters[0].reason(), "cause " + std::to_string(i));
    const auto& attributes = letters[0].event().attributes();
    EXPECT_EQ(attributes.size(), 8u * static_cast<size_t>(std::min(i - 1, 7)));
    if (i > 1) {
      EXPECT_EQ(attributes.at("deadletterreason").string(), "cause 1");
      EXPECT_EQ(attributes.at("deadlettersubscription").string(), "s");
      EXPECT_EQ(attributes.at("deadlettertopic").string(), "t");
    }
    if (i > 2) {
      EXPECT_EQ(attributes.at("deadletter2reason").string(), "cause 2");
      EXPECT_EQ(attributes.at("deadletter2subscription").string(), "s1");
      EXPECT_EQ(attributes.at("deadletter2topic").string(), "s.dead-letters");
    }
    v1::Subscription next = Queue();
    next.set_name("s" + std::to_string(i));
    next.set_topic(name + ".dead-letters");
    ASSERT_THAT(rig_.Subscribe(next), IsOk());
    name = next.name();
  }
}

TEST_F(DeadLettersTest, AcceptEventsWithMaximumAttributes) {
  SetUpQueue();
  v1::PublishStreamRequest request = MakeRequest("t", {});
  v1::Event& event = *request.add_events();
  event = MakeEvent("a", "", "");
  for (int i = 0; i < 256; ++i) {
    (*event.mutable_attributes())["a" + std::to_string(i)].set_integer(i);
  }
  ASSERT_THAT(rig_.Publish(request), IsOk());
  {
    const auto consumer = rig_.Consume("s", "c");
    const std::vector<Received> events = consumer->Receive(1);
    ASSERT_THAT(events, SizeIs(1));
    EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_PARK, "no")), IsEmpty());
  }
  rig_.AwaitParking("s");
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].event().attributes().size(), 256u);
}

TEST_F(DeadLettersTest, StayInTopicWhenSubscriptionIsDeleted) {
  SetUpQueue();
  Park();
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  EXPECT_EQ(rig_.Describe("s.dead-letters").end_offset(), 5);
  ASSERT_THAT(rig_.Subscribe(Queue()), IsOk());
  EXPECT_THAT(Picked(All()), IsEmpty());
  EXPECT_EQ(Stats().open_dead_letters(), 0u);
}

TEST_F(DeadLettersTest, TruncateLongReasons) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(1);
  EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_PARK,
                                            std::string(512, 'x') + std::string(100, 'y'))),
              IsEmpty());
  rig_.AwaitParking("s");
  EXPECT_EQ(rig_.DeadLetters("s").at(0).reason(), std::string(512, 'x'));
}

TEST_F(DeadLettersTest, AreSeparatePerSubscription) {
  SetUpQueue();
  v1::Subscription other = Queue();
  other.set_name("other");
  other.set_dead_letter_topic("s.dead-letters");
  ASSERT_THAT(rig_.Subscribe(other), IsOk());
  Park();
  EXPECT_THAT(rig_.DeadLetters("other"), IsEmpty());
  v1::RedriveDeadLettersRequest request;
  request.set_subscription("other");
  request.mutable_selector();
  ASSERT_OK_AND_ASSIGN(const v1::RedriveDeadLettersResponse response, rig_.Redrive(request));
  EXPECT_EQ(response.events(), 0u);
  EXPECT_THAT(rig_.DeadLetters("s"), SizeIs(5));
}

TEST_F(DeadLettersTest, DiscardClosesButKeepsThemInTopic) {
  SetUpQueue();
  Park();
  v1::DeadLetterSelector odd;
  odd.add_types("odd");
  EXPECT_EQ(Discard(odd, /*dry_run=*/true), 3u);
  EXPECT_EQ(Stats().open_dead_letters(), 5u);
  EXPECT_EQ(Discard(odd), 3u);
  EXPECT_EQ(Discard(odd), 0u);
  EXPECT_THAT(Picked(All()), ElementsAre("b", "d"));
  EXPECT_EQ(Redrive(odd), 0u);
  EXPECT_EQ(rig_.Describe("s.dead-letters").end_offset(), 5);
  rig_.Reopen();
  EXPECT_THAT(Picked(All()), ElementsAre("b", "d"));
  EXPECT_EQ(Stats().open_dead_letters(), 2u);
}

TEST_F(DeadLettersTest, TopicInUseIsNotDeleted) {
  SetUpQueue();
  EXPECT_THAT(rig_.Delete("s.dead-letters"),
              Refused(StatusCode::kFailedPrecondition, Reason::REASON_TOPIC_IN_USE));
  v1::Subscription changed = Queue();
  changed.set_dead_letter_topic("none");
  EXPECT_THAT(rig_.UpdateSubscription(changed, {"dead_letter_topic"}),
              Refused(StatusCode::kNotFound, Reason::REASON_TOPIC_NOT_FOUND));
  EXPECT_EQ(rig_.Get("s").subscription().dead_letter_topic(), "s.dead-letters");
}

TEST_F(DeadLettersTest, TopicWithOpenDeadLettersIsNotDeleted) {
  SetUpQueue();
  Park();
  ASSERT_THAT(rig_.Create("letters"), IsOk());
  v1::Subscription changed = Queue();
  changed.set_dead_letter_topic("letters");
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"dead_letter_topic"}), IsOk());
  EXPECT_THAT(rig_.Delete("s.dead-letters"),
              Refused(StatusCode::kFailedPrecondition, Reason::REASON_OPEN_DEAD_LETTERS));
  EXPECT_THAT(Findings(),
              Contains(HasSubstr("in topic s.dead-letters, a former dead-letter topic")));
  EXPECT_EQ(rig_.DeadLetters("s").at(1).event().id(), "b");
  EXPECT_EQ(Redrive(Range(1, 2)), 1u);
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(1);
  EXPECT_THAT(IdsOf(events), ElementsAre("b"));
  EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_PARK, "again")), IsEmpty());
  rig_.AwaitParking("s");
  EXPECT_EQ(rig_.Describe("letters").end_offset(), 1);
  // Both topics have a letter 0:0.
  v1::DeadLetterSelector in_letters = Range(0, 1);
  EXPECT_THAT(Picked(in_letters), ElementsAre("a", "b"));
  in_letters.set_topic("letters");
  EXPECT_THAT(Picked(in_letters), ElementsAre("b"));
  EXPECT_EQ(rig_.DeadLetters("s").back().topic(), "letters");
  EXPECT_EQ(rig_.DeadLetters("s").front().topic(), "s.dead-letters");
  in_letters.set_topic("none");
  v1::ListDeadLettersRequest list;
  list.set_subscription("s");
  *list.mutable_selector() = in_letters;
  EXPECT_THAT(rig_.subscriptions().dead_letters().List(kTester, list),
              Refused(StatusCode::kNotFound, Reason::REASON_TOPIC_NOT_FOUND));
  EXPECT_EQ(Discard(All()), 5u);
  EXPECT_THAT(rig_.Delete("s.dead-letters"), IsOk());
}

TEST_F(DeadLettersTest, AreDiscardedWithTheirTopicOnRequest) {
  SetUpQueue();
  Park();
  v1::DeleteTopicRequest request;
  request.set_name("s.dead-letters");
  request.set_discard_dead_letters(true);
  EXPECT_THAT(Delete(request),
              Refused(StatusCode::kFailedPrecondition, Reason::REASON_TOPIC_IN_USE))
      << "it takes those to come";
  EXPECT_EQ(Stats().open_dead_letters(), 5u) << "nothing is discarded for a topic that stays";
  ASSERT_THAT(rig_.Create("letters"), IsOk());
  v1::Subscription changed = Queue();
  changed.set_dead_letter_topic("letters");
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"dead_letter_topic"}), IsOk());
  EXPECT_EQ(Redrive(Range(4, 5)), 1u);
  EXPECT_THAT(Delete(request, [] { return true; }), StatusIs(StatusCode::kCancelled));
  EXPECT_THAT(Delete(request), IsOk());
  EXPECT_EQ(Stats().open_dead_letters(), 0u);
  EXPECT_THAT(rig_.DeadLetters("s"), IsEmpty());
  rig_.Reopen();
  EXPECT_EQ(Stats().open_dead_letters(), 0u);
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("e")) << "it is in its own topic";
}

TEST_F(DeadLettersTest, TopicWithUnsettledRedrivesIsNotDeleted) {
  SetUpQueue();
  Park();
  ASSERT_THAT(rig_.Create("letters"), IsOk());
  v1::Subscription changed = Queue();
  changed.set_dead_letter_topic("letters");
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"dead_letter_topic"}), IsOk());
  EXPECT_EQ(Redrive(All()), 5u);
  rig_.Reopen();
  EXPECT_THAT(rig_.Delete("s.dead-letters"),
              Refused(StatusCode::kFailedPrecondition, Reason::REASON_OPEN_DEAD_LETTERS));
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_TRUE(consumer->AckAll(consumer->Receive(5)));
  EXPECT_THAT(rig_.Delete("s.dead-letters"), IsOk());
}

TEST_F(DeadLettersTest, TopicReportsRetentionHeldBack) {
  SetUpQueue();
  Park();
  const auto topic = [&] { return *rig_.broker().topics().Get(kTester, "s.dead-letters"); };
  EXPECT_THAT(topic().findings(), IsEmpty());
  v1::Topic limited;
  limited.set_name("s.dead-letters");
  limited.mutable_retention()->set_max_bytes(1);
  ASSERT_THAT(rig_.Update(limited, {"retention.max_bytes"}), IsOk());
  rig_.clock.Advance(absl::Seconds(1));  // Another pass.
  EXPECT_TRUE(Eventually([&] { return topic().findings_size() == 1; }));
  EXPECT_THAT(topic().findings(0), AllOf(HasSubstr("bytes beyond its limits"),
                                         HasSubstr("dead letters"), HasSubstr(": s")));
  EXPECT_EQ(topic().stats().held_back_bytes(), topic().stats().bytes());
  EXPECT_EQ(rig_.Describe("s.dead-letters").start_offset(), 0);
  EXPECT_EQ(Discard(Range(0, 4)), 4u);
  rig_.clock.Advance(absl::Seconds(1));  // Another pass.
  EXPECT_TRUE(Eventually([&] { return rig_.Describe("s.dead-letters").start_offset() == 4; }));
  EXPECT_EQ(Discard(All()), 1u);
  rig_.clock.Advance(absl::Seconds(1));  // Another pass.
  EXPECT_TRUE(Eventually([&] { return topic().findings_size() == 0; }));
  EXPECT_EQ(topic().stats().held_back_bytes(), 0u);
}

// Between two pieces other work runs: a job posted during the first piece runs before the last one.
TEST_F(DeadLettersTest, LongRedriveYieldsItsThread) {
  constexpr int kLetters = 600;
  SetUpQueue();
  std::vector<std::string> ids;
  for (int i = 0; i < kLetters; ++i) ids.push_back(std::to_string(i));
  ASSERT_THAT(rig_.Publish("t", ids), IsOk());
  {
    const auto consumer = rig_.Consume("s", "c", kLetters);
    for (const Received& event : consumer->Receive(kLetters)) {
      consumer->Nack(event, v1::Nack::ACTION_PARK, "no");
    }
    rig_.AwaitParking("s");
  }
  ASSERT_EQ(Stats().open_dead_letters(), kLetters);
  WorkPool pool(1);
  int64_t left_at_first_turn = -1;
  bool posted = false;
  const auto cancelled = [&] {
    if (!std::exchange(posted, true)) {
      pool.Post([&] { left_at_first_turn = static_cast<int64_t>(Stats().open_dead_letters()); });
    }
    return false;
  };
  v1::RedriveDeadLettersRequest request;
  request.set_subscription("s");
  request.mutable_selector();
  std::promise<uint64_t> events;
  rig_.subscriptions().dead_letters().Redrive(
      CallerUntil(cancelled), request, pool,
      [&](const auto& response) { events.set_value(response.ok() ? response->events() : 0); });
  EXPECT_EQ(events.get_future().get(), kLetters);
  pool.Stop();
  EXPECT_GT(left_at_first_turn, 0);
}

TEST_F(DeadLettersTest, RetainEventsWhileOpenOrRedriven) {
  SetUpQueue();
  Park();
  EXPECT_EQ(Discard(Range(0, 2)), 2u);
  rig_.Trim("s.dead-letters", absl::Seconds(1), {2});  // Letters from the first open one on stay.
  rig_.Trim("t", absl::Seconds(1), {5});
  EXPECT_EQ(Redrive(All()), 3u);
  rig_.Reopen();
  rig_.Trim("s.dead-letters", absl::Seconds(1), {2});
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(3);
  EXPECT_THAT(IdsOf(events), ElementsAre("c", "d", "e"));
  EXPECT_TRUE(consumer->AckAll(events));
  rig_.Trim("s.dead-letters", absl::Seconds(1), {5});
  EXPECT_EQ(Stats().lost_events(), 0u);
}

TEST_F(DeadLettersTest, WithoutEventAreNotRedriven) {
  SetUpQueue();
  Park();
  v1::Topic bounded;
  bounded.set_name("s.dead-letters");
  bounded.mutable_retention()->set_keep_until_acked_max_bytes(1);
  ASSERT_THAT(rig_.Update(bounded, {"retention.keep_until_acked_max_bytes"}), IsOk());
  rig_.Trim("s.dead-letters", absl::ZeroDuration(), {5});
  EXPECT_THAT(Picked(All()), ElementsAre("a", "b", "c", "d", "e")) << "read from their own topic";
  EXPECT_EQ(Redrive(Range(0, 1)), 1u) << "the event is in its topic";
  rig_.Trim("t", absl::Seconds(1), {5});
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_THAT(letters, SizeIs(4));
  EXPECT_TRUE(letters[0].event_trimmed());
  EXPECT_FALSE(letters[0].has_event());
  EXPECT_EQ(letters[0].reason(), "no b");
  for (const bool dry_run : {true, false}) {
    v1::RedriveDeadLettersRequest request;
    request.set_subscription("s");
    request.mutable_selector();
    request.set_dry_run(dry_run);
    ASSERT_OK_AND_ASSIGN(const v1::RedriveDeadLettersResponse response, rig_.Redrive(request));
    EXPECT_EQ(response.events(), 0u);
    EXPECT_EQ(response.trimmed(), 4u);
    EXPECT_EQ(response.to_come(), 0u);
  }
  EXPECT_EQ(Stats().open_dead_letters(), 4u);
  EXPECT_EQ(Discard(All()), 4u);
}

TEST_F(DeadLettersTest, RedriveCoversInitialLettersAndIsCancellable) {
  SetUpQueue();
  Park();
  v1::RedriveDeadLettersRequest request;
  request.set_subscription("s");
  request.mutable_selector();
  const auto redrive = [&](std::function<bool()> cancelled) {
    std::promise<absl::StatusOr<v1::RedriveDeadLettersResponse>> outcome;
    rig_.subscriptions().dead_letters().Redrive(
        CallerUntil(std::move(cancelled)), request, rig_.pool(),
        [&](auto response) { outcome.set_value(std::move(response)); });
    return outcome.get_future().get();
  };
  EXPECT_EQ(redrive([] { return true; }).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(Stats().open_dead_letters(), 5u);
  // Parks all of them again after the redrive has begun and before it searches.
  const auto consumer = rig_.Consume("s", "c");
  bool first = true;
  const auto park_again = [&] {
    if (!std::exchange(first, false)) return false;
    EXPECT_EQ(Redrive(All()), 5u);
    for (const Received& event : consumer->Receive(5)) {
      EXPECT_THAT(RefusedOffsets(consumer->Nack(event, v1::Nack::ACTION_PARK, "again")), IsEmpty());
    }
    rig_.AwaitParking("s");
    return false;
  };
  ASSERT_OK_AND_ASSIGN(const v1::RedriveDeadLettersResponse response, redrive(park_again));
  EXPECT_EQ(response.events(), 0u);
  EXPECT_EQ(Stats().open_dead_letters(), 5u);
}

TEST_F(DeadLettersTest, RejectIncompleteRequests) {
  SetUpQueue();
  v1::ListDeadLettersRequest list;
  v1::RedriveDeadLettersRequest redrive;
  v1::DiscardDeadLettersRequest discard;
  redrive.set_subscription("s");
  discard.set_subscription("s");
  EXPECT_EQ(FaultyField(rig_.Redrive(redrive).status()), "selector");
  EXPECT_EQ(FaultyField(rig_.Discard(discard).status()), "selector");
  redrive.mutable_selector();
  discard.mutable_selector();
  redrive.clear_subscription();
  discard.clear_subscription();
  EXPECT_EQ(FaultyField(rig_.Redrive(redrive).status()), "subscription");
  EXPECT_EQ(FaultyField(rig_.Discard(discard).status()), "subscription");
  list.set_subscription("none");
  redrive.set_subscription("none");
  discard.set_subscription("none");
  const auto no_subscription =
      Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND);
  EXPECT_THAT(rig_.subscriptions().dead_letters().List(kTester, list), no_subscription);
  EXPECT_THAT(rig_.Redrive(redrive), no_subscription);
  EXPECT_THAT(rig_.Discard(discard), no_subscription);
}

TEST_F(DeadLettersTest, OpenOnesAreReported) {
  SetUpQueue();
  Park();
  EXPECT_THAT(Findings(), ElementsAre("open dead letters: 5"));
  EXPECT_EQ(Discard(All()), 5u);
  EXPECT_THAT(Findings(), IsEmpty());
}

}  // namespace
}  // namespace eventhub

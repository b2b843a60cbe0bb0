// What SubscriptionService does and refuses: seeks, snapshots, dead letters, lists, expiry, and
// what it says of a subscription.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/subscription_rig.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class SubscriptionAdminTest : public SubscriptionTest {
 protected:
  using Reason = v1::ErrorDetail;

  static std::string FaultyField(const absl::Status& status) {
    EXPECT_THAT(status, Refused(StatusCode::kInvalidArgument, Reason::REASON_INVALID_FIELD));
    const auto detail = DetailOf(status);
    return detail.has_value() ? detail->field() : "none";
  }

  static google::protobuf::Timestamp At(absl::Time time) {
    return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
  }

  v1::SubscriptionStats Stats() { return rig_.Get("s").stats(); }
  std::vector<std::string> Findings() {
    const v1::GetSubscriptionResponse response = rig_.Get("s");
    return {response.findings().begin(), response.findings().end()};
  }

  // Has a consumer take and ack all that there is.
  void ConsumeAll(const std::string& subscription, size_t count) {
    const auto consumer = rig_.Consume(subscription, "all");
    EXPECT_TRUE(consumer->AckAll(consumer->Receive(count)));
  }
};

// ---- Seek

class SeekTest : public SubscriptionAdminTest {
 protected:
  static v1::SeekSubscriptionRequest To(int64_t partition_0, int64_t partition_1) {
    v1::SeekSubscriptionRequest request;
    request.set_name("s");
    for (const auto& [p, offset] : {std::pair(0u, partition_0), std::pair(1u, partition_1)}) {
      v1::PartitionOffset& place = *request.add_offsets();
      place.set_partition(p);
      place.set_offset(offset);
    }
    return request;
  }

  static std::vector<std::string> Shown(const v1::SeekSubscriptionResponse& response) {
    std::vector<std::string> shown;
    for (const v1::PartitionMove& move : response.moves()) {
      shown.push_back(absl::StrCat(move.partition(), ": ", move.from_offset(), " to ",
                                   move.to_offset(), ", lag ", move.lag_before(), " to ",
                                   move.lag_after()));
    }
    return shown;
  }
};

TEST_F(SeekTest, ADryRunSaysWhatWouldMoveAndMovesNothing) {
  SetUpQueue(2);
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"d", "e"}, 1), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(5);
  EXPECT_TRUE(consumer->AckAll({events[0]}));
  v1::SeekSubscriptionRequest request = To(3, 0);
  request.set_dry_run(true);
  ASSERT_OK_AND_ASSIGN(const v1::SeekSubscriptionResponse response, rig_.Seek(request));
  EXPECT_THAT(Shown(response), ElementsAre("0: 1 to 3, lag 2 to 0", "1: 0 to 0, lag 2 to 2"));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_THAT(consumer->said.revoked(), IsEmpty());
  EXPECT_TRUE(consumer->AckAll({events.begin() + 1, events.end()}));
  EXPECT_EQ(Stats().lag_events(), 0u);
}

TEST_F(SeekTest, MovesToOffsetsOfSinglePartitions) {
  SetUpQueue(2);
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"d", "e"}, 1), IsOk());
  ConsumeAll("s", 5);
  v1::SeekSubscriptionRequest request = To(1, 0);
  request.mutable_offsets()->RemoveLast();
  ASSERT_OK_AND_ASSIGN(v1::SeekSubscriptionResponse response, rig_.Seek(request));
  EXPECT_THAT(Shown(response), ElementsAre("0: 3 to 1, lag 0 to 2"));
  EXPECT_THAT(IdsOf(rig_.Consume("s", "c")->Receive(2)), ElementsAre("b", "c"));
  request.mutable_start()->set_earliest(true);
  ASSERT_OK_AND_ASSIGN(response, rig_.Seek(request));
  EXPECT_THAT(Shown(response), ElementsAre("0: 1 to 1, lag 2 to 2", "1: 2 to 0, lag 0 to 2"));
  EXPECT_THAT(IdsOf(rig_.Consume("s", "c")->Receive(4)),
              testing::UnorderedElementsAre("b", "c", "d", "e"));
}

TEST_F(SeekTest, MovesToATime) {
  SetUpStream();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  rig_.clock.Advance(absl::Seconds(10));
  const absl::Time middle = rig_.clock.Now();
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  rig_.clock.Advance(absl::Seconds(10));
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  ConsumeAll("s", 3);
  const auto consumer = rig_.Consume("s", "c");
  v1::SeekSubscriptionRequest request;
  request.set_name("s");
  *request.mutable_start()->mutable_timestamp() = At(middle);
  ASSERT_THAT(rig_.Seek(request), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(2)), ElementsAre("b", "c"));
  *request.mutable_start()->mutable_timestamp() = At(middle + absl::Microseconds(1));
  ASSERT_THAT(rig_.Seek(request), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("c"));
  *request.mutable_start()->mutable_timestamp() = At(middle + absl::Hours(1));
  ASSERT_THAT(rig_.Seek(request), IsOk());
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(Stats().lag_events(), 0u);
}

TEST_F(SeekTest, WhatWasOutIsTheConsumersNoLonger) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> out = consumer->Receive(2);
  ASSERT_THAT(out, SizeIs(2));
  v1::SeekSubscriptionRequest request;
  request.set_name("s");
  request.mutable_start()->set_offset(1);
  ASSERT_THAT(rig_.Seek(request), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("b"));
  ASSERT_EQ(consumer->said.revoked_size(), 1);
  EXPECT_THAT(RefusedOffsets(consumer->Ack(out[1])), ElementsAre(1));
  EXPECT_EQ(Stats().in_flight_events(), 1u);
}

TEST_F(SeekTest, WhatWaitedForARetryIsForgotten) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(2);
  EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_RETRY)), IsEmpty());
  v1::SeekSubscriptionRequest request;
  request.set_name("s");
  request.mutable_start()->set_latest(true);
  ASSERT_THAT(rig_.Seek(request), IsOk());
  rig_.Pass(absl::Hours(1));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(Stats().lag_events(), 0u);
}

TEST_F(SeekTest, RefusesPlacesThatAreNone) {
  SetUpQueue(2);
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  v1::SeekSubscriptionRequest request;
  EXPECT_EQ(FaultyField(rig_.Seek(request).status()), "name");
  request.set_name("s");
  EXPECT_EQ(FaultyField(rig_.Seek(request).status()), "target");
  EXPECT_THAT(rig_.Seek(To(4, 0)),
              Refused(StatusCode::kOutOfRange, Reason::REASON_OFFSET_OUT_OF_RANGE));
  EXPECT_THAT(rig_.Seek(To(-1, 0)),
              Refused(StatusCode::kOutOfRange, Reason::REASON_OFFSET_OUT_OF_RANGE));
  const absl::Status beyond = rig_.Seek(To(0, 1)).status();
  EXPECT_THAT(beyond, Refused(StatusCode::kOutOfRange, Reason::REASON_OFFSET_OUT_OF_RANGE));
  EXPECT_EQ(DetailOf(beyond)->partition(), 1u);
  EXPECT_EQ(DetailOf(beyond)->earliest_offset(), 0);
  EXPECT_EQ(DetailOf(beyond)->end_offset(), 0);
  request = To(0, 0);
  request.mutable_offsets(1)->set_partition(2);
  EXPECT_THAT(rig_.Seek(request),
              Refused(StatusCode::kNotFound, Reason::REASON_PARTITION_NOT_FOUND));
  request.set_name("none");
  EXPECT_THAT(rig_.Seek(request),
              Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND));
  EXPECT_EQ(Stats().lag_events(), 3u);
}

// ---- Snapshots

class SnapshotTest : public SubscriptionAdminTest {
 protected:
  absl::StatusOr<v1::SeekSubscriptionResponse> Restore(const std::string& name) {
    v1::SeekSubscriptionRequest request;
    request.set_name("s");
    request.set_snapshot(name);
    return rig_.Seek(request);
  }

  std::vector<std::string> Names() {
    const auto response = rig_.subscriptions().ListSnapshots("s");
    EXPECT_THAT(response, IsOk());
    std::vector<std::string> names;
    for (const v1::Snapshot& snapshot : response->snapshots()) names.push_back(snapshot.name());
    return names;
  }
};

TEST_F(SnapshotTest, BringsBackJustWhatWasNotAcked) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c", "d"}), IsOk());
  {
    const auto consumer = rig_.Consume("s", "c", /*credit=*/3);
    const std::vector<Received> events = consumer->Receive(3);
    consumer->SetCredit(0);
    EXPECT_TRUE(consumer->AckAll({events[1]}));
    ASSERT_OK_AND_ASSIGN(const v1::CreateSnapshotResponse made, rig_.CreateSnapshot("s", "before"));
    EXPECT_EQ(made.snapshot().name(), "before");
    EXPECT_EQ(made.snapshot().lag_events(), 3u);
    EXPECT_EQ(made.snapshot().create_time().seconds(), absl::ToUnixSeconds(rig_.clock.Now()));
  }
  ConsumeAll("s", 3);
  EXPECT_EQ(Stats().lag_events(), 0u);
  rig_.Reopen();
  ASSERT_OK_AND_ASSIGN(const v1::SeekSubscriptionResponse moved, Restore("before"));
  ASSERT_EQ(moved.moves_size(), 1);
  EXPECT_EQ(moved.moves(0).from_offset(), 4);
  EXPECT_EQ(moved.moves(0).to_offset(), 0);
  EXPECT_EQ(moved.moves(0).lag_before(), 0u);
  EXPECT_EQ(moved.moves(0).lag_after(), 3u);
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(3);
  EXPECT_THAT(IdsOf(events), ElementsAre("a", "c", "d"));
  EXPECT_THAT(Names(), ElementsAre("before"));  // It can be used again.
}

TEST_F(SnapshotTest, AreListedByNameUntilDeleted) {
  SetUpQueue();
  EXPECT_THAT(Names(), IsEmpty());
  for (const char* name : {"b", "c", "a"}) ASSERT_THAT(rig_.CreateSnapshot("s", name), IsOk());
  EXPECT_THAT(Names(), ElementsAre("a", "b", "c"));
  ASSERT_THAT(rig_.DeleteSnapshot("s", "b"), IsOk());
  EXPECT_THAT(Names(), ElementsAre("a", "c"));
  EXPECT_THAT(rig_.DeleteSnapshot("s", "b"),
              Refused(StatusCode::kNotFound, Reason::REASON_SNAPSHOT_NOT_FOUND));
  EXPECT_THAT(Restore("b"), Refused(StatusCode::kNotFound, Reason::REASON_SNAPSHOT_NOT_FOUND));
}

TEST_F(SnapshotTest, GoWithTheirSubscription) {
  SetUpQueue();
  ASSERT_THAT(rig_.CreateSnapshot("s", "a"), IsOk());
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  ASSERT_THAT(rig_.Subscribe(Queue()), IsOk());
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(SnapshotTest, DoNotHoldUpRetention) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  ASSERT_THAT(rig_.CreateSnapshot("s", "old"), IsOk());
  ConsumeAll("s", 2);
  rig_.clock.Advance(absl::Seconds(10));
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  rig_.Trim("t", absl::Seconds(5), {2});
  ConsumeAll("s", 1);
  ASSERT_OK_AND_ASSIGN(const v1::SeekSubscriptionResponse moved, Restore("old"));
  EXPECT_EQ(moved.moves(0).to_offset(), 2);
  EXPECT_EQ(moved.moves(0).lag_after(), 1u);
  EXPECT_THAT(IdsOf(rig_.Consume("s", "c")->Receive(1)), ElementsAre("c"));
}

TEST_F(SnapshotTest, RefusesNamesThatWillNotDo) {
  SetUpQueue();
  ASSERT_THAT(rig_.CreateSnapshot("s", "a"), IsOk());
  EXPECT_THAT(rig_.CreateSnapshot("s", "a"),
              Refused(StatusCode::kAlreadyExists, Reason::REASON_SNAPSHOT_EXISTS));
  for (const char* bad : {"", ".a", "a b", "a/b"}) {
    EXPECT_EQ(FaultyField(rig_.CreateSnapshot("s", bad).status()), "name") << bad;
  }
  EXPECT_EQ(FaultyField(rig_.CreateSnapshot("", "b").status()), "subscription");
  EXPECT_EQ(FaultyField(rig_.DeleteSnapshot("", "b")), "subscription");
  EXPECT_EQ(FaultyField(rig_.subscriptions().ListSnapshots("").status()), "subscription");
  const auto no_subscription =
      Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND);
  EXPECT_THAT(rig_.CreateSnapshot("none", "a"), no_subscription);
  EXPECT_THAT(rig_.DeleteSnapshot("none", "a"), no_subscription);
  EXPECT_THAT(rig_.subscriptions().ListSnapshots("none"), no_subscription);
}

// ---- Dead letters

class DeadLettersTest : public SubscriptionAdminTest {
 protected:
  // Five dead letters, a second apart: a to e, every other one of them of the type `odd`.
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
    const auto response = rig_.subscriptions().ListDeadLetters(request);
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
    const auto response = rig_.subscriptions().RedriveDeadLetters(request);
    EXPECT_THAT(response, IsOk());
    return response.ok() ? response->events() : 0;
  }

  uint64_t Discard(const v1::DeadLetterSelector& selector, bool dry_run = false) {
    v1::DiscardDeadLettersRequest request;
    request.set_subscription("s");
    *request.mutable_selector() = selector;
    request.set_dry_run(dry_run);
    const auto response = rig_.subscriptions().DiscardDeadLetters(request);
    EXPECT_THAT(response, IsOk());
    return response.ok() ? response->events() : 0;
  }

  static v1::DeadLetterSelector All() { return {}; }

  absl::Time parked_at_;
};

TEST_F(DeadLettersTest, SayWhereTheyComeFromAndWhy) {
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
                       rig_.subscriptions().ListDeadLetters(request));
  EXPECT_EQ(with_data.dead_letters(2).event().data(), "data of it");
  EXPECT_EQ(with_data.dead_letters(2).event().attributes().count("deadletterreason"), 0u)
      << "as it was published";
  EXPECT_EQ(Stats().open_dead_letters(), 5u);
  EXPECT_EQ(Stats().dead_lettered_events(), 5u);
}

TEST_F(DeadLettersTest, AreEventsOfTheirTopicWithAttributesAdded) {
  SetUpQueue();
  Park();
  ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().OpenReader(ReadOf("s.dead-letters")));
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

TEST_F(DeadLettersTest, ArePickedBySelectors) {
  SetUpQueue();
  Park();
  EXPECT_THAT(Picked(All()), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(Picked(Range(1, 3)), ElementsAre("b", "c"));
  EXPECT_THAT(Picked(Range(1, 3, /*partition=*/1)), IsEmpty());
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

TEST_F(DeadLettersTest, AreListedByPages) {
  SetUpQueue();
  Park();
  v1::ListDeadLettersRequest request;
  request.set_subscription("s");
  request.set_page_size(2);
  std::vector<std::vector<std::string>> pages;
  do {
    ASSERT_OK_AND_ASSIGN(const v1::ListDeadLettersResponse page,
                         rig_.subscriptions().ListDeadLetters(request));
    pages.emplace_back();
    for (const v1::DeadLetter& letter : page.dead_letters()) {
      pages.back().push_back(letter.event().id());
    }
    request.set_page_token(page.next_page_token());
    if (pages.size() == 1) {
      EXPECT_EQ(Discard(Range(1, 3)), 2u);  // The next page goes on behind what is gone.
    }
  } while (!request.page_token().empty() && pages.size() < 10);
  EXPECT_THAT(pages, ElementsAre(ElementsAre("a", "b"), ElementsAre("d", "e")));
  for (const char* token : {"x", "00", "zz"}) {
    request.set_page_token(token);
    EXPECT_EQ(FaultyField(rig_.subscriptions().ListDeadLetters(request).status()), "page_token")
        << token;
  }
}

TEST_F(DeadLettersTest, AreRedrivenToTheirSubscriptionOnly) {
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

TEST_F(DeadLettersTest, AreCountedAnewWhenRedriven) {
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

TEST_F(DeadLettersTest, AreRedrivenThoughTheirEventsAreTrimmed) {
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

TEST_F(DeadLettersTest, GoWithTheirSubscriptionButStayInTheirTopic) {
  SetUpQueue();
  Park();
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  EXPECT_EQ(rig_.Describe("s.dead-letters").end_offset(), 5);
  ASSERT_THAT(rig_.Subscribe(Queue()), IsOk());
  EXPECT_THAT(Picked(All()), IsEmpty());
  EXPECT_EQ(Stats().open_dead_letters(), 0u);
}

TEST_F(DeadLettersTest, KeepTheBeginningOfALongReason) {
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

TEST_F(DeadLettersTest, OfOneSubscriptionAreNoneOfAnother) {
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
  ASSERT_OK_AND_ASSIGN(const v1::RedriveDeadLettersResponse response,
                       rig_.subscriptions().RedriveDeadLetters(request));
  EXPECT_EQ(response.events(), 0u);
  EXPECT_THAT(rig_.DeadLetters("s"), SizeIs(5));
}

TEST_F(DeadLettersTest, DiscardedOnesStayInTheirTopicOnly) {
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

TEST_F(DeadLettersTest, ATopicThatIsUsedForThemStays) {
  SetUpQueue();
  EXPECT_THAT(rig_.Delete("s.dead-letters"),
              Refused(StatusCode::kFailedPrecondition, Reason::REASON_TOPIC_IN_USE));
  v1::Subscription changed = Queue();
  changed.set_dead_letter_topic("none");
  EXPECT_THAT(rig_.UpdateSubscription(changed, {"dead_letter_topic"}),
              Refused(StatusCode::kNotFound, Reason::REASON_TOPIC_NOT_FOUND));
  EXPECT_EQ(rig_.Get("s").subscription().dead_letter_topic(), "s.dead-letters");
}

TEST_F(DeadLettersTest, OfATopicThatIsGoneAreReturnedAllTheSame) {
  SetUpQueue();
  Park();
  ASSERT_THAT(rig_.Create("letters"), IsOk());
  v1::Subscription changed = Queue();
  changed.set_dead_letter_topic("letters");
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"dead_letter_topic"}), IsOk());
  ASSERT_THAT(rig_.Delete("s.dead-letters"), IsOk());
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_THAT(letters, SizeIs(5));
  EXPECT_EQ(letters[1].reason(), "no b");
  EXPECT_EQ(letters[1].event().id(), "");
  EXPECT_EQ(Redrive(Range(1, 2)), 1u);
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(1);
  EXPECT_THAT(IdsOf(events), ElementsAre("b"));
  EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_PARK, "again")), IsEmpty());
  rig_.AwaitParking("s");
  EXPECT_EQ(rig_.Describe("letters").end_offset(), 1);
  EXPECT_EQ(Discard(All()), 5u);
}

TEST_F(DeadLettersTest, RefusesCallsWithoutWhatTheyNeed) {
  SetUpQueue();
  v1::ListDeadLettersRequest list;
  v1::RedriveDeadLettersRequest redrive;
  v1::DiscardDeadLettersRequest discard;
  EXPECT_EQ(FaultyField(rig_.subscriptions().ListDeadLetters(list).status()), "subscription");
  redrive.set_subscription("s");
  discard.set_subscription("s");
  EXPECT_EQ(FaultyField(rig_.subscriptions().RedriveDeadLetters(redrive).status()), "selector");
  EXPECT_EQ(FaultyField(rig_.subscriptions().DiscardDeadLetters(discard).status()), "selector");
  redrive.mutable_selector();
  discard.mutable_selector();
  redrive.clear_subscription();
  discard.clear_subscription();
  EXPECT_EQ(FaultyField(rig_.subscriptions().RedriveDeadLetters(redrive).status()), "subscription");
  EXPECT_EQ(FaultyField(rig_.subscriptions().DiscardDeadLetters(discard).status()), "subscription");
  list.set_subscription("none");
  redrive.set_subscription("none");
  discard.set_subscription("none");
  const auto no_subscription =
      Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND);
  EXPECT_THAT(rig_.subscriptions().ListDeadLetters(list), no_subscription);
  EXPECT_THAT(rig_.subscriptions().RedriveDeadLetters(redrive), no_subscription);
  EXPECT_THAT(rig_.subscriptions().DiscardDeadLetters(discard), no_subscription);
}

// ---- The other calls

TEST_F(SubscriptionAdminTest, CreateRefusesWhatCannotBe) {
  SetUpQueue();
  EXPECT_THAT(rig_.Subscribe(Stream()),
              Refused(StatusCode::kAlreadyExists, Reason::REASON_SUBSCRIPTION_EXISTS));
  v1::Subscription subscription = Queue();
  subscription.clear_topic();
  EXPECT_EQ(FaultyField(rig_.Subscribe(subscription).status()), "subscription.topic");
  subscription.set_topic("none");
  EXPECT_THAT(rig_.Subscribe(subscription),
              Refused(StatusCode::kNotFound, Reason::REASON_TOPIC_NOT_FOUND));
  subscription = Queue();
  subscription.set_name("new");
  v1::StartPosition start;
  start.set_offset(1);
  EXPECT_THAT(rig_.Subscribe(subscription, start),
              Refused(StatusCode::kOutOfRange, Reason::REASON_OFFSET_OUT_OF_RANGE));
  subscription.set_dead_letter_topic("t");
  EXPECT_EQ(FaultyField(rig_.Subscribe(subscription).status()), "subscription.dead_letter_topic");
  EXPECT_EQ(rig_.subscriptions().catalog().size(), 1u);
  EXPECT_THAT(rig_.Delete("new.dead-letters"),
              Refused(StatusCode::kNotFound, Reason::REASON_TOPIC_NOT_FOUND));
}

TEST_F(SubscriptionAdminTest, StartsWithWhatComesUnlessTold) {
  ASSERT_THAT(rig_.Create("t"), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"old"}), IsOk());
  ASSERT_THAT(rig_.Subscribe(Queue(), v1::StartPosition()), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"new"}), IsOk());
  EXPECT_THAT(IdsOf(rig_.Consume("s", "c")->Receive(1)), ElementsAre("new"));
}

TEST_F(SubscriptionAdminTest, GetUpdateAndDeleteRefuseWhatIsNotThere) {
  SetUpQueue();
  const auto no_subscription =
      Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND);
  v1::GetSubscriptionRequest get;
  EXPECT_EQ(FaultyField(rig_.subscriptions().Get(get).status()), "name");
  get.set_name("none");
  EXPECT_THAT(rig_.subscriptions().Get(get), no_subscription);
  v1::Subscription subscription = Queue();
  EXPECT_EQ(FaultyField(rig_.UpdateSubscription(subscription, {}).status()), "update_mask");
  EXPECT_EQ(FaultyField(rig_.UpdateSubscription(subscription, {"kind"}).status()), "update_mask");
  subscription.clear_name();
  EXPECT_EQ(FaultyField(rig_.UpdateSubscription(subscription, {"paused"}).status()),
            "subscription.name");
  subscription.set_name("none");
  EXPECT_THAT(rig_.UpdateSubscription(subscription, {"paused"}), no_subscription);
  EXPECT_EQ(FaultyField(rig_.DeleteSubscription("")), "name");
  EXPECT_THAT(rig_.DeleteSubscription("none"), no_subscription);
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  EXPECT_THAT(rig_.DeleteSubscription("s"), no_subscription);
}

TEST_F(SubscriptionAdminTest, ReplayRefusesWhatIsNoRange) {
  SetUpQueue(2);
  v1::ReplaySubscriptionRequest request;
  request.mutable_start()->set_earliest(true);
  EXPECT_EQ(FaultyField(rig_.Replay(request).status()), "name");
  request.set_name("none");
  EXPECT_THAT(rig_.Replay(request),
              Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND));
  request.set_name("s");
  request.clear_start();
  EXPECT_EQ(FaultyField(rig_.Replay(request).status()), "start");
  request.mutable_start()->set_offset(1);
  EXPECT_THAT(rig_.Replay(request),
              Refused(StatusCode::kOutOfRange, Reason::REASON_OFFSET_OUT_OF_RANGE));
  request.mutable_start()->set_earliest(true);
  request.add_partitions(2);
  EXPECT_THAT(rig_.Replay(request),
              Refused(StatusCode::kNotFound, Reason::REASON_PARTITION_NOT_FOUND));
  request.set_partitions(0, 1);
  request.add_partitions(1);
  EXPECT_EQ(FaultyField(rig_.Replay(request).status()), "partitions");
  EXPECT_EQ(FaultyField(rig_.CancelReplays("").status()), "name");
  EXPECT_THAT(rig_.CancelReplays("none"),
              Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND));
}

TEST_F(SubscriptionAdminTest, ConsumeRefusesWhatOpensNothing) {
  SetUpQueue();
  const auto open = [&](const v1::ConsumeRequest& first) {
    return TestConsumer::Open(rig_.broker(), first).status();
  };
  v1::ConsumeRequest first;
  EXPECT_EQ(FaultyField(open(first)), "open");
  first.mutable_open();
  EXPECT_EQ(FaultyField(open(first)), "open.subscription");
  first.mutable_open()->set_subscription("none");
  EXPECT_THAT(open(first), Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND));
  first.mutable_open()->set_subscription("s");
  first.mutable_open()->set_consumer(std::string(257, 'x'));
  EXPECT_EQ(FaultyField(open(first)), "open.consumer");
  first.mutable_open()->clear_consumer();
  for (const uint32_t bytes : {4095u, 4'000'001u}) {
    first.mutable_open()->set_max_response_bytes(bytes);
    EXPECT_EQ(FaultyField(open(first)), "open.max_response_bytes");
  }
  first.mutable_open()->set_max_response_bytes(4096);
  first.add_acks();
  EXPECT_EQ(FaultyField(open(first)), "acks");
  first.clear_acks();
  EXPECT_THAT(open(first), IsOk());
}

TEST_F(SubscriptionAdminTest, ConsumersOfADeletedSubscriptionEnd) {
  SetUpQueue();
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  EXPECT_TRUE(consumer->woken());
  EXPECT_THAT(consumer->Poll(),
              Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND));
}

TEST_F(SubscriptionAdminTest, ListsByPagesInOrderOfNames) {
  ASSERT_THAT(rig_.Create("t"), IsOk());
  ASSERT_THAT(rig_.Create("u"), IsOk());
  for (const char* name : {"d", "b", "a", "e", "c"}) {
    const bool on_t = std::string("ace").find(name) != std::string::npos;
    ASSERT_THAT(
        rig_.Subscribe(SubscriptionOf(name, on_t ? "t" : "u", v1::Subscription::KIND_QUEUE)),
        IsOk());
  }
  const auto pages = [&](const std::string& topic, uint32_t size) {
    std::vector<std::string> all;
    v1::ListSubscriptionsRequest request;
    request.set_topic(topic);
    request.set_page_size(size);
    do {
      const auto page = rig_.subscriptions().List(request);
      EXPECT_THAT(page, IsOk());
      std::string names;
      for (const v1::SubscriptionSummary& one : page->subscriptions()) {
        names += one.subscription().name();
      }
      all.push_back(names);
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return all;
  };
  EXPECT_THAT(pages("", 0), ElementsAre("abcde"));
  EXPECT_THAT(pages("", 2), ElementsAre("ab", "cd", "e"));
  EXPECT_THAT(pages("", 5), ElementsAre("abcde"));
  EXPECT_THAT(pages("t", 1), ElementsAre("a", "c", "e"));
  EXPECT_THAT(pages("t", 2), ElementsAre("ac", "e"));
  EXPECT_THAT(pages("u", 2), ElementsAre("bd"));
  EXPECT_THAT(pages("none", 2), ElementsAre(""));
}

TEST_F(SubscriptionAdminTest, ListsSayHowSubscriptionsDo) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c", /*credit=*/1);
  EXPECT_THAT(consumer->Receive(), SizeIs(1));
  ASSERT_OK_AND_ASSIGN(const v1::ListSubscriptionsResponse response,
                       rig_.subscriptions().List(v1::ListSubscriptionsRequest()));
  ASSERT_EQ(response.subscriptions_size(), 1);
  EXPECT_EQ(response.subscriptions(0).consumers(), 1u);
  EXPECT_EQ(response.subscriptions(0).stats().lag_events(), 2u);
  EXPECT_EQ(response.subscriptions(0).stats().in_flight_events(), 1u);
}

TEST_F(SubscriptionAdminTest, ExpiresWhenNoConsumerWasThereForLong) {
  v1::Subscription subscription = Queue();
  *subscription.mutable_expire_after() = ToProto(absl::Minutes(1));
  Create(subscription);
  const auto exists = [&] {
    EXPECT_THAT(rig_.subscriptions().Expire(), IsOk());
    return rig_.subscriptions().catalog().Find("s") != nullptr;
  };
  rig_.Pass(absl::Seconds(59));
  EXPECT_TRUE(exists());
  auto consumer = rig_.Consume("s", "c");
  rig_.Pass(absl::Hours(1));
  EXPECT_TRUE(exists());
  consumer.reset();
  ASSERT_THAT(rig_.UpdateSubscription(subscription, {"description"}), IsOk());  // It is noted.
  rig_.Pass(absl::Seconds(59));
  EXPECT_TRUE(exists());
  rig_.Pass(absl::Seconds(1));
  EXPECT_FALSE(exists());
  rig_.Reopen();
  EXPECT_EQ(rig_.subscriptions().catalog().Find("s"), nullptr);
}

TEST_F(SubscriptionAdminTest, IsNotExpiredAtTheMomentWhenItsLastConsumerGoes) {
  v1::Subscription subscription = Queue();
  *subscription.mutable_expire_after() = ToProto(absl::Minutes(1));
  Create(subscription);
  for (int i = 0; i < 20; ++i) {
    auto consumer = rig_.Consume("s", "c");
    rig_.Pass(absl::Hours(1));
    consumer.reset();
    ASSERT_THAT(rig_.subscriptions().Expire(), IsOk());
    ASSERT_NE(rig_.subscriptions().catalog().Find("s"), nullptr);
  }
}

TEST_F(SubscriptionAdminTest, IsNotExpiredUnlessTold) {
  v1::Subscription subscription = Queue();
  *subscription.mutable_expire_after() = ToProto(absl::Minutes(1));
  Create(subscription);
  ASSERT_THAT(rig_.UpdateSubscription(Queue(), {"expire_after"}), IsOk());
  rig_.Pass(absl::Hours(24 * 365));
  ASSERT_THAT(rig_.subscriptions().Expire(), IsOk());
  EXPECT_NE(rig_.subscriptions().catalog().Find("s"), nullptr);
}

// ---- What is said of it

TEST_F(SubscriptionAdminTest, GetGivesThePartitionsFurthestBehindFirst) {
  SetUpQueue(3);
  ASSERT_THAT(rig_.Publish("t", {"a"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"b", "c", "d"}, 1), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"e"}, 2), IsOk());
  rig_.Pass(absl::Seconds(7));
  v1::GetSubscriptionRequest request;
  request.set_name("s");
  request.set_max_partitions(2);
  ASSERT_OK_AND_ASSIGN(const v1::GetSubscriptionResponse response,
                       rig_.subscriptions().Get(request));
  ASSERT_EQ(response.partitions_size(), 2);
  EXPECT_EQ(response.partitions(0).partition(), 1u);
  EXPECT_EQ(response.partitions(0).lag_events(), 3u);
  EXPECT_EQ(response.partitions(1).partition(), 0u);
  EXPECT_EQ(response.stats().lag_events(), 5u);
  EXPECT_EQ(response.stats().oldest_age().seconds(), 7);
  EXPECT_EQ(response.stats().lag_bytes(), 5 * EncodeEvent(MakeEvent("a")).size());
}

TEST_F(SubscriptionAdminTest, NothingIsFoundWhenNothingIsWrong) {
  SetUpQueue();
  EXPECT_THAT(Findings(), IsEmpty());
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  ConsumeAll("s", 1);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(SubscriptionAdminTest, FindsThatNobodyConsumes) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  EXPECT_THAT(Findings(), ElementsAre("no consumer is connected"));
  v1::Subscription paused = Queue();
  paused.set_paused(true);
  ASSERT_THAT(rig_.UpdateSubscription(paused, {"paused"}), IsOk());
  EXPECT_THAT(Findings(), ElementsAre("it is paused", "no consumer is connected"));
}

TEST_F(SubscriptionAdminTest, FindsThatNoAckCanBeKept) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive();
  ASSERT_THAT(events, SizeIs(1));
  rig_.disk.FailWrites(FaultEnv::Fault::kIoError);
  EXPECT_THAT(RefusedOffsets(consumer->Ack(events[0]), absl::StatusCode::kUnavailable),
              ElementsAre(0));
  EXPECT_THAT(Findings(), testing::Contains(testing::StartsWith("no ack can be kept: ")));
  consumer->session().Close();
  rig_.Close();
  rig_.disk.FailWrites(FaultEnv::Fault::kNone);
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(Findings(), ElementsAre("no consumer is connected"));
}

TEST_F(SubscriptionAdminTest, FindsThatConsumersHaveNoCredit) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  const auto first = rig_.Consume("s", "first", /*credit=*/1);
  EXPECT_THAT(first->Receive(), SizeIs(1));
  EXPECT_THAT(Findings(), ElementsAre("no credit: the only consumer has as many events out, "
                                      "unacked, as allowed"));
  const auto second = rig_.Consume("s", "second", /*credit=*/3);
  EXPECT_THAT(Findings(), ElementsAre("1 of 2 consumers have no credit left: their events are not "
                                      "acked"));
  second->SetCredit(0);
  EXPECT_THAT(Findings(), ElementsAre("no credit: all consumers have as many events out, unacked, "
                                      "as allowed"));
}

TEST_F(SubscriptionAdminTest, FindsWhatTheOldestEventWaitsFor) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  auto consumer = rig_.Consume("s", "worker");
  std::vector<Received> events = consumer->Receive(2);
  EXPECT_TRUE(consumer->AckAll({events[1]}));
  rig_.Pass(absl::Seconds(5));
  const std::string head = "partition 0: the oldest unsettled event, offset 0, ";
  EXPECT_THAT(Findings(), ElementsAre(head + "attempt 1, is at consumer worker"));
  EXPECT_THAT(RefusedOffsets(
                  consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "no disk", absl::Minutes(1))),
              IsEmpty());
  EXPECT_THAT(Findings(),
              ElementsAre(head + "was delivered 1 time and is retried at 2023-11-14T22:14:25Z; "
                                 "last reason: no disk"));
  const v1::SubscriptionPartition place = rig_.Get("s").partitions(0);
  EXPECT_EQ(place.head_attempts(), 1u);
  EXPECT_EQ(place.head_reason(), "no disk");
  EXPECT_EQ(place.head_consumer(), "");
  rig_.Pass(absl::Minutes(1));
  events = consumer->Receive(1);
  EXPECT_EQ(rig_.Get("s").partitions(0).head_consumer(), "worker");
  consumer.reset();
  EXPECT_THAT(Findings(), testing::Contains(testing::StartsWith(head + "waits for attempt 3")));
}

TEST_F(SubscriptionAdminTest, FindsThatTheRateLimitHoldsDeliveriesBack) {
  v1::Subscription subscription = Queue();
  subscription.mutable_rate_limit()->set_events_per_second(1);
  Create(subscription);
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), SizeIs(1));
  EXPECT_THAT(Findings(), ElementsAre("its rate limit holds deliveries back"));
}

TEST_F(SubscriptionAdminTest, FindsThatSomeConsumersHaveNoPartition) {
  SetUpStream(2);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto first = rig_.Consume("s", "first");
  const auto second = rig_.Consume("s", "second");
  const auto third = rig_.Consume("s", "third");
  EXPECT_THAT(Findings(), ElementsAre("3 consumers share 2 partitions: some have none"));
}

TEST_F(SubscriptionAdminTest, FindsEventsThatWaitForTheirKeys) {
  v1::Subscription subscription = Queue();
  subscription.set_ordered_by_key(true);
  Create(subscription);
  v1::PublishStreamRequest request = MakeRequest("t", {});
  for (const char* id : {"a", "b", "c"}) *request.add_events() = MakeEvent(id, "key");
  ASSERT_THAT(rig_.Publish(request), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), SizeIs(1));
  EXPECT_THAT(Findings(), ElementsAre("2 events waiting for earlier ones of their partition keys"));
}

TEST_F(SubscriptionAdminTest, FindsThatConsumersAreMerelyBehind) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(Findings(), IsEmpty());
  rig_.Pass(absl::Seconds(90));
  EXPECT_THAT(Findings(),
              ElementsAre("nothing holds it up; its consumers are 1m30s behind and work"));
}

TEST_F(SubscriptionAdminTest, GetTellsOfItsConsumers) {
  SetUpStream(3);
  const auto second = rig_.Consume("s", "b", /*credit=*/7);
  const auto first = rig_.Consume("s", "a");
  EXPECT_THAT(second->Receive(), IsEmpty());
  ASSERT_THAT(rig_.Publish("t", {"x", "y"}), IsOk());
  const std::vector<Received> events = second->Receive(2);
  EXPECT_TRUE(second->AckAll({events[0]}));
  second->Leave();
  const v1::GetSubscriptionResponse response = rig_.Get("s");
  ASSERT_EQ(response.consumers_size(), 2);
  EXPECT_EQ(response.consumers(0).name(), "a");
  EXPECT_EQ(response.consumers(0).credit().events(), 1000u);
  EXPECT_THAT(response.consumers(0).partitions(), SizeIs(2));
  EXPECT_FALSE(response.consumers(0).has_last_ack_time());
  const v1::ConsumerInfo& leaving = response.consumers(1);
  EXPECT_EQ(leaving.name(), "b");
  EXPECT_EQ(leaving.address(), "test:1");
  EXPECT_EQ(leaving.credit().events(), 7u);
  EXPECT_EQ(leaving.in_use().events(), 1u);
  EXPECT_THAT(leaving.partitions(), ElementsAre(0));
  EXPECT_EQ(leaving.acked_events(), 1u);
  EXPECT_TRUE(leaving.has_last_ack_time());
  EXPECT_TRUE(leaving.leaving());
  EXPECT_EQ(response.partitions(0).consumer(), "b");
}

TEST_F(DeadLettersTest, OpenOnesAreFound) {
  SetUpQueue();
  Park();
  EXPECT_THAT(Findings(), ElementsAre("open dead letters: 5"));
  EXPECT_EQ(Discard(All()), 5u);
  EXPECT_THAT(Findings(), IsEmpty());
}

}  // namespace
}  // namespace eventhub

// Topics that keep the latest event per key: compaction, and look-ups by key.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/wire/event_rules.h"
#include "tests/server/seeded.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class LatestTest : public SeededTest {
 protected:
  void SetUp() override {
    rig_.tail_cache_bytes = 0;  // Memory has the events as they were appended.
    rig_.maintenance = MaintenanceOptions();
    rig_.maintenance->compaction_interval = absl::Milliseconds(1);
    rig_.maintenance->compaction.growth = 0;
    rig_.maintenance->compaction.min_bytes = 1;
    ASSERT_THAT(rig_.Open(), IsOk());
  }

  static v1::Topic LatestTopic(const std::string& name = "t") {
    v1::Topic topic;
    topic.set_name(name);
    topic.mutable_retention()->mutable_latest_per_key();
    return topic;
  }
  void Create(uint32_t partitions = 1, absl::Duration min_age = absl::ZeroDuration(),
              std::optional<absl::Duration> marker_age = std::nullopt) {
    v1::Topic topic = LatestTopic();
    topic.set_partitions(partitions);
    v1::LatestPerKey& latest = *topic.mutable_retention()->mutable_latest_per_key();
    *latest.mutable_min_age() = ToProto(min_age);
    if (marker_age) *latest.mutable_delete_marker_age() = ToProto(*marker_age);
    ASSERT_THAT(rig_.Create(topic), IsOk());
  }

  // Appends one batch: events with the given ids and keys, `id:key`, and some data unless the id
  // begins with `x`.
  void Publish(const std::vector<std::pair<std::string, std::string>>& events,
               std::optional<uint32_t> partition = std::nullopt) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    for (const auto& [id, key] : events) {
      *request.add_events() = MakeEvent(id, key, id.front() == 'x' ? "" : "data");
    }
    if (partition) request.set_partition(*partition);
    ASSERT_THAT(rig_.Publish(request), IsOk());
  }

  // Waits until this many events were removed, over all partitions.
  void AwaitRemoved(uint64_t events) {
    const bool done = Eventually([&] {
      rig_.clock.Advance(absl::Milliseconds(1));  // The next compaction is due.
      return rig_.broker().topics().Get(kTester, "t")->stats().removed_events() >= events;
    });
    EXPECT_TRUE(done);
    EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->stats().removed_events(), events);
  }

  absl::StatusOr<v1::GetLatestResponse> Get(const std::string& key,
                                            std::optional<uint32_t> partition = std::nullopt) {
    v1::GetLatestRequest request;
    request.set_topic("t");
    request.set_key(key);
    if (partition) request.set_partition(*partition);
    return rig_.broker().readers().Latest(kTester, request);
  }
  std::string LatestId(const std::string& key) {
    const auto response = Get(key);
    if (!response.ok()) return absl::StatusCodeToString(response.status().code());
    return response->event().id();
  }

  std::map<int64_t, std::string> ReadAll(uint32_t partition = 0) {
    absl::StatusOr<Delivered> read = rig_.Read("t");
    EXPECT_THAT(read, IsOk());
    EXPECT_EQ(read->caught_up, 1);
    std::map<int64_t, std::string> events;
    for (const Delivered::Event& event : read->events[partition]) events[event.offset] = event.id;
    return events;
  }

  SubscriptionRig rig_;
};

TEST_F(LatestTest, RemovesSupersededEventsAndKeepsOffsets) {
  Create();
  Publish({{"a1", "a"}, {"b1", "b"}, {"a2", "a"}, {"free", ""}});
  Publish({{"a3", "a"}, {"c1", "c"}});
  Publish({{"c2", "c"}});
  AwaitRemoved(3);  // The last batch stays, so c1 is superseded and gone.
  EXPECT_THAT(ReadAll(), ElementsAre(Pair(1, "b1"), Pair(3, "free"), Pair(4, "a3"), Pair(6, "c2")));
  const v1::PartitionInfo info = rig_.Describe("t");
  EXPECT_EQ(info.start_offset(), 0);
  EXPECT_EQ(info.end_offset(), 7);
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->stats().events(), 4u);
  rig_.Reopen();
  EXPECT_THAT(ReadAll(), ElementsAre(Pair(1, "b1"), Pair(3, "free"), Pair(4, "a3"), Pair(6, "c2")));
  EXPECT_EQ(rig_.Describe("t").bytes(), info.bytes());
  EXPECT_EQ(rig_.Describe("t").removed_events(), 3u);
  EXPECT_EQ(rig_.Publish("t", {"next"}).value(), 7);
}

TEST_F(LatestTest, CompactionAppliesToWhatIsCachedToo) {
  rig_.tail_cache_bytes = 1 << 20;
  rig_.Reopen();
  Create();
  Publish({{"a1", "a"}, {"b1", "b"}});
  Publish({{"a2", "a"}});
  AwaitRemoved(1);
  EXPECT_THAT(ReadAll(), ElementsAre(Pair(1, "b1"), Pair(2, "a2")));
}

TEST_F(LatestTest, EachPartitionHasItsOwnKeys) {
  Create(2);
  Publish({{"a1", "a"}}, 0);
  Publish({{"a2", "a"}}, 1);
  Publish({{"b1", "b"}, {"b2", "b"}}, 0);
  Publish({{"last", ""}}, 0);
  AwaitRemoved(1);
  EXPECT_THAT(ReadAll(0), ElementsAre(Pair(0, "a1"), Pair(2, "b2"), Pair(3, "last")));
  EXPECT_EQ(Get("a", 0)->event().id(), "a1");
  EXPECT_EQ(Get("a", 1)->event().id(), "a2");
  EXPECT_EQ(LatestId("a"), wire::PartitionOfKey("a", 2) == 0 ? "a1" : "a2");
}

TEST_F(LatestTest, RepeatedCompactionsOfAKeyLeaveOneEvent) {
  Create();
  constexpr int kUpdates = 3000;
  for (int i = 0; i < kUpdates; ++i) Publish({{absl::StrCat(i), "counter"}});
  Publish({{"last", ""}});
  AwaitRemoved(kUpdates - 1);
  EXPECT_THAT(ReadAll(),
              ElementsAre(Pair(kUpdates - 1, absl::StrCat(kUpdates - 1)), Pair(kUpdates, "last")));
  EXPECT_LT(rig_.Describe("t").bytes(), 400u);
}

TEST_F(LatestTest, EventsYoungerThanMinAgeStay) {
  Create(1, absl::Minutes(1));
  Publish({{"a1", "a"}});
  rig_.clock.Advance(absl::Seconds(30));
  Publish({{"a2", "a"}});
  Publish({{"a3", "a"}});
  rig_.clock.Advance(absl::Seconds(31));
  AwaitRemoved(1);
  EXPECT_THAT(ReadAll(), ElementsAre(Pair(1, "a2"), Pair(2, "a3")));
}

TEST_F(LatestTest, DeleteMarkersHideTheKeyAndAreRemovedLater) {
  Create(1, absl::ZeroDuration(), absl::Hours(1));
  Publish({{"a1", "a"}, {"b1", "b"}});
  Publish({{"x", "a"}});
  Publish({{"tail", ""}});
  AwaitRemoved(1);
  EXPECT_THAT(Get("a"), Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_KEY_NOT_FOUND));
  EXPECT_THAT(ReadAll(), ElementsAre(Pair(1, "b1"), Pair(2, "x"), Pair(3, "tail")));
  rig_.clock.Advance(absl::Hours(2));
  Publish({{"more", ""}});
  AwaitRemoved(2);
  EXPECT_THAT(Get("a"), Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_KEY_NOT_FOUND));
  EXPECT_THAT(ReadAll(), ElementsAre(Pair(1, "b1"), Pair(3, "tail"), Pair(4, "more")));
  Publish({{"a2", "a"}});
  EXPECT_EQ(LatestId("a"), "a2");
  rig_.Reopen();
  EXPECT_EQ(LatestId("a"), "a2");
}

TEST_F(LatestTest, LookUpReturnsThePlaceOfTheEvent) {
  Create();
  Publish({{"a1", "a"}, {"a2", "a"}});
  ASSERT_OK_AND_ASSIGN(const v1::GetLatestResponse latest, Get("a"));
  EXPECT_EQ(latest.event().id(), "a2");
  EXPECT_EQ(latest.event().data(), "data");
  EXPECT_EQ(latest.offset(), 1);
  EXPECT_EQ(latest.partition(), 0u);
  EXPECT_NE(latest.run(), 0u);
  v1::ReadRequest resume = ReadOf("t");
  v1::PartitionOffset& place = *resume.add_offsets();
  place.set_offset(latest.offset() + 1);
  place.set_run(latest.run());
  EXPECT_THAT(rig_.Read(resume), IsOk());
}

TEST_F(LatestTest, LookUpErrorsAreSpecific) {
  Create();
  ASSERT_THAT(rig_.Create("plain"), IsOk());
  EXPECT_THAT(Get(""), StatusIs(StatusCode::kInvalidArgument, "key: is required"));
  EXPECT_THAT(Get(std::string(1025, 'k')),
              StatusIs(StatusCode::kInvalidArgument, "key: is longer"));
  EXPECT_THAT(Get("k"), Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_KEY_NOT_FOUND));
  EXPECT_THAT(Get("k", 7),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_PARTITION_NOT_FOUND));
  v1::GetLatestRequest request;
  request.set_key("k");
  request.set_topic("plain");
  EXPECT_THAT(
      rig_.broker().readers().Latest(kTester, request),
      Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_TOPIC_HAS_NO_LATEST));
  request.set_topic("none");
  EXPECT_THAT(rig_.broker().readers().Latest(kTester, request),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
}

TEST_F(LatestTest, SettingsAreChecked) {
  v1::Topic both = LatestTopic();
  both.mutable_retention()->set_max_bytes(1);
  EXPECT_THAT(rig_.Create(both),
              StatusIs(StatusCode::kInvalidArgument, "latest_per_key: excludes all other limits"));
  v1::Topic ages = LatestTopic();
  ages.mutable_retention()->mutable_latest_per_key()->mutable_min_age()->set_seconds(10);
  ages.mutable_retention()->mutable_latest_per_key()->mutable_delete_marker_age()->set_seconds(9);
  EXPECT_THAT(rig_.Create(ages), StatusIs(StatusCode::kInvalidArgument, "delete_marker_age"));

  ASSERT_OK_AND_ASSIGN(const v1::Topic created, rig_.Create(LatestTopic()));
  EXPECT_EQ(created.retention().latest_per_key().delete_marker_age().seconds(), 24 * 60 * 60);
  v1::Topic changed = created;
  changed.mutable_retention()->clear_latest_per_key();
  EXPECT_THAT(rig_.Update(changed, {"retention"}),
              StatusIs(StatusCode::kInvalidArgument, "only be set when the topic is created"));
  changed = created;
  changed.set_partitions(2);
  EXPECT_THAT(rig_.Update(changed, {"partitions"}),
              StatusIs(StatusCode::kInvalidArgument, "topic.partitions"));
  changed = created;
  changed.mutable_retention()->mutable_latest_per_key()->mutable_min_age()->set_seconds(5);
  ASSERT_OK_AND_ASSIGN(const v1::Topic updated, rig_.Update(changed, {"retention.latest_per_key"}));
  EXPECT_EQ(updated.retention().latest_per_key().min_age().seconds(), 5);

  ASSERT_THAT(rig_.Create("plain"), IsOk());
  v1::Topic plain = LatestTopic("plain");
  EXPECT_THAT(rig_.Update(plain, {"retention.latest_per_key"}),
              StatusIs(StatusCode::kInvalidArgument, "only be set when the topic is created"));
}

TEST_F(LatestTest, TopicTakesNoDeadLetters) {
  Create();
  ASSERT_THAT(rig_.Create("orders"), IsOk());
  v1::Subscription subscription = SubscriptionOf("s", "orders", v1::Subscription::KIND_QUEUE);
  subscription.set_dead_letter_topic("t");
  EXPECT_THAT(rig_.Subscribe(subscription),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_TOPIC_KEEPS_LATEST));
}

TEST_F(LatestTest, FilteredReadersSkipRemovedEvents) {
  Create();
  Publish({{"a1", "a"}, {"b1", "b"}, {"a2", "a"}});
  Publish({{"tail", ""}});
  AwaitRemoved(1);
  v1::ReadRequest request = ReadOf("t");
  request.mutable_filter()->set_sql("id <> 'b1'");
  EXPECT_THAT(rig_.Read(request)->Ids(), ElementsAre("a2", "tail"));
}

TEST_F(LatestTest, ReadersAreToldPositionsBeyondRemovedEvents) {
  Create();
  Publish({{"b1", "b"}});
  for (int i = 0; i < 200; ++i) Publish({{absl::StrCat("a", i), "a"}});
  Publish({{"x", "a"}});
  Publish({{"tail", ""}});
  AwaitRemoved(200);
  v1::ReadRequest request = ReadOf("t");
  request.set_stop_offset(150);
  request.set_report_passed(true);
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read(request));
  EXPECT_THAT(read.Ids(), ElementsAre("b1"));
  EXPECT_TRUE(read.at_end);
  EXPECT_EQ(read.passed.at(0), 150);
}

TEST_F(LatestTest, ConsumersAreNotDeliveredRemovedEvents) {
  Create();
  for (const auto kind : {v1::Subscription::KIND_QUEUE, v1::Subscription::KIND_STREAM}) {
    const std::string name = v1::Subscription::Kind_Name(kind);
    ASSERT_THAT(rig_.Subscribe(SubscriptionOf(name, "t", kind)), IsOk());
  }
  v1::Subscription keyed = SubscriptionOf("keyed", "t", v1::Subscription::KIND_QUEUE);
  keyed.set_ordered_by_key(true);
  ASSERT_THAT(rig_.Subscribe(keyed), IsOk());
  Publish({{"a1", "a"}, {"b1", "b"}, {"a2", "a"}});
  for (int i = 0; i < 200; ++i) Publish({{absl::StrCat("c", i), "c"}});
  Publish({{"tail", ""}});
  AwaitRemoved(200);
  for (const std::string name : {"KIND_QUEUE", "KIND_STREAM", "keyed"}) {
    const auto consumer = rig_.Consume(name, "c");
    const std::vector<Received> events = consumer->Receive(4);
    EXPECT_THAT(IdsOf(events), ElementsAre("b1", "a2", "c199", "tail")) << name;
    EXPECT_TRUE(consumer->AckAll(events)) << name;
    EXPECT_THAT(consumer->Receive(), IsEmpty()) << name;
    EXPECT_EQ(rig_.Get(name).stats().lag_events(), 0u) << name;
  }
}

TEST_F(LatestTest, EventsRemovedBeforeTheirRetryAreSettled) {
  Create();
  v1::Subscription queue = SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE);
  ASSERT_THAT(rig_.Subscribe(queue), IsOk());
  Publish({{"a1", "a"}, {"b1", "b"}});
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> first = consumer->Receive(2);
  ASSERT_EQ(first.size(), 2u);
  consumer->Nack(first[0], v1::Nack::ACTION_RETRY, "later", absl::Minutes(1));
  consumer->Nack(first[1], v1::Nack::ACTION_RETRY, "later", absl::Minutes(1));
  Publish({{"a2", "a"}});
  Publish({{"tail", ""}});
  AwaitRemoved(1);
  rig_.Pass(absl::Minutes(2));
  const std::vector<Received> again = consumer->Receive(3);
  EXPECT_THAT(IdsOf(again), testing::UnorderedElementsAre("b1", "a2", "tail"));
  EXPECT_TRUE(consumer->AckAll(again));
  EXPECT_EQ(rig_.Get("s").stats().lag_events(), 0u);
}

TEST_F(LatestTest, EventsRemovedBeforeTheyAreParkedAreSettled) {
  Create();
  ASSERT_THAT(rig_.Subscribe(SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE)), IsOk());
  Publish({{"a1", "a"}, {"b1", "b"}});
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> first = consumer->Receive(2);
  Publish({{"a2", "a"}});
  Publish({{"tail", ""}});
  AwaitRemoved(1);
  for (const Received& event : first) consumer->Nack(event, v1::Nack::ACTION_PARK, "bad");
  rig_.AwaitParking("s");
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters.front().event().id(), "b1");
}

// Its letter has a copy, but a newer event of the key was delivered meanwhile.
TEST_F(LatestTest, RemovedEventsAreNotRedriven) {
  Create();
  for (const bool ordered : {false, true}) {
    const std::string name = ordered ? "ordered" : "plain";
    v1::Subscription queue = SubscriptionOf(name, "t", v1::Subscription::KIND_QUEUE);
    queue.set_ordered_by_key(ordered);
    ASSERT_THAT(rig_.Subscribe(queue), IsOk());
  }
  Publish({{"a1", "a"}, {"b1", "b"}, {"c1", "c"}});
  std::map<std::string, std::unique_ptr<TestConsumer>> consumers;
  for (const std::string name : {"ordered", "plain"}) {
    consumers[name] = rig_.Consume(name, "c");
    for (const Received& event : consumers[name]->Receive(3)) {
      consumers[name]->Nack(event, v1::Nack::ACTION_PARK, "bad");
    }
    rig_.AwaitParking(name);
  }
  Publish({{"a2", "a"}});
  Publish({{"tail", ""}});
  AwaitRemoved(1);
  for (auto& [name, consumer] : consumers) {
    EXPECT_TRUE(consumer->AckAll(consumer->Receive(2)));
    v1::RedriveDeadLettersRequest request;
    request.set_subscription(name);
    request.mutable_selector();
    for (const bool dry_run : {true, false}) {
      request.set_dry_run(dry_run);
      ASSERT_OK_AND_ASSIGN(const v1::RedriveDeadLettersResponse response, rig_.Redrive(request));
      EXPECT_EQ(response.events(), 2u) << name;
      EXPECT_EQ(response.trimmed(), 1u) << name;
    }
    const std::vector<Received> events = consumer->Receive(2);
    EXPECT_THAT(IdsOf(events), ElementsAre("b1", "c1")) << name;
    EXPECT_TRUE(consumer->AckAll(events)) << name;
    EXPECT_EQ(rig_.Get(name).stats().lost_events(), 0u) << name;
    EXPECT_EQ(rig_.Get(name).stats().open_dead_letters(), 1u) << name;
  }
}

TEST_F(LatestTest, EventsRemovedAfterTheirRedriveAreLost) {
  Create();
  for (const auto kind : {v1::Subscription::KIND_QUEUE, v1::Subscription::KIND_STREAM}) {
    const std::string name = v1::Subscription::Kind_Name(kind);
    ASSERT_THAT(rig_.Subscribe(SubscriptionOf(name, "t", kind)), IsOk());
  }
  Publish({{"a1", "a"}, {"b1", "b"}, {"c1", "c"}});
  for (const std::string name : {"KIND_QUEUE", "KIND_STREAM"}) {
    const auto consumer = rig_.Consume(name, "c");
    for (const Received& event : consumer->Receive(3)) {
      consumer->Nack(event, v1::Nack::ACTION_PARK, "bad");
    }
    rig_.AwaitParking(name);
    v1::RedriveDeadLettersRequest request;
    request.set_subscription(name);
    request.mutable_selector();
    consumer->SetCredit(0);
    ASSERT_OK_AND_ASSIGN(const v1::RedriveDeadLettersResponse response, rig_.Redrive(request));
    EXPECT_EQ(response.events(), 3u);
  }
  Publish({{"a2", "a"}, {"c2", "c"}});
  Publish({{"tail", ""}});
  AwaitRemoved(2);
  for (const std::string name : {"KIND_QUEUE", "KIND_STREAM"}) {
    const auto consumer = rig_.Consume(name, "c");
    const std::vector<Received> events = consumer->Receive(4);
    EXPECT_THAT(IdsOf(events), testing::UnorderedElementsAre("b1", "a2", "c2", "tail")) << name;
    EXPECT_EQ(rig_.Get(name).stats().lost_events(), 2u) << name;
    EXPECT_EQ(rig_.Get(name).stats().replay_events(), 1u) << name;
  }
}

TEST_F(LatestTest, DeletedTopicLeavesNothingToItsSuccessor) {
  Create();
  Publish({{"a1", "a"}});
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  Create();
  EXPECT_THAT(Get("a"), Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_KEY_NOT_FOUND));
}

// Random publishes, look-ups, reads and restarts against a model.
TEST_F(LatestTest, AgreesWithModel) {
  constexpr uint32_t kPartitions = 2;
  Create(kPartitions, absl::ZeroDuration(), absl::Seconds(30));
  using Key = std::pair<uint32_t, std::string>;
  std::map<Key, std::pair<int64_t, std::string>> latest;  // Offset and id.
  int64_t ends[kPartitions] = {};
  int next_id = 0;
  const int steps = Steps(400);
  for (int step = 0; step < steps; ++step) {
    const auto partition = static_cast<uint32_t>(Int(0, kPartitions - 1));
    if (OneIn(40)) rig_.Reopen();
    rig_.clock.Advance(absl::Milliseconds(1));
    if (OneIn(10)) rig_.clock.Advance(absl::Seconds(Int(1, 20)));
    if (!OneIn(4)) {
      std::vector<std::pair<std::string, std::string>> events;
      const int64_t count = OneIn(10) ? Int(1, 300) : Int(1, 5);
      for (int64_t i = 0; i < count; ++i) {
        const std::string key = absl::StrCat("k", OneIn(3) ? Int(0, 200) : Int(0, 3));
        const std::string id = absl::StrCat(OneIn(10) ? "x" : "e", next_id++);
        events.emplace_back(id, key);
        latest[{partition, key}] = {ends[partition]++, id};
      }
      Publish(events, partition);
      continue;
    }
    const std::string key = absl::StrCat("k", Int(0, 200));
    const auto known = latest.find({partition, key});
    const auto got = Get(key, partition);
    if (known == latest.end() || known->second.second.front() == 'x') {
      EXPECT_THAT(got, StatusIs(StatusCode::kNotFound, "")) << key;
    } else {
      ASSERT_THAT(got, IsOk()) << key;
      EXPECT_EQ(got->event().id(), known->second.second);
      EXPECT_EQ(got->offset(), known->second.first);
    }
    const std::map<int64_t, std::string> read = ReadAll(partition);
    for (const auto& [place, event] : latest) {
      const auto& [offset, id] = event;
      if (place.first != partition || id.front() == 'x') continue;
      const auto found = read.find(offset);
      ASSERT_TRUE(found != read.end()) << offset << " " << id;
      EXPECT_EQ(found->second, id);
    }
  }
  EXPECT_THAT(rig_.background_errors(), IsEmpty());
  EXPECT_GT(rig_.broker().topics().Get(kTester, "t")->stats().removed_events(), 0u);
}

}  // namespace
}  // namespace eventhub

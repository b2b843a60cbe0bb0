// Filters of readers and subscriptions: which events are delivered, and how others are handled. The
// semantics of filters are tested in tests/filter.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/seeded.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"
#include "tests/support/events.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

v1::Filter Sql(const std::string& expression) {
  v1::Filter filter;
  filter.set_sql(expression);
  return filter;
}

v1::Filter OfType(const std::string& type) {
  v1::Filter filter;
  (*filter.mutable_exact()->mutable_values())["type"] = type;
  return filter;
}

// One batch of events of one type.
v1::PublishStreamRequest BatchOf(const std::string& type, const std::vector<std::string>& ids) {
  v1::PublishStreamRequest request = MakeRequest("t", ids);
  request.set_partition(0);
  for (v1::Event& event : *request.mutable_events()) event.set_type(type);
  return request;
}

// Matches events whose ids begin with `y`.
v1::Filter Wanted() { return Sql("id LIKE 'y%'"); }

std::vector<std::string> Ids(const std::string& first, int count) {
  std::vector<std::string> ids;
  for (int i = 0; i < count; ++i) ids.push_back(absl::StrCat(first, i));
  return ids;
}

// From memory and from the disk.
class FilteredReadTest : public SeededTest, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) rig_.tail_cache_bytes = 0;
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Create("t", 2), IsOk());
  }

  static v1::ReadRequest Request() {
    v1::ReadRequest request = ReadOf("t");
    *request.mutable_filter() = Wanted();
    return request;
  }

  // Many events that do not match.
  void Bury(int64_t bytes) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    request.set_partition(0);
    for (int i = 0; i < 100; ++i)
      *request.add_events() = MakeEvent("n", "", std::string(1000, 'x'));
    for (int64_t done = 0; done < bytes; done += 100'000) {
      ASSERT_THAT(rig_.Publish(request), IsOk());
    }
  }

  BrokerRig rig_;
};

INSTANTIATE_TEST_SUITE_P(All, FilteredReadTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Disk" : "Memory"; });

TEST_P(FilteredReadTest, KeepsOffsetsOfMatchingEvents) {
  ASSERT_THAT(rig_.Publish("t", {"n", "y1", "n", "y2", "y3", "n"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"y4", "y5"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"n", "n"}, 1), IsOk());
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read(Request()));
  EXPECT_EQ(read.events.size(), 1u);
  EXPECT_THAT(read.events.at(0), ElementsAre(Delivered::Event{1, "y1"}, Delivered::Event{3, "y2"},
                                             Delivered::Event{4, "y3"}, Delivered::Event{6, "y4"},
                                             Delivered::Event{7, "y5"}));
  EXPECT_THAT(read.start, ElementsAre(Pair(0, 0), Pair(1, 0)));
  EXPECT_THAT(read.passed, ElementsAre(Pair(1, 2)));
  EXPECT_EQ(read.caught_up, 1);
  EXPECT_TRUE(read.at_end);
}

TEST_P(FilteredReadTest, ReportsPositionWithoutMatches) {
  ASSERT_THAT(rig_.Publish("t", {"y", "n"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"n"}), IsOk());
  v1::ReadRequest request = Request();
  request.set_stop_offset(2);
  ASSERT_OK_AND_ASSIGN(Delivered read, rig_.Read(request));
  EXPECT_THAT(read.Ids(), ElementsAre("y"));
  EXPECT_THAT(read.passed, ElementsAre(Pair(0, 2)));
  request.clear_stop_offset();
  request.mutable_start()->set_offset(1);
  request.add_partitions(0);
  ASSERT_OK_AND_ASSIGN(read, rig_.Read(request));
  EXPECT_THAT(read.events, IsEmpty());
  EXPECT_THAT(read.passed, ElementsAre(Pair(0, 3)));
  EXPECT_EQ(read.caught_up, 1);
}

TEST_P(FilteredReadTest, ReportsFilteredEventsAtHeadOnRequest) {
  v1::ReadRequest request = Request();
  request.set_follow(true);
  for (const bool asked : {false, true}) {
    request.set_report_passed(asked);
    ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, request));
    ASSERT_OK_AND_ASSIGN(Delivered read, BrokerRig::Drain(*reader));
    EXPECT_EQ(read.caught_up, 1);
    ASSERT_THAT(rig_.Publish("t", {"n", "n"}), IsOk());
    ASSERT_OK_AND_ASSIGN(read, BrokerRig::Drain(*reader));
    EXPECT_THAT(read.events, IsEmpty());
    if (asked) {
      EXPECT_THAT(read.passed, ElementsAre(Pair(0, 4)));
    } else {
      EXPECT_THAT(read.passed, IsEmpty());
    }
    // Nothing new: nothing is reported.
    ASSERT_OK_AND_ASSIGN(read, BrokerRig::Drain(*reader));
    EXPECT_THAT(read.passed, IsEmpty());
  }
}

TEST_P(FilteredReadTest, FindsRareMatches) {
  Bury(3'000'000);
  ASSERT_THAT(rig_.Publish("t", {"y1"}), IsOk());
  Bury(3'000'000);
  v1::ReadRequest request = Request();
  request.set_follow(true);
  ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, request));
  ASSERT_OK_AND_ASSIGN(Delivered read, BrokerRig::Drain(*reader));
  EXPECT_THAT(read.Ids(), ElementsAre("y1"));
  EXPECT_EQ(read.events.at(0)[0].offset, 3000);
  EXPECT_EQ(read.caught_up, 1);
  ASSERT_THAT(rig_.Publish("t", {"n", "y2"}), IsOk());
  ASSERT_OK_AND_ASSIGN(read, BrokerRig::Drain(*reader));
  EXPECT_THAT(read.Ids(), ElementsAre("y2"));
  // A follower without matches is told its position periodically.
  Bury(10'000'000);
  ASSERT_OK_AND_ASSIGN(read, BrokerRig::Drain(*reader));
  EXPECT_THAT(read.events, IsEmpty());
  EXPECT_THAT(read.passed, SizeIs(1));
}

TEST_P(FilteredReadTest, SkipsBatchesWithoutMatchingTypes) {
  ASSERT_THAT(rig_.Publish(BatchOf("a", {"a1", "a2"})), IsOk());
  for (int i = 0; i < 300; ++i) ASSERT_THAT(rig_.Publish(BatchOf("b", Ids("b", 10))), IsOk());
  ASSERT_THAT(rig_.Publish(BatchOf("a", {"a3"})), IsOk());
  ASSERT_THAT(rig_.Publish(BatchOf("b", {"b"})), IsOk());
  v1::ReadRequest request = ReadOf("t");
  *request.mutable_filter() = OfType("a");
  const uint64_t before = rig_.broker().GetStats(kTester).cold_reads();
  ASSERT_OK_AND_ASSIGN(Delivered read, rig_.Read(request));
  EXPECT_THAT(read.events.at(0), ElementsAre(Delivered::Event{0, "a1"}, Delivered::Event{1, "a2"},
                                             Delivered::Event{3002, "a3"}));
  EXPECT_THAT(read.passed, ElementsAre(Pair(0, 3004)));
  EXPECT_EQ(read.caught_up, 1);
  EXPECT_EQ(rig_.broker().GetStats(kTester).cold_reads() > before, GetParam());
  // Starts inside a batch that is skipped.
  request.mutable_start()->set_offset(17);
  request.add_partitions(0);
  ASSERT_OK_AND_ASSIGN(read, rig_.Read(request));
  EXPECT_THAT(read.events.at(0), ElementsAre(Delivered::Event{3002, "a3"}));
  *request.mutable_filter() = OfType("c");
  ASSERT_OK_AND_ASSIGN(read, rig_.Read(request));
  EXPECT_THAT(read.events, IsEmpty());
  EXPECT_THAT(read.passed, ElementsAre(Pair(0, 3004)));
}

TEST_P(FilteredReadTest, RejectsInvalidFilters) {
  v1::ReadRequest request = ReadOf("t");
  *request.mutable_filter() = Sql("type =");
  const absl::Status status = rig_.Read(request).status();
  EXPECT_THAT(status, Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_EQ(DetailOf(status)->field(), "filter.sql");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("line 1, column 7"));
  *request.mutable_filter() = v1::Filter();
  EXPECT_THAT(rig_.Read(request),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
}

// A filtered read returns an unfiltered read without the events that do not match.
TEST_P(FilteredReadTest, EqualsUnfilteredReadWithoutNonMatches) {
  for (int i = 0; i < 60; ++i) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    request.set_partition(static_cast<uint32_t>(Int(0, 1)));
    const int64_t share = Int(0, 4);
    for (int64_t k = Int(1, 40); k > 0; --k) {
      *request.add_events() = MakeEvent(Int(1, 4) <= share ? "y" : "n", "",
                                        std::string(static_cast<size_t>(Int(0, 3000)), 'x'));
    }
    ASSERT_THAT(rig_.Publish(request), IsOk());
  }
  for (const uint32_t response : {4096u, 20'000u, 1'000'000u}) {
    v1::ReadRequest request = ReadOf("t");
    request.set_max_response_bytes(response);
    ASSERT_OK_AND_ASSIGN(Delivered expected, rig_.Read(request));
    *request.mutable_filter() = Wanted();
    ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read(request));
    for (auto& [partition, events] : expected.events) {
      std::erase_if(events, [](const Delivered::Event& event) { return event.id == "n"; });
    }
    for (const auto& [partition, events] : expected.events) {
      EXPECT_THAT(read.events.at(partition), testing::ElementsAreArray(events));
    }
  }
}

class FilteredSubscriptionTest : public SubscriptionTest {
 protected:
  void SetUpFiltered(v1::Subscription subscription) {
    *subscription.mutable_filter() = Wanted();
    Create(subscription);
  }

  v1::SubscriptionPartition Place() { return rig_.Get("s").partitions(0); }
};

TEST_F(FilteredSubscriptionTest, HubAcksFilteredEvents) {
  for (const v1::Subscription& subscription : {Stream(), Queue()}) {
    SetUpFiltered(subscription);
    ASSERT_THAT(rig_.Publish("t", {"n", "y1", "n", "y2", "y3", "n"}), IsOk());
    const auto consumer = rig_.Consume("s", "c");
    const std::vector<Received> events = consumer->Receive(3);
    EXPECT_THAT(IdsOf(events), ElementsAre("y1", "y2", "y3"));
    EXPECT_EQ(events[0].offset, 1);
    EXPECT_EQ(events[1].offset, 3);
    EXPECT_EQ(events[2].offset, 4);
    EXPECT_EQ(consumer->caught_up, 1);
    EXPECT_EQ(Place().acked_offset(), 1);
    EXPECT_EQ(Place().next_offset(), 6);
    EXPECT_TRUE(consumer->AckAll(events));
    EXPECT_EQ(Place().acked_offset(), 6);
    EXPECT_EQ(rig_.Get("s").stats().lag_events(), 0u);
    EXPECT_EQ(rig_.Get("s").stats().filtered_events(), 3u);
    EXPECT_EQ(rig_.Get("s").stats().acked_events(), 3u);
    ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
}

// Nothing was delivered, so nothing is written at once; but it is written eventually.
TEST_F(FilteredSubscriptionTest, PersistsPositionBehindFilteredEvents) {
  SetUpFiltered(Queue());
  ASSERT_THAT(rig_.Publish("t", Ids("n", 10)), IsOk());
  {
    const auto consumer = rig_.Consume("s", "c");
    EXPECT_THAT(consumer->Receive(), IsEmpty());
    EXPECT_EQ(Place().acked_offset(), 10);
    rig_.Pass(absl::Seconds(2));
  }
  rig_.Reopen();
  EXPECT_EQ(Place().acked_offset(), 10);
  EXPECT_EQ(rig_.Get("s").subscription().filter().sql(), Wanted().sql());
}

TEST_F(FilteredSubscriptionTest, ReplayOfFilteredEventsSurvivesRestart) {
  SetUpFiltered(Queue());
  {
    const auto consumer = rig_.Consume("s", "c");
    ASSERT_THAT(rig_.Publish("t", {"y"}), IsOk());
    EXPECT_TRUE(consumer->AckAll(consumer->Receive(1)));
    ASSERT_THAT(rig_.Publish("t", Ids("n", 10)), IsOk());
    EXPECT_THAT(consumer->Receive(), IsEmpty());
    v1::ReplaySubscriptionRequest replay;
    replay.set_name("s");
    replay.mutable_start()->set_earliest(true);
    ASSERT_OK_AND_ASSIGN(const auto replayed, rig_.Replay(replay));
    EXPECT_EQ(replayed.events(), 11u);
  }
  rig_.Reopen();
  EXPECT_EQ(rig_.Get("s").stats().replay_events(), 11u);
  EXPECT_EQ(Place().next_offset(), 11);
}

// Events, and a filter that examines much of each.
v1::PublishStreamRequest LargeEvents(const std::vector<std::string>& ids, size_t bytes) {
  v1::PublishStreamRequest request = MakeRequest("t", ids);
  request.set_partition(0);
  for (v1::Event& event : *request.mutable_events()) {
    (*event.mutable_attributes())["large"].set_string(std::string(bytes, 'a'));
  }
  return request;
}

v1::Filter SlowFilter() {
  std::string expression = "id LIKE 'y%' OR large LIKE '%b%'";
  for (int i = 0; i < 100; ++i) absl::StrAppend(&expression, " OR large LIKE '%b%'");
  return Sql(expression);
}

TEST_F(FilteredSubscriptionTest, BoundsFilterWorkOnPollThread) {
  v1::Subscription queue = Queue();
  *queue.mutable_filter() = SlowFilter();
  Create(queue);
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  // 10 KB each, and 1 MB of work.
  ASSERT_THAT(rig_.BrokerRig::Publish(LargeEvents({"n1", "n2", "y1", "n3"}, 10'000)), IsOk());
  ConsumeFrame frame;
  ASSERT_EQ(consumer->session().Poll(&frame).value(), ConsumerSession::Step::kCold);
  EXPECT_EQ(Place().next_offset(), 1);  // One event exceeds its budget.
  EXPECT_THAT(rig_.Get("s").findings(), testing::Not(testing::Contains(HasSubstr("given up"))));
  // A reader has the same budget.
  v1::ReadRequest read = ReadOf("t");
  *read.mutable_filter() = SlowFilter();
  ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, read));
  Frame start;
  ASSERT_EQ(reader->Poll(&start).value(), TopicReader::Step::kFrame);
  Frame first;
  ASSERT_EQ(reader->Poll(&first).value(), TopicReader::Step::kCold);
  EXPECT_THAT(first.deliveries, IsEmpty());
  EXPECT_THAT(rig_.Drain(*reader)->Ids(), ElementsAre("y1"));
}

TEST_F(FilteredSubscriptionTest, ReportsAbandonedFilterAsFinding) {
  v1::Subscription queue = Queue();
  *queue.mutable_filter() = SlowFilter();
  Create(queue);
  ASSERT_THAT(rig_.BrokerRig::Publish(LargeEvents({"n1", "y1"}, 100'000)), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("y1"));
  EXPECT_THAT(rig_.Get("s").findings(),
              testing::Contains(HasSubstr("its filter was given up on 1 event")));
}

// A result computed without the mutex counts only if the filter is unchanged.
TEST_F(FilteredSubscriptionTest, DiscardsResultsOfReplacedFilter) {
  v1::Subscription queue = Queue();
  *queue.mutable_filter() = SlowFilter();
  Create(queue);
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  ASSERT_THAT(rig_.BrokerRig::Publish(LargeEvents({"n1", "n2", "n3"}, 10'000)), IsOk());
  ConsumeFrame frame;
  ASSERT_EQ(consumer->session().Poll(&frame).value(), ConsumerSession::Step::kCold);
  v1::Subscription changed = Queue();
  *changed.mutable_filter() = Sql("id = 'n2'");
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"filter"}), IsOk());
  consumer->session().ReadCold(&frame);
  EXPECT_THAT(frame.deliveries, IsEmpty());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("n2"));
}

TEST_F(FilteredSubscriptionTest, FilteredEventsUseNoCredit) {
  for (const size_t cache : {size_t{0}, size_t{64} << 20}) {
    rig_.tail_cache_bytes = cache;
    rig_.Reopen();
    SetUpFiltered(Queue());
    v1::PublishStreamRequest request = MakeRequest("t", {});
    for (int i = 0; i < 100; ++i)
      *request.add_events() = MakeEvent("n", "", std::string(1000, 'x'));
    for (int i = 0; i < 50; ++i) ASSERT_THAT(rig_.Publish(request), IsOk());
    ASSERT_THAT(rig_.Publish("t", {"y1", "n", "y2"}), IsOk());
    const auto consumer = rig_.Consume("s", "c", /*credit=*/1);
    std::vector<Received> events = consumer->Receive(1);
    EXPECT_THAT(IdsOf(events), ElementsAre("y1"));
    EXPECT_EQ(events[0].offset, 5000);
    EXPECT_THAT(consumer->Receive(), IsEmpty());
    EXPECT_TRUE(consumer->AckAll(events));
    EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("y2"));
    EXPECT_EQ(rig_.Get("s").stats().filtered_events(), 5001u);
    ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
}

TEST_F(FilteredSubscriptionTest, SkipsBatchesWithoutMatchingTypes) {
  for (const size_t cache : {size_t{0}, size_t{64} << 20}) {
    for (v1::Subscription subscription : {Stream(), Queue()}) {
      rig_.tail_cache_bytes = cache;
      rig_.Reopen();
      *subscription.mutable_filter() = OfType("a");
      Create(subscription);
      for (int i = 0; i < 100; ++i) {
        ASSERT_THAT(rig_.Publish(BatchOf("b", Ids("b", 20))), IsOk());
      }
      ASSERT_THAT(rig_.Publish(BatchOf("a", {"a1", "a2"})), IsOk());
      const auto consumer = rig_.Consume("s", "c");
      const std::vector<Received> events = consumer->Receive(2);
      EXPECT_THAT(IdsOf(events), ElementsAre("a1", "a2"));
      EXPECT_EQ(events[0].offset, 2000);
      EXPECT_EQ(rig_.Get("s").stats().filtered_events(), 2000u);
      EXPECT_TRUE(consumer->AckAll(events));
      EXPECT_EQ(Place().acked_offset(), 2002);
      // A replay filters settled events, too.
      v1::ReplaySubscriptionRequest replay;
      replay.set_name("s");
      replay.mutable_start()->set_earliest(true);
      ASSERT_THAT(rig_.Replay(replay), IsOk());
      const std::vector<Received> again = consumer->Receive(2);
      EXPECT_THAT(IdsOf(again), ElementsAre("a1", "a2"));
      EXPECT_TRUE(consumer->AckAll(again));
      EXPECT_EQ(rig_.Get("s").stats().replay_events(), 0u);
      ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
      ASSERT_THAT(rig_.Delete("t"), IsOk());
    }
  }
}

TEST_F(FilteredSubscriptionTest, FilterChangeAppliesToUndeliveredEvents) {
  SetUpFiltered(Queue());
  ASSERT_THAT(rig_.Publish("t", {"n1", "y1"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> first = consumer->Receive(1);
  EXPECT_THAT(IdsOf(first), ElementsAre("y1"));
  v1::Subscription changed = Queue();
  *changed.mutable_filter() = Sql("id LIKE 'n%'");
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"filter"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"n2", "y2"}), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("n2"));
  // It matched when it was filtered.
  EXPECT_THAT(
      RefusedOffsets(consumer->Nack(first[0], v1::Nack::ACTION_RETRY, "", absl::ZeroDuration())),
      IsEmpty());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("y1"));
  changed.clear_filter();
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"filter"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"n3", "y3"}), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(2)), ElementsAre("n3", "y3"));
  *changed.mutable_filter() = Sql("(");
  EXPECT_EQ(DetailOf(rig_.UpdateSubscription(changed, {"filter"}).status())->field(),
            "subscription.filter.sql");
}

TEST_F(FilteredSubscriptionTest, FiltersReplays) {
  SetUpFiltered(Queue());
  ASSERT_THAT(rig_.Publish("t", {"n1", "y1", "n2", "y2"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(2);
  EXPECT_TRUE(consumer->AckAll({events[0]}));
  EXPECT_THAT(RefusedOffsets(consumer->Nack(events[1], v1::Nack::ACTION_PARK, "not today")),
              IsEmpty());
  rig_.AwaitParking("s");
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  ASSERT_THAT(rig_.Replay(replay), IsOk());
  const std::vector<Received> again = consumer->Receive(2);
  EXPECT_THAT(IdsOf(again), ElementsAre("y1", "y2"));
  EXPECT_TRUE(consumer->AckAll(again));
  EXPECT_EQ(rig_.Get("s").stats().replay_events(), 0u);
}

TEST_F(FilteredSubscriptionTest, KeepsOrderOfKeys) {
  v1::Subscription subscription = Queue();
  subscription.set_ordered_by_key(true);
  SetUpFiltered(subscription);
  v1::PublishStreamRequest request = MakeRequest("t", {});
  for (const auto& [id, key] : std::vector<std::pair<const char*, const char*>>{
           {"n1", "a"}, {"y1", "a"}, {"y2", "b"}, {"n2", "b"}, {"y3", "a"}, {"y4", "b"}}) {
    *request.add_events() = MakeEvent(id, key);
  }
  ASSERT_THAT(rig_.Publish(request), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> first = consumer->Receive(2);
  EXPECT_THAT(IdsOf(first), ElementsAre("y1", "y2"));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_TRUE(consumer->AckAll(first));
  const std::vector<Received> second = consumer->Receive(2);
  EXPECT_THAT(IdsOf(second), ElementsAre("y3", "y4"));
  EXPECT_TRUE(consumer->AckAll(second));
  EXPECT_EQ(Place().acked_offset(), 6);
}

TEST_F(FilteredSubscriptionTest, EventsFilteredFromReplayDoNotBlockTheirKey) {
  v1::Subscription subscription = Queue();
  subscription.set_ordered_by_key(true);
  Create(subscription);
  v1::PublishStreamRequest request = MakeRequest("t", {});
  for (const char* const id : {"y1", "n1"}) *request.add_events() = MakeEvent(id, "k");
  ASSERT_THAT(rig_.Publish(request), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(consumer->AckAll(consumer->Receive(1)));
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  ASSERT_THAT(rig_.Replay(replay), IsOk());
  const std::vector<Received> again = consumer->Receive(1);  // The other one waits for it.
  *subscription.mutable_filter() = Wanted();
  ASSERT_THAT(rig_.UpdateSubscription(subscription, {"filter"}), IsOk());
  EXPECT_TRUE(consumer->AckAll(again));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  request.clear_events();
  *request.add_events() = MakeEvent("y2", "k");
  ASSERT_THAT(rig_.Publish(request), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("y2"));
}

}  // namespace
}  // namespace eventhub
